"""The engine of one worker process, composed of its parts.

It lives outside arq's worker, which cancels its jobs when it ends::

    due ── Dispatcher ──▶ InFlight ── AttemptRunner ──▶ ResultWriter ──▶ slot free ──▶ Dispatcher, if work was left
               │          ▲   ▲
               └ FlowStarter  Canceller        (what waits for a flow limit)
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine.finishes import Finish
from jobs.clock import Clock
from jobs.engine.admission import LONGEST_PAUSE, Admission
from jobs.engine.attempt import Caller
from jobs.engine.canceller import Canceller
from jobs.engine.dispatcher import Dispatcher
from jobs.engine.execution_log import ExecutionLog
from jobs.engine.flow_starter import FlowStarter
from jobs.engine.handover import Handover
from jobs.engine.in_flight import InFlight
from jobs.engine.lease import Lease
from jobs.engine.metrics import EngineMetrics
from jobs.engine.notifier import Notifier
from jobs.engine.runner import AttemptRunner, AttemptTracer
from jobs.engine.slots import Slots
from jobs.engine.writer import ResultWriter
from jobs.queue import Queue
from jobs.security.encryption import SecretKeys

logger = logging.getLogger(__name__)

WRITTEN_WITHIN = timedelta(seconds=5)
"""How long a stopping worker tries to write the outcomes of attempts that it cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts of a worker's engine. Its owner calls `start`, awaits `stop`, and cancels the tasks from `start`."""

    dispatcher: Dispatcher
    in_flight: InFlight
    runner: AttemptRunner
    canceller: Canceller
    writer: ResultWriter
    notifier: Notifier
    lease: Lease
    handover: Handover
    flow_starter: FlowStarter
    queue: Queue
    metrics: EngineMetrics

    def start(self) -> list[asyncio.Task[None]]:
        """Start to renew the lease, run attempts, cancel unwanted ones, write outcomes, start runs that wait for flow
        limits, and send notifications.

        The owner cancels the tasks one by one, because notifying speaks to Redis (see `jobs.cancellation`).
        """
        parts = (
            self.lease.keep(),
            self.runner.run(),
            self.canceller.run(),
            self.writer.run(),
            self.flow_starter.run(),
            self.flow_starter.follow_changes(),
            self.notifier.run(),
        )
        return [asyncio.create_task(part) for part in parts]

    async def stop(self, *, grace: timedelta) -> None:
        """Stop claiming, let attempts end within `grace`, and release the rest. The started tasks keep running."""
        await self.dispatcher.stop()
        await self.flow_starter.stop()
        if not await self.in_flight.wait_empty(within=grace):
            logger.warning(
                "Cancelling attempts.", extra={"action": "attempts_broken_off", "count": len(self.in_flight)}
            )
            self.in_flight.abandon_ready()
            self.runner.cancel()
            self.dispatcher.cancel()
            # The attempts still registered have ended, and wait to be written.
            await self.in_flight.wait_empty(within=WRITTEN_WITHIN)
        await self.handover.release_all()
        await self.queue.poke()


def compose(
    *,
    engine: AsyncEngine,
    queue: Queue,
    caller: Caller,
    secrets: SecretKeys,
    lease: Lease,
    clock: Clock,
    slots: int,
    longest_pause: timedelta = LONGEST_PAUSE,
    execution_log: ExecutionLog | None = None,
    tracer: AttemptTracer | None = None,
) -> Engine:
    """Wire the parts of an engine together."""

    def outcomes_written(batch: Sequence[Finish]) -> None:
        metrics.result_batch_size.observe(len(batch))
        for finish in batch:
            attempt = in_flight.settle((finish.run_id, finish.epoch))
            admission.ended(attempt.host, attempt.flow_key)
            if finish.pause is not None:
                admission.pause(finish.pause)
            if execution_log is not None:
                execution_log.add(attempt, finish)
        retries = [finish.next_attempt_at for finish in batch if finish.next_attempt_at is not None]
        notifier.notify(due=retries, events=True)
        dispatcher.resume_backlog()

    def waiting_runs_promoted() -> None:
        if dispatcher.full:
            notifier.notify(due=[clock.now()])
        else:
            dispatcher.resume()

    def tasks_paused(task_ids: Collection[UUID]) -> None:
        notifier.notify(changed=task_ids)

    async def dispatch_bucket(bucket: int) -> None:
        await dispatcher.dispatch_bucket(bucket)

    in_flight = InFlight(Slots(slots))
    admission = Admission(longest_pause=longest_pause)
    metrics = EngineMetrics(in_flight.slots)
    notifier = Notifier(queue=queue, clock=clock, dispatch_bucket=dispatch_bucket)
    dispatcher = Dispatcher(
        engine=engine,
        in_flight=in_flight,
        admission=admission,
        lease=lease,
        clock=clock,
        notifier=notifier,
        metrics=metrics,
    )
    flow_starter = FlowStarter(
        engine=engine,
        admission=admission,
        in_flight=in_flight,
        dispatcher=dispatcher,
        lease=lease,
        clock=clock,
        notifier=notifier,
        queue=queue,
        metrics=metrics,
    )
    writer = ResultWriter(
        engine=engine,
        clock=clock,
        worker_id=lease.worker_id,
        on_written=outcomes_written,
        on_promoted=waiting_runs_promoted,
        on_paused=tasks_paused,
    )
    return Engine(
        dispatcher=dispatcher,
        in_flight=in_flight,
        runner=AttemptRunner(
            in_flight=in_flight,
            caller=caller,
            secrets=secrets,
            lease=lease,
            clock=clock,
            writer=writer,
            tracer=tracer,
        ),
        canceller=Canceller(engine=engine, in_flight=in_flight, lease=lease),
        writer=writer,
        notifier=notifier,
        lease=lease,
        handover=Handover(
            engine=engine,
            in_flight=in_flight,
            dispatcher=dispatcher,
            flow_starter=flow_starter,
            lease=lease,
            clock=clock,
            notifier=notifier,
        ),
        flow_starter=flow_starter,
        queue=queue,
        metrics=metrics,
    )
