"""Measures the engine over a history of many days, against the same engine over a history of two.

Both histories are databases of the same servers, filled once, and are measured in turn.
"""

import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import perf_counter
from uuid import uuid4

from sqlalchemy import text

from db.connection import autocommit, open_engine
from db.engine.finishes import finish
from db.maintenance import partitions
from db.settings import DatabaseSettings
from jobs.engine.claim import claim_tasks
from jobs.engine.slots import Slots
from tests.bench.fill import another_database, execute
from tests.bench.rounds import Bench, Lateness, Servers
from tests.support.history import fill
from tests.support.interleaving import succeeded

SHORT_DAYS = 2
TASKS_OF_HISTORY = 1000
CLAIMS = 300

MAKE_TASKS = text("""
INSERT INTO tasks (id, name, trigger_type, every_ms, method, url, host, status)
SELECT gen_random_uuid(), 'past', 'interval', 60000, 'GET', 'http://host/', 'host', 'completed'
FROM generate_series(1, CAST(:number AS int))
""")
KEEPING = dict.fromkeys(
    (f"DUETIME_RETENTION_{kind}DAYS" for kind in ("", "FAILED_", "BODIES_", "EVENTS_", "AUDIT_")), "0"
)
"""Settings of a worker that removes no history."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What the engine did over one history: its rate, its lateness, and the time of one claim and of its finish."""

    rate: float
    late: Lateness
    claim_ms: float
    finish_ms: float


@dataclass(frozen=True, slots=True)
class LongHistory:
    """The same engine over many days and over two."""

    many: Engine
    few: Engine


@asynccontextmanager
async def history(servers: Servers, *, days: int, runs: int) -> AsyncIterator[Servers]:
    """Yield the same servers with a database of its own, which holds so many runs for each of the past days."""
    async with another_database(servers, f"days_{days}") as its:
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        async with its.engine.begin() as connection:
            await connection.execute(MAKE_TASKS, {"number": TASKS_OF_HISTORY})
        for day in range(1, days + 1):
            async with its.engine.begin() as connection:
                await partitions.make(connection, (midnight - timedelta(days=day)).date())
                await fill(connection, runs, first=midnight - timedelta(days=day))
        await execute(its, "VACUUM (ANALYZE)")
        yield replace(its, environment=its.environment | KEEPING)


class HistoryBench(Bench):
    """The measurements over a history, which stays."""

    async def engine(self, *, herd: int, spread: int, seconds: int) -> Engine:
        """Measure once what the engine does over this history."""
        rate = await self.drain(herd)
        late = await self.spread(spread, seconds)
        claim_ms, finish_ms = await self.claims(CLAIMS)
        return Engine(rate=rate, late=late, claim_ms=claim_ms, finish_ms=finish_ms)

    async def claims(self, count: int) -> tuple[float, float]:
        """Return the median time of the claim of one task, and of the finish of its run, in milliseconds."""
        await self._empty()
        worker, now = uuid4(), datetime.now(UTC)
        await self._make_tasks([now + timedelta(seconds=30)] * count)
        engine = open_engine(
            DatabaseSettings(database_url=self._servers.environment["DATABASE_URL"]).url(),
            pool_size=1,
            application_name="duetime bench",
            plans_once=True,
        )
        slots, later = Slots(2 * count), now + timedelta(seconds=31)
        took: list[tuple[float, float]] = []
        for _ in range(count):
            begun = perf_counter()
            claimed = await claim_tasks(engine, worker_id=worker, slots=slots, now=later, since=now, limit=1)
            claimed_at = perf_counter()
            [attempt] = claimed.attempts
            async with autocommit(engine).connect() as connection:
                await finish(connection, worker_id=worker, finishes=[succeeded(attempt)], now=later)
            took.append((claimed_at - begun, perf_counter() - claimed_at))
        await engine.dispose()
        claims, finishes = zip(*took, strict=True)
        return statistics.median(claims) * 1000, statistics.median(finishes) * 1000

    async def _empty(self) -> None:
        """Remove the events of the measurement before; the history stays."""
        async with self._servers.engine.begin() as connection:
            await connection.execute(text("TRUNCATE run_events"))


async def long_history(
    servers: Servers, *, days: int, runs: int, rounds: int, herd: int, spread: int, seconds: int
) -> list[LongHistory]:
    """Measure the engine in turn over `days` days and over two, with so many runs a day. Each goes first in turn."""
    async with (
        history(servers, days=days, runs=runs) as many,
        history(servers, days=SHORT_DAYS, runs=runs) as few,
    ):
        benches = [HistoryBench(many), HistoryBench(few)]
        measured = []
        for number in range(rounds):
            order = benches if number % 2 else benches[::-1]
            engines = [await bench.engine(herd=herd, spread=spread, seconds=seconds) for bench in order]
            measured.append(LongHistory(*(engines if number % 2 else engines[::-1])))
        return measured
