"""Measures whether the retention removes old runs without making calls late, and whether the disk comes back."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import TextClause, text

from db.engine.days import lower_bound
from db.maintenance import partitions
from tests.bench.fill import EMPTY, execute
from tests.bench.line import Line
from tests.bench.long_history import KEEPING, MAKE_TASKS, TASKS_OF_HISTORY, HistoryBench
from tests.bench.rounds import AHEAD, Lateness, Servers, module

DAYS = (*range(31, 41), *range(92, 102))
"""How many days ago the old runs were. Ten days have failed runs that are kept longer, and ten have nothing to keep."""
UNKNOWN_DAYS = (102,)
"""Days without a partition of their own, whose runs are removed one by one."""
FAILED_KEPT = 91
"""Days after which no failed run of a day is kept by default."""
PER_SECOND = 50
SECONDS_BEFORE = 60
SECONDS_MEANWHILE = 360
"""How long calls are due while old runs are removed, which is longer than that takes."""
SETTLED = timedelta(seconds=1)
FEWEST = 100
MEBIBYTE = 1024 * 1024

# One run of a hundred has failed. The ids begin with the instant's milliseconds, as those of `jobs.run_ids`.
FILL = """
INSERT INTO finished_runs (id, task_id, host, state, scheduled_for, due_at, epoch, attempt, attempt_started_at, run_at,
                           finished_at, duration_ms, status_code, success, response_body)
SELECT CAST(lpad(to_hex(CAST(floor(extract(epoch FROM at) * 1000) AS bigint)), 12, '0')
            || substr(md5(CAST(number AS text)), 13) AS uuid),
       tasks.ids[1 + number % cardinality(tasks.ids)], 'host',
       CASE number % 100 WHEN 0 THEN 'failed' ELSE 'succeeded' END,
       at, at, 1, 1, at, at, at, 40, 200, number % 100 > 0, 'ok'
FROM (SELECT array_agg(id) AS ids FROM tasks WHERE name = 'past') AS tasks,
     generate_series(1, CAST(:number AS int)) AS number,
     LATERAL (SELECT CAST(:first AS timestamptz) + number * interval '1 day' / (:number + 1) AS at) AS instants
"""
SIZE = text("SELECT pg_database_size(current_database())")
IS_ALIVE = text("SELECT EXISTS (SELECT FROM workers)")
IS_REMOVED = text("""
SELECT NOT (EXISTS (SELECT FROM pg_class WHERE relispartition AND relname = ANY(:dropped))
            OR EXISTS (SELECT FROM finished_runs WHERE id < CAST(:before AS uuid) AND state = 'succeeded')
            OR EXISTS (SELECT FROM task_results_default))
""")


class RetentionBench(HistoryBench):
    """The measurements over old runs, which go away if the settings of the worker say so."""

    def __init__(self, servers: Servers) -> None:
        super().__init__(servers)
        self._midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)

    async def fill(self, runs: int) -> None:
        """Insert old runs, as many for each day."""
        await execute(self._servers, str(MAKE_TASKS), values={"number": TASKS_OF_HISTORY})
        number = runs // (len(DAYS) + len(UNKNOWN_DAYS))
        for ago in (*DAYS, *UNKNOWN_DAYS):
            day = self._midnight - timedelta(days=ago)
            if ago in DAYS:
                async with self._servers.engine.begin() as connection:
                    await partitions.make(connection, day.date())
            await execute(self._servers, FILL, values={"number": number, "first": day})
        await execute(self._servers, "VACUUM (ANALYZE)")

    async def calls(
        self, environment: dict[str, str], *, seconds: int, removes: bool = False
    ) -> tuple[Lateness, timedelta]:
        """Return how late calls are from when a worker is there until it has made all, or until it has removed all old
        runs. Return how long that took, too.
        """
        await self._empty()
        start = datetime.now(UTC) + AHEAD
        due = await self._make_tasks([start + timedelta(seconds=n / PER_SECOND) for n in range(PER_SECOND * seconds)])
        await asyncio.sleep((start - datetime.now(UTC)).total_seconds() - 1)
        async with module("duetime", "worker", environment=self._servers.environment | environment):
            begun = await self._when(IS_ALIVE)
            gone = [f"task_results_{self._midnight - timedelta(days=ago):%Y%m%d}" for ago in DAYS if ago > FAILED_KEPT]
            before = lower_bound((self._midnight - timedelta(days=DAYS[0] - 1)).date())
            ended = await self._when(IS_REMOVED, dropped=gone, before=before) if removes else due[-1]
            await asyncio.sleep(max((due[-1] - datetime.now(UTC)).total_seconds(), 0))
            await self._all_finished(len(due))
        # The first calls are those that became due while the worker was starting.
        late = zip(due, await self._late_each(due), strict=True)
        measured = [seconds for at, seconds in late if begun + SETTLED < at < ended]
        assert len(measured) >= FEWEST, f"only {len(measured)} calls were due until all was gone; take more old runs"
        return Lateness.of(measured), ended - begun

    async def size(self) -> int:
        """Return the bytes of the database."""
        async with self._servers.engine.connect() as connection:
            size: int = (await connection.execute(SIZE)).scalar_one()
            return size

    async def _when(self, condition: TextClause, **values: object) -> datetime:
        """Wait until a condition is true, and return the instant."""
        while True:
            async with self._servers.engine.connect() as connection:
                if (await connection.execute(condition, values)).scalar_one():
                    return datetime.now(UTC)
            await asyncio.sleep(0.1)

    async def _late_each(self, due: Sequence[datetime]) -> list[float]:
        """Return how late the call of each task was, in seconds, in the order of the tasks."""
        arrived = {int(path[1:]): at for at, path in await self._log()}
        return [arrived[number] - instant.timestamp() for number, instant in enumerate(due)]


async def retention_lines(servers: Servers, *, runs: int) -> list[Line]:
    """Return the lines for calls while old runs are removed, against the same calls over the same runs before, and for
    the size of the database.
    """
    bench = RetentionBench(servers)
    await execute(servers, EMPTY)
    empty = await bench.size()
    await bench.fill(runs)
    full = await bench.size()
    before, _ = await bench.calls(KEEPING, seconds=SECONDS_BEFORE)
    meanwhile, took = await bench.calls({}, seconds=SECONDS_MEANWHILE, removes=True)
    # Autovacuum does this a little later; only the runs without a partition of their own leave anything to it.
    await execute(servers, "VACUUM")
    left = await bench.size()
    what = f"while {runs:,} old runs are removed, in {took.total_seconds():,.0f} s"
    return [
        Line(
            f"{name} lateness, {PER_SECOND} calls a second, {what}",
            f"{getattr(meanwhile, name):,.1f} ms",
            f"{getattr(before, name):,.1f} ms (before)",
            getattr(meanwhile, name) / getattr(before, name),
            "at most 1.2",
        )
        for name in ("p50", "p99")
    ] + [
        Line(
            f"size of the database, without {runs:,} old runs",
            f"{left / MEBIBYTE:,.0f} MiB",
            f"{full / MEBIBYTE:,.0f} MiB (with them; {empty / MEBIBYTE:,.0f} MiB without any)",
            left / full,
            "at most 0.1",
        )
    ]
