"""Events are numbered in the order of commits: a reader that has seen a number has seen all lower ones."""

import asyncio
from uuid import uuid4

from sqlalchemy import text

from db.settings import DatabaseSettings
from tests.support.engine import opened
from tests.support.history import append_events

WRITERS = 6
TIMES = 40
AT_ONCE = 3
ALL = WRITERS * TIMES * AT_ONCE
AFTER = text("SELECT seq FROM run_events WHERE seq > :after ORDER BY seq")


async def test_a_reader_never_passes_an_event_that_is_yet_to_come(database: DatabaseSettings) -> None:
    """With many concurrent writers, a reader has always seen 1, 2, 3, … without a gap."""
    seen: list[int] = []

    async def write() -> None:
        async with opened(database) as engine:
            for _ in range(TIMES):
                await append_events(engine, AT_ONCE, task_id=uuid4(), run_id=uuid4())

    async def read() -> None:
        async with opened(database) as engine, engine.connect() as connection:
            while len(seen) < ALL:
                seen.extend((await connection.execute(AFTER, {"after": len(seen)})).scalars())
                await connection.rollback()
                assert seen == list(range(1, len(seen) + 1))

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(read())
        for _ in range(WRITERS):
            group.create_task(write())
    assert len(seen) == ALL
