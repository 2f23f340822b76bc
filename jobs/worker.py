"""A worker process: the executor, its sweep, and arq, which wakes them. Besides the queue, only this knows arq."""

import asyncio
import json
import logging
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from typing import Any

from arq import Retry, Worker, cron, func

from db.connection import CONNECTION_ERRORS, open_engine
from db.engine.warm_up import warm_up
from db.settings import DatabaseSettings
from jobs.cancellation import end
from jobs.clock import Clock
from jobs.engine.execution_log import ExecutionLog
from jobs.engine.executor import Executor
from jobs.engine.lease import Lease
from jobs.http.client import HttpCaller
from jobs.http.resolver import Lookup, system_lookup
from jobs.maintenance.recovery import Sweeper
from jobs.maintenance.timezone_update import apply_zone_rules
from jobs.queue import DISPATCH_JOB, QUEUE_NAME, REDIS_ERRORS, Queue, encode, open_redis
from jobs.settings import JobsSettings

logger = logging.getLogger(__name__)

POOL_SIZE = 8
"""Connections to Postgres: for claims, the writer, the lease, the sweep, and a few walks."""
ANSWERS_WITHIN = timedelta(seconds=6)
"""A worker's statements take milliseconds, or wait for locks, which a process that stands still may hold for 5 s."""
POLL_DELAY = timedelta(milliseconds=50)
"""Half of what a dispatch job is ahead of its bucket."""
MAX_JOBS = 100
"""Dispatch jobs are short and mostly wait, so many may be open at once."""
MAX_TRIES = 5
JOB_TIMEOUT = timedelta(seconds=10)
PAUSE = timedelta(seconds=1)
"""Before arq is started again, after Redis went away."""


class NotStarted(Exception):
    """The database could not be used while the worker was starting; the cause says why."""


async def run_worker(
    database: DatabaseSettings, jobs: JobsSettings, *, stop: asyncio.Event, lookup: Lookup = system_lookup
) -> None:
    """Works until `stop` is set, and then ends gracefully: attempts end within the grace period or are given back.

    `lookup` finds the addresses of targets' names.

    Raises `NotStarted` when the database cannot be reached at the start. After that, Postgres and Redis may go away and
    come back.
    """
    clock = Clock()
    async with AsyncExitStack() as stack:
        engine = open_engine(
            database.url(),
            pool_size=POOL_SIZE,
            application_name="duetime worker",
            plans_once=True,
            answers_within=ANSWERS_WITHIN,
        )
        stack.push_async_callback(engine.dispose)
        queue = Queue.open(jobs.redis)
        stack.push_async_callback(queue.close)
        caller = await stack.enter_async_context(HttpCaller(clock=clock, policy=jobs.targets, lookup=lookup))
        log = stack.enter_context(ExecutionLog.writing(jobs.log_dir)) if jobs.log_dir else None
        lease = Lease(engine=engine, clock=clock, slots=jobs.slots)
        try:
            await apply_zone_rules(engine)
            await lease.renew()
            await warm_up(engine, connections=POOL_SIZE // 2)
        except CONNECTION_ERRORS as error:
            raise NotStarted from error
        executor = Executor(
            engine=engine,
            queue=queue,
            caller=caller,
            secrets=jobs.secrets,
            lease=lease,
            clock=clock,
            slots=jobs.slots,
            execution_log=log,
        )
        sweeper = Sweeper(engine=engine, executor=executor, lease=lease, clock=clock)
        running = executor.start()
        sweeping = asyncio.create_task(sweeper.run())
        enough = asyncio.Event()
        waking = asyncio.create_task(keep_arq(jobs.redis, executor, sweeper, enough=enough))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([*running, sweeping, waking, stopping], return_when=asyncio.FIRST_COMPLETED)
            enough.set()
            await waking
            await end(sweeping)
            if not any(part.done() for part in running):
                await executor.stop(grace=jobs.grace)
        finally:
            await end(stopping, sweeping, waking, *running)


async def dispatch(ctx: dict[Any, Any], bucket: int) -> None:
    """The job that wakes a worker for a bucket of 100 ms."""
    executor: Executor = ctx["executor"]
    if executor.full and ctx["job_try"] < MAX_TRIES:
        # Another worker may have a slot; this one claims on by itself as its slots become free.
        raise Retry(defer=POLL_DELAY)
    try:
        await executor.walk(bucket)
    except CONNECTION_ERRORS as error:
        logger.warning("A bucket is left to the sweep. action=walk_failed error=%s", error)


async def sweep(ctx: dict[Any, Any]) -> None:
    """The job that recurs each second."""
    sweeper: Sweeper = ctx["sweeper"]
    await sweeper.sweep()


async def keep_arq(redis_url: str, executor: Executor, sweeper: Sweeper, *, enough: asyncio.Event) -> None:
    """Runs arq until it is `enough`. Its worker ends when Redis is away for a moment, so it is started again and again.

    It is not to be cancelled, for then arq's connections would stay open.
    """
    asked = asyncio.create_task(enough.wait())
    while not asked.done():
        worker = Worker(
            functions=[func(dispatch, name=DISPATCH_JOB, keep_result=0, timeout=JOB_TIMEOUT, max_tries=MAX_TRIES)],
            # Neither a result nor a job id: both would keep a job that recurs each second from being enqueued again.
            cron_jobs=[
                cron(
                    sweep, name="sweep", second=set(range(60)), keep_result=0, timeout=JOB_TIMEOUT, max_tries=MAX_TRIES
                )
            ],
            ctx={"executor": executor, "sweeper": sweeper},
            redis_pool=open_redis(redis_url),
            queue_name=QUEUE_NAME,
            poll_delay=POLL_DELAY.total_seconds(),
            max_jobs=MAX_JOBS,
            handle_signals=False,
            job_serializer=encode,
            job_deserializer=json.loads,
        )
        working = asyncio.create_task(worker.async_run())
        await asyncio.wait([working, asked], return_when=asyncio.FIRST_COMPLETED)
        try:
            await end(working)
        except REDIS_ERRORS as error:
            logger.warning("Lost the way to Redis; trying again. action=redis_lost error=%s", error)
        # arq's own end would stop at the first job that is cancelled, and leave its connections open.
        for job in worker.tasks.values():
            job.cancel()
        await asyncio.gather(*worker.tasks.values(), return_exceptions=True)
        worker.tasks.clear()
        with suppress(*REDIS_ERRORS):
            await worker.close()
        await asyncio.wait([asked], timeout=PAUSE.total_seconds())
