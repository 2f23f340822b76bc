"""A worker process: engine, recovery, maintenance, and arq, which wakes them. Only this and the queue know arq."""

import asyncio
import json
import logging
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from typing import Any

from arq import Retry, cron, func
from sqlalchemy.ext.asyncio import AsyncEngine

from db import present
from db.connection import CONNECTION_ERRORS, message_of, open_engine
from db.engine.warm_up import warm_up
from db.settings import DatabaseSettings
from jobs.cancellation import cancel_and_wait
from jobs.clock import Clock
from jobs.compat import JobWorker
from jobs.engine.attempt import Caller
from jobs.engine.dispatcher import Dispatcher
from jobs.engine.engine import compose
from jobs.engine.execution_log import ExecutionLog
from jobs.engine.lease import Lease
from jobs.engine.runner import AttemptTracer
from jobs.http.client import HttpCaller
from jobs.http.resolver import Lookup, system_lookup
from jobs.job_watch import JobWatch
from jobs.maintenance.bulk import bulk_duties
from jobs.maintenance.deletion import deletion_duty
from jobs.maintenance.duties import keep_doing
from jobs.maintenance.expiry import expiry_duty
from jobs.maintenance.forecast import forecast_duty
from jobs.maintenance.look import look_duty
from jobs.maintenance.partitions import partitions_duty
from jobs.maintenance.recovery import SWEEP_EVERY, Recovery
from jobs.maintenance.reporting import reporting
from jobs.maintenance.retention import retention_duty
from jobs.maintenance.rollups import rollups_duty
from jobs.maintenance.statistics import statistics_duties
from jobs.maintenance.timezone_update import apply_zone_rules
from jobs.notifications.duties import notification_duties, sender_of
from jobs.queue import BULK_JOB, DISPATCH_JOB, QUEUE_NAME, REDIS_ERRORS, Queue, encode, open_redis
from jobs.settings import JobsSettings
from jobs.tracing_settings import TracingSettings

logger = logging.getLogger(__name__)

POOL_SIZE = 10
"""Connections to Postgres: for claims, the writer, the lease, recovery, maintenance, and a few open buckets."""
WARM_CONNECTIONS = POOL_SIZE // 2
MAINTENANCE_AFTER = timedelta(seconds=1)
"""A worker that starts first claims what is due; all duties at once would delay that."""
ANSWERS_WITHIN = timedelta(seconds=6)
"""A worker's statements take milliseconds, or wait for locks, which a stalled process may hold for 5 s."""
POLL_DELAY = timedelta(milliseconds=50)
"""Shortest time between two looks for jobs. It is half of the time by which a dispatch job precedes its bucket."""
MAX_JOBS = 100
"""Dispatch jobs are short and mostly wait, so many may be open at the same time."""
MAX_TRIES = 5
JOB_TIMEOUT = timedelta(seconds=10)
PAUSE = timedelta(seconds=1)
"""Pause before arq is restarted after Redis was lost."""


class NotStarted(Exception):
    """The database could not be used while the worker was starting; the cause says why."""


async def run_worker(
    database: DatabaseSettings,
    jobs: JobsSettings,
    *,
    stop: asyncio.Event,
    lookup: Lookup = system_lookup,
    tracing: TracingSettings | None = None,
    warm_connections: int = WARM_CONNECTIONS,
) -> None:
    """Work until `stop` is set, then stop gracefully: attempts end within the grace period, or are released.

    `lookup` resolves the names of targets; `tracing` says whether attempts are traced; `warm_connections` are open, and
    have the statements of the hot path prepared, before the first instant. Raises `NotStarted` when the database cannot
    be reached at the start. After that, Postgres and Redis may fail and recover.
    """
    clock = Clock()
    async with AsyncExitStack() as stack:
        database_engine = open_engine(
            database.url(),
            pool_size=POOL_SIZE,
            application_name="duetime worker",
            pooler=database.database_pooler,
            plans_once=True,
            answers_within=ANSWERS_WITHIN,
            slow_statement=database.slow_statement,
        )
        stack.push_async_callback(database_engine.dispose)
        queue = Queue.open(jobs.redis)
        stack.push_async_callback(queue.close)
        caller = await stack.enter_async_context(HttpCaller(clock=clock, policy=jobs.egress_policy, lookup=lookup))
        log = stack.enter_context(ExecutionLog.writing(jobs.log_dir)) if jobs.log_dir else None
        stack.enter_context(present.following(clock.now))
        lease = Lease(engine=database_engine, clock=clock, slots=jobs.slots)
        traced_caller: Caller = caller
        tracer: AttemptTracer | None = None
        if tracing is not None and tracing.exporter is not None:
            traced_caller, tracer = trace(stack, tracing, caller, engine=database_engine, lease=lease)
        engine = compose(
            engine=database_engine,
            queue=queue,
            caller=traced_caller,
            secrets=jobs.secrets,
            lease=lease,
            clock=clock,
            slots=jobs.slots,
            longest_pause=jobs.longest_pause,
            execution_log=log,
            tracer=tracer,
        )
        try:
            await apply_zone_rules(database_engine)
            await lease.renew()
            await warm_up(database_engine, connections=warm_connections)
            # Before the limits are known, a claim would start what has to wait for them.
            await engine.flow_starter.refresh()
        except CONNECTION_ERRORS as error:
            raise NotStarted from error
        watch = JobWatch(queue)
        recovery = Recovery(
            database=database_engine, engine=engine, clock=clock, expects_calls=lambda: watch.is_following
        )
        sender = sender_of(jobs, caller, clock)
        parts = [engine.metrics, sender.attempts]
        await stack.enter_async_context(
            reporting("worker", process_id=lease.worker_id, engine=database_engine, parts=parts)
        )
        bulk_wanted = asyncio.Event()
        duties = [
            partitions_duty(database_engine, clock),
            deletion_duty(database_engine),
            expiry_duty(database_engine, queue, jobs.secrets),
            rollups_duty(database_engine, clock),
            *statistics_duties(database_engine, clock),
            forecast_duty(database_engine),
            *notification_duties(database_engine, sender, public_url=jobs.public_url or None),
            retention_duty(database_engine, jobs),
            *bulk_duties(database_engine, queue, jobs.secrets, wanted=bulk_wanted),
        ]
        duties.append(look_duty(database_engine, duties))
        running = engine.start()
        upkeep = [asyncio.create_task(recovery.run()), asyncio.create_task(keep_doing(duties, after=MAINTENANCE_AFTER))]
        enough = asyncio.Event()
        woken = {"dispatcher": engine.dispatcher, "recovery": recovery, "bulk_wanted": bulk_wanted}
        watching = asyncio.create_task(watch.follow())
        waking = asyncio.create_task(keep_arq(jobs.redis, woken, watch, enough=enough))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([*running, *upkeep, watching, waking, stopping], return_when=asyncio.FIRST_COMPLETED)
            enough.set()
            await waking
            await cancel_and_wait(watching, *upkeep)
            if not any(part.done() for part in running):
                await engine.stop(grace=jobs.grace)
        finally:
            await cancel_and_wait(stopping, watching, waking, *upkeep, *running)


def trace(
    stack: AsyncExitStack, settings: TracingSettings, caller: Caller, *, engine: AsyncEngine, lease: Lease
) -> tuple[Caller, AttemptTracer]:
    """Return what traces calls and attempts. The stack closes it."""
    from jobs.engine.traced import TracedAttempts, TracedCaller  # noqa: PLC0415 (optional)
    from jobs.tracing import Tracing  # noqa: PLC0415 (optional)

    tracing = Tracing("worker", process_id=lease.worker_id, settings=settings)
    stack.push_async_callback(tracing.close)
    return TracedCaller(tracing.tracer, caller), TracedAttempts(tracing.tracer, engine=engine)


async def dispatch(ctx: dict[Any, Any], bucket: int) -> None:
    """The arq job that wakes a worker for a bucket of 100 ms."""
    dispatcher: Dispatcher = ctx["dispatcher"]
    if dispatcher.full and ctx["job_try"] < MAX_TRIES:
        # Another worker may have a slot; this one claims again when a slot becomes free.
        raise Retry(defer=POLL_DELAY)
    try:
        await dispatcher.dispatch_bucket(bucket)
    except CONNECTION_ERRORS as error:
        logger.warning("A bucket is left to the sweep.", extra={"action": "walk_failed", "error": message_of(error)})


async def bulk(ctx: dict[Any, Any]) -> None:
    """The arq job that wakes a worker for operations on many tasks or runs, which take longer than a job may."""
    wanted: asyncio.Event = ctx["bulk_wanted"]
    wanted.set()


async def sweep(ctx: dict[Any, Any]) -> None:
    """The arq job that runs every two seconds in one of the workers."""
    recovery: Recovery = ctx["recovery"]
    await recovery.sweep()


async def keep_arq(redis_url: str, woken: dict[str, Any], watch: JobWatch, *, enough: asyncio.Event) -> None:
    """Run arq until `enough` is set. arq's worker ends when Redis is briefly unavailable, so this restarts it. `woken`
    is passed to its jobs in their context; `watch` says when to look for them.

    Do not cancel this: arq's connections would stay open.
    """
    stop_requested = asyncio.create_task(enough.wait())
    away = False

    async def note_connection(ctx: dict[Any, Any]) -> None:
        nonlocal away
        away = False

    while not stop_requested.done():
        redis = open_redis(redis_url)
        worker = JobWorker(
            functions=[
                func(dispatch, name=DISPATCH_JOB, keep_result=0, timeout=JOB_TIMEOUT, max_tries=MAX_TRIES),
                func(bulk, name=BULK_JOB, keep_result=0, timeout=JOB_TIMEOUT, max_tries=MAX_TRIES),
            ],
            # Neither a result nor a job id: either one would prevent arq from enqueueing the job again the next time.
            cron_jobs=[
                cron(
                    sweep,
                    name="sweep",
                    second=set(range(0, 60, SWEEP_EVERY // timedelta(seconds=1))),
                    keep_result=0,
                    timeout=JOB_TIMEOUT,
                    max_tries=MAX_TRIES,
                )
            ],
            ctx=dict(woken),
            on_startup=note_connection,
            redis_pool=redis,
            queue_name=QUEUE_NAME,
            poll_delay=POLL_DELAY.total_seconds(),
            jobs_wanted=watch.wait,
            max_jobs=MAX_JOBS,
            handle_signals=False,
            job_serializer=encode,
            job_deserializer=json.loads,
        )
        working = asyncio.create_task(worker.async_run())
        await asyncio.wait([working, stop_requested], return_when=asyncio.FIRST_COMPLETED)
        try:
            await cancel_and_wait(working)
        except REDIS_ERRORS as error:
            if not away:
                logger.warning(
                    "Lost the connection to Redis.", extra={"action": "redis_lost", "error": message_of(error)}
                )
            away = True
        # arq's own shutdown stops at the first job that is cancelled, and leaves its connections open.
        for job in worker.tasks.values():
            job.cancel()
        await asyncio.gather(*worker.tasks.values(), return_exceptions=True)
        worker.tasks.clear()
        with suppress(*REDIS_ERRORS):
            await worker.close()
        # Not even those that still work, such as the connections to Sentinels, are closed if Redis is away.
        with suppress(*REDIS_ERRORS):
            await redis.aclose(close_connection_pool=True)
        await asyncio.wait([stop_requested], timeout=PAUSE.total_seconds())
