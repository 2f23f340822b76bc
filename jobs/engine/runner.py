"""Starts the attempts that were claimed, and passes their outcomes to the writer."""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Protocol

from db.engine.finishes import Finish
from jobs.clock import Clock
from jobs.engine.attempt import Caller, make_attempt
from jobs.engine.background import BackgroundTasks
from jobs.engine.claimed import Attempt
from jobs.engine.in_flight import InFlight
from jobs.engine.lease import Lease
from jobs.engine.writer import ResultWriter
from jobs.security.encryption import SecretKeys

logger = logging.getLogger(__name__)

STARTED_PER_TURN = 8
"""Number of attempts that start before the event loop turns."""


class AttemptTracer(Protocol):
    """Traces attempts; `jobs.engine.traced` does, while tracing is on."""

    def attempt(self, attempt: Attempt) -> AbstractAsyncContextManager[Callable[[Finish], None]]:
        """Trace an attempt until the block ends. Yield a function that records its outcome."""


class AttemptRunner:
    """Runs ready attempts, each as a task of the event loop. `run` belongs to its owner."""

    def __init__(
        self,
        *,
        in_flight: InFlight,
        caller: Caller,
        secrets: SecretKeys,
        lease: Lease,
        clock: Clock,
        writer: ResultWriter,
        tracer: AttemptTracer | None = None,
    ) -> None:
        self._in_flight = in_flight
        self._caller = caller
        self._secrets = secrets
        self._lease = lease
        self._clock = clock
        self._writer = writer
        self._tracer = tracer
        self._calls = BackgroundTasks()
        self._random = random.Random()  # noqa: S311 (spreads retries; no secret)

    async def run(self) -> None:
        """Start ready attempts until cancelled, a few per turn of the loop, which handles responses and Postgres in
        between. A hundred attempts started at once would also end at once, and the worker would alternate between only
        making calls and only writing rows.
        """
        while True:
            await self._in_flight.wait_ready()
            for attempt in self._in_flight.take_ready(STARTED_PER_TURN):
                call = self._calls.start(
                    self._make(attempt) if self._tracer is None else self._trace(self._tracer, attempt)
                )
                call.add_done_callback(partial(self._ended, attempt))
                self._in_flight.running(attempt, call)
            await asyncio.sleep(0)

    def cancel(self) -> None:
        """Cancel the attempts that are running."""
        self._calls.cancel()

    async def _trace(self, tracer: AttemptTracer, attempt: Attempt) -> None:
        async with tracer.attempt(attempt) as ended:
            await self._make(attempt, ended)

    async def _make(self, attempt: Attempt, ended: Callable[[Finish], None] = lambda _: None) -> None:
        if not self._lease.held:
            logger.warning(
                "The lease ran out before the attempt started.",
                extra={"action": "attempt_not_begun", "run": attempt.run_id},
            )
            self._in_flight.abandon(attempt)
            return
        finish = await make_attempt(
            attempt,
            caller=self._caller,
            secrets=self._secrets,
            now=self._clock.now(),
            randomness=self._random.random(),
        )
        ended(finish)
        self._writer.add(finish)

    def _ended(self, attempt: Attempt, call: asyncio.Task[None]) -> None:
        # A callback also runs for a task that was cancelled before its first step, unlike code within the task.
        self._in_flight.made(attempt)
        if call.cancelled() or call.exception() is not None:
            self._in_flight.abandon(attempt)
