"""Writes how attempts ended, in batches, each in one statement with its events.

Only where something may wait for the end of a run it takes a transaction, which makes that due as well.

A few milliseconds are waited for more to come; while one batch is being written, the next one gathers.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import CONNECTION_ERRORS, autocommit, is_refusal_of_data
from db.engine.finishes import Finish, finish, lock_tasks, promote_waiting
from jobs.clock import Clock
from jobs.engine.outcome import unwritable

logger = logging.getLogger(__name__)

LINGER = timedelta(milliseconds=5)
LINGERS = 5
MANY = 5
"""So many ended attempts within one `LINGER` make it worth to wait for the next, up to `LINGERS` times."""
BATCH = 100
PAUSE = timedelta(milliseconds=200)
"""Between two tries to write the same batch while Postgres is away."""


class ResultWriter:
    """Collects ended attempts and writes them.

    `on_written` hears of each batch once it is safe in the database, `on_released` when something that waited for the
    end of a run is due now.
    """

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        clock: Clock,
        worker_id: UUID,
        on_written: Callable[[Sequence[Finish]], None],
        on_released: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._worker_id = worker_id
        self._on_written = on_written
        self._on_released = on_released
        self._waiting: list[Finish] = []
        self._some = asyncio.Event()

    def add(self, finish: Finish) -> None:
        """Takes an ended attempt; it will be written soon."""
        self._waiting.append(finish)
        self._some.set()

    async def run(self) -> None:
        """Writes for ever."""
        while True:
            await self._some.wait()
            await self._gather()
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            if not self._waiting:
                self._some.clear()
            await self._write_surely(batch)
            self._on_written(batch)

    async def _gather(self) -> None:
        """Waits a moment for more to come, and on for as long as many come."""
        for _ in range(LINGERS):
            before = len(self._waiting)
            if before >= BATCH:
                return
            await asyncio.sleep(LINGER.total_seconds())
            if len(self._waiting) - before < MANY:
                return

    async def _write_surely(self, batch: Sequence[Finish]) -> None:
        """Writes a batch whatever happens to the database meanwhile.

        After a lost connection nobody knows whether the commit arrived, so the batch is written again: the guard on
        state, worker and epoch makes that harmless.
        """
        while True:
            try:
                await self._write(batch)
            except CONNECTION_ERRORS as error:
                if is_refusal_of_data(error):
                    await self._write_apart(batch, error=error)
                    return
                logger.warning("Results wait for Postgres. action=results_wait error=%s", error)
                await asyncio.sleep(PAUSE.total_seconds())
            else:
                return

    async def _write_apart(self, batch: Sequence[Finish], *, error: Exception) -> None:
        """Splits a batch that the database will not take, until the one bad result is alone and is kept as FAILED."""
        if len(batch) > 1:
            middle = len(batch) // 2
            await self._write_surely(batch[:middle])
            await self._write_surely(batch[middle:])
            return
        logger.error("A result cannot be stored. action=result_unwritable run=%s error=%s", batch[0].run_id, error)
        bare = unwritable(batch[0])
        if bare != batch[0]:
            await self._write_surely([bare])

    async def _write(self, batch: Sequence[Finish]) -> None:
        freed = {task_id for ended in batch if (task_id := ended.frees) is not None}
        now = self._clock.now()
        if not freed:
            async with autocommit(self._engine).connect() as connection:
                await finish(connection, worker_id=self._worker_id, finishes=batch, now=now)
            return
        async with self._engine.begin() as connection:
            await lock_tasks(connection, task_ids=freed | {task for ended in batch if (task := ended.completes)})
            await finish(connection, worker_id=self._worker_id, finishes=batch, now=now)
            released = await promote_waiting(connection, task_ids=freed, now=now)
        if released:
            self._on_released()
