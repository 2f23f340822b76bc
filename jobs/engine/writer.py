"""Writes the outcomes of attempts in batches, each in one statement with its events.

A batch needs a transaction only where another run may wait for the end of one of its runs, or a task counts its
failures; the transaction then promotes the waiting run, and pauses the task, as well.

The writer waits a few milliseconds for more outcomes. While it writes one batch, the next one is collected.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import CONNECTION_ERRORS, autocommit, is_refusal_of_data, message_of
from db.engine.finishes import Finish, finish, lock_tasks, promote_waiting
from jobs.clock import Clock
from jobs.engine.failures import count_failures
from jobs.engine.outcome import unwritable

logger = logging.getLogger(__name__)

LINGER = timedelta(milliseconds=5)
LINGERS = 5
MANY = 5
"""Number of outcomes within one `LINGER` that make it worth waiting for more, up to `LINGERS` times."""
BATCH = 100
PAUSE = timedelta(milliseconds=200)
"""Pause between two attempts to write the same batch while Postgres is away."""


class ResultWriter:
    """Collects outcomes and writes them.

    It calls `on_written` with each batch that is stored, `on_promoted` when a run that waited is due now, and
    `on_paused` with the tasks that a batch has paused.
    """

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        clock: Clock,
        worker_id: UUID,
        on_written: Callable[[Sequence[Finish]], None],
        on_promoted: Callable[[], None],
        on_paused: Callable[[Collection[UUID]], None],
    ) -> None:
        self._engine = engine
        self._single_statements = autocommit(engine)
        self._clock = clock
        self._worker_id = worker_id
        self._on_written = on_written
        self._on_promoted = on_promoted
        self._on_paused = on_paused
        self._waiting: list[Finish] = []
        self._some = asyncio.Event()

    def add(self, finish: Finish) -> None:
        """Add an outcome to the next batch."""
        self._waiting.append(finish)
        self._some.set()

    async def run(self) -> None:
        """Write batches until cancelled."""
        while True:
            await self._some.wait()
            await self._gather()
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            if not self._waiting:
                self._some.clear()
            await self._write_surely(batch)
            self._on_written(batch)

    async def _gather(self) -> None:
        """Wait a moment for more outcomes, and longer while many arrive."""
        for _ in range(LINGERS):
            before = len(self._waiting)
            if before >= BATCH:
                return
            await asyncio.sleep(LINGER.total_seconds())
            if len(self._waiting) - before < MANY:
                return

    async def _write_surely(self, batch: Sequence[Finish]) -> None:
        """Write a batch, even across outages of the database.

        After a lost connection the commit may or may not have succeeded, so the batch is written again. The guard on
        state, worker and epoch makes that harmless.
        """
        while True:
            try:
                await self._write(batch)
            except CONNECTION_ERRORS as error:
                if is_refusal_of_data(error):
                    await self._write_apart(batch, error=error)
                    return
                logger.warning(
                    "Outcomes are waiting for Postgres.", extra={"action": "results_wait", "error": message_of(error)}
                )
                await asyncio.sleep(PAUSE.total_seconds())
            else:
                return

    async def _write_apart(self, batch: Sequence[Finish], *, error: Exception) -> None:
        """Split a batch that the database refuses, until the bad outcome is alone and is stored as FAILED."""
        if len(batch) > 1:
            middle = len(batch) // 2
            await self._write_surely(batch[:middle])
            await self._write_surely(batch[middle:])
            return
        logger.error(
            "An outcome cannot be stored.",
            extra={"action": "result_unwritable", "run": batch[0].run_id, "error": message_of(error)},
        )
        bare = unwritable(batch[0])
        if bare != batch[0]:
            await self._write_surely([bare])

    async def _write(self, batch: Sequence[Finish]) -> None:
        freed = {task_id for ended in batch if (task_id := ended.frees) is not None}
        counting = {task_id for ended in batch if (task_id := ended.counts_for) is not None}
        now = self._clock.now()
        if not freed and not counting:
            async with self._single_statements.connect() as connection:
                await finish(connection, worker_id=self._worker_id, finishes=batch, now=now)
            return
        paused: list[UUID] = []
        promoted = 0
        async with self._engine.begin() as connection:
            completing = {task for ended in batch if (task := ended.completes)}
            await lock_tasks(connection, task_ids=freed | counting | completing)
            written = await finish(connection, worker_id=self._worker_id, finishes=batch, now=now)
            if counting:
                ended = [each for each in batch if each.counts_for is not None and each.run_id in written]
                paused = await count_failures(connection, ended, now=now)
            if freed:
                promoted = await promote_waiting(connection, task_ids=freed, now=now)
        if promoted:
            self._on_promoted()
        if paused:
            self._on_paused(paused)
