"""Measures the claim of a hundred due tasks among many, and behind a snapshot that stays open, as that of a backup."""

import statistics
import time
from datetime import timedelta
from uuid import uuid4

from sqlalchemy import text

from db.connection import open_engine
from db.models import utc_now
from db.settings import DatabaseSettings
from jobs.engine.claim import claim_tasks
from jobs.engine.slots import Slots
from tests.bench.fill import EMPTY, execute
from tests.bench.line import Line
from tests.bench.rounds import Servers

FEW, MANY = 10_000, 1_000_000
BATCH = 100
CLAIMS = 40
CLAIMED = 1_000_000
FIRST = timedelta(hours=1)
"""When the first task is due: after everything has been filled. The claims are told that it is that time."""
FILL = """
INSERT INTO tasks (id, name, trigger_type, every_ms, start_at, method, url, host, next_run, due_at)
SELECT gen_random_uuid(), 'task ' || n, 'interval', 86400000, due, 'GET', 'http://host/', 'host' || n % 1000, due, due
FROM generate_series(1, CAST(:number AS int)) n,
     LATERAL (SELECT CAST(:first AS timestamptz) + n * CAST(:step AS interval) AS due) d
"""


async def due_lines(servers: Servers, *, many: int = MANY, claimed: int = CLAIMED) -> list[Line]:
    """Return the lines for claims among many tasks, and after many claims behind an open snapshot."""
    few_ms = await claims_among(servers, FEW)
    many_ms = await claims_among(servers, many)
    before_ms, behind_ms = await claims_behind_a_snapshot(servers, claimed)
    return [
        Line(
            f"claim of {BATCH} due among {many:,} tasks",
            f"{many_ms:.1f} ms",
            f"{few_ms:.1f} ms (among {FEW:,})",
            many_ms / few_ms,
            "at most 1.3",
        ),
        Line(
            f"claim of {BATCH} after {claimed:,} claims behind an open snapshot",
            f"{behind_ms:.1f} ms",
            f"{before_ms:.1f} ms (before)",
            behind_ms / before_ms,
            "at most 1.5",
        ),
    ]


class Claims:
    """Claims of batches, one after another, at the instants at which the batches are due."""

    def __init__(self, servers: Servers, *, step: timedelta) -> None:
        url = DatabaseSettings.model_construct(database_url=servers.environment["DATABASE_URL"]).url()
        self.first, self.step, self.batches = utc_now() + FIRST, step, 0
        self.engine = open_engine(url, pool_size=1, application_name="duetime bench", plans_once=True)

    async def take(self) -> float:
        """Claim the next batch, and return how long that took, in milliseconds."""
        self.batches += 1
        now = self.first + self.batches * BATCH * self.step
        begun = time.perf_counter()
        claimed = await claim_tasks(
            self.engine,
            worker_id=uuid4(),
            slots=Slots(10 * BATCH),
            now=now,
            since=now - timedelta(minutes=1),
            limit=BATCH,
        )
        milliseconds = (time.perf_counter() - begun) * 1000
        assert len(claimed.attempts) == BATCH, len(claimed.attempts)
        return milliseconds

    async def median(self) -> float:
        """Return the median of some claims."""
        return statistics.median([await self.take() for _ in range(CLAIMS)])


async def claims_among(servers: Servers, number: int) -> float:
    """Return the median time of claims among so many tasks, most of which are due much later."""
    step = timedelta(milliseconds=1)
    claims = Claims(servers, step=step)
    await execute(servers, EMPTY, FILL, values={"number": number, "first": claims.first, "step": step})
    await execute(servers, "VACUUM ANALYZE")
    try:
        await claims.median()
        return await claims.median()
    finally:
        await claims.engine.dispose()


async def claims_behind_a_snapshot(servers: Servers, number: int) -> tuple[float, float]:
    """Return the median time of claims before and after so many claims, whose dead rows a snapshot keeps."""
    step = timedelta(milliseconds=10)
    claims = Claims(servers, step=step)
    tasks = number + 4 * CLAIMS * BATCH
    await execute(servers, EMPTY, FILL, values={"number": tasks, "first": claims.first, "step": step})
    await execute(servers, "VACUUM ANALYZE")
    snapshot = servers.engine.execution_options(isolation_level="REPEATABLE READ")
    try:
        async with snapshot.connect() as connection:
            await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            await connection.execute(text("SELECT count(*) FROM workers"))
            await claims.median()
            before = await claims.median()
            for _ in range(number // BATCH):
                await claims.take()
            return before, await claims.median()
    finally:
        await claims.engine.dispose()
