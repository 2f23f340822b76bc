"""What a worker does with due tasks: real Postgres, real Redis, real calls."""

import asyncio
import gc
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import accumulate, pairwise
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from db.models import Run, utc_now
from db.settings import DatabaseSettings
from db.states import LostPolicy, RunState, TaskStatus
from jobs.cancellation import cancel_and_wait
from jobs.clock import Clock
from jobs.engine.engine import compose
from jobs.engine.lease import Lease
from jobs.http.client import HttpCaller
from jobs.queue import Queue
from jobs.run_ids import scheduled_run_id
from jobs.settings import LOOPBACK, JobsSettings
from tests.support.engine import (
    UNREACHABLE_REDIS,
    events_of,
    every,
    one_off,
    opened,
    runs_of,
    save,
    soon,
    task_of,
    working,
)
from tests.support.graphql import Api
from tests.support.logs import logged
from tests.support.proxy import Proxy, running_proxy
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

SECOND = timedelta(seconds=1)


async def one_run(engine: AsyncEngine, task_id: object, *, within: float = 10) -> Run:
    """Return the task's one run, once it is finished."""
    runs = await wait_until(lambda: runs_of(engine, task_id, at_least=1), what="the run is finished", within=within)  # type: ignore[arg-type]
    assert len(runs) == 1
    return runs[0]


def by_way_of(proxy: Proxy, database: DatabaseSettings) -> DatabaseSettings:
    """Return settings that reach the same database through a proxy."""
    url = database.url().set(port=proxy.port)
    return DatabaseSettings(database_url=url.render_as_string(hide_password=False))


async def test_a_one_off_fires_once_at_its_instant(service: Api, target: Target) -> None:
    """The call is never early and carries Duetime's headers, the response is stored, and the task is then completed."""
    url = target.responds(
        "/hook", CannedResponse(status=201, body=b'{"ok": true}', headers={"Content-Type": "application/json"})
    )
    at = soon()
    [task_id] = await save(service.engine, one_off(url, at, method="POST", payload={"n": 2**70}))
    run = await one_run(service.engine, task_id)
    [call] = target.calls
    assert call.at >= at
    assert call.method == "POST"
    assert call.body == b'{"n": 1180591620717411303424}'
    assert call.headers["content-type"] == "application/json"
    assert call.headers["user-agent"] == "TaskScheduler/1.0"
    assert call.headers["idempotency-key"] == str(run.id) == str(scheduled_run_id(task_id, at))
    assert call.headers["x-duetime-scheduled-for"] == at.isoformat().replace("+00:00", "Z")
    assert call.headers["x-duetime-attempt"] == "1"
    assert (run.state, run.success, run.status_code, run.attempt) == (RunState.SUCCEEDED, True, 201, 1)
    assert run.response_body == '{"ok": true}'
    assert run.error_message is None
    assert run.run_at is not None
    assert at <= run.run_at <= call.at
    assert await events_of(service.engine, run.id) == ["started", "succeeded"]
    task = await task_of(service.engine, task_id)
    assert (task.status, task.next_run, task.version) == (TaskStatus.COMPLETED, None, 1)


async def test_a_tasks_own_headers_win(service: Api, target: Target) -> None:
    """They take precedence over the defaults and over Duetime's own headers, whatever their case."""
    own = {"user-agent": "mine", "IDEMPOTENCY-KEY": "mine too"}
    [task_id] = await save(service.engine, one_off(f"{target.url}/own", soon(), headers=own))
    await one_run(service.engine, task_id)
    [call] = target.calls
    assert (call.headers["user-agent"], call.headers["idempotency-key"]) == ("mine", "mine too")


async def test_a_failed_attempt_is_tried_again_under_the_same_key(service: Api, target: Target) -> None:
    """Attempts continue until one succeeds, and each of them is recorded. A POST is sent once in each."""
    url = target.responds("/flaky", CannedResponse(status=500), CannedResponse(drops=True), CannedResponse(status=200))
    [task_id] = await save(service.engine, one_off(url, soon(), method="POST"))
    run = await one_run(service.engine, task_id)
    assert [call.headers["x-duetime-attempt"] for call in target.calls] == ["1", "2", "3"]
    assert {call.headers["idempotency-key"] for call in target.calls} == {str(run.id)}
    assert (run.state, run.attempt, run.status_code) == (RunState.SUCCEEDED, 3, 200)
    assert [(a["number"], a["status_code"]) for a in run.attempts] == [(1, 500), (2, None), (3, 200)]
    assert run.attempts[0]["next_attempt_at"] is not None
    assert run.attempts[2]["next_attempt_at"] is None
    assert await events_of(service.engine, run.id) == [
        "started", "attempt_failed", "started", "attempt_failed", "started", "succeeded",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "attempts", "message"),
    [
        (CannedResponse(status=503), 2, "the target answered 503"),
        (CannedResponse(status=410), 1, "the target answered 410"),
        (CannedResponse(delay=timedelta(seconds=20)), 2, "the target sent no complete response within 0.5 s"),
    ],
    ids=["unavailable", "gone", "hanging"],
)
async def test_a_run_fails_when_no_attempt_is_left(
    service: Api, target: Target, answer: CannedResponse, attempts: int, message: str
) -> None:
    """The run has the reason. A target that responds with 410 is not called again."""
    url = target.responds("/broken", answer)
    [task_id] = await save(service.engine, one_off(url, soon(), max_attempts=2, timeout_ms=500))
    run = await one_run(service.engine, task_id)
    assert (run.state, run.success, run.attempt, run.error_message) == (RunState.FAILED, False, attempts, message)
    assert len(target.calls) == attempts
    assert (await task_of(service.engine, task_id)).status == TaskStatus.COMPLETED


async def test_a_header_is_sent_in_utf_8(service: Api, target: Target) -> None:
    """Every value that was accepted when the task was saved can be sent."""
    headers = {"X-Name": "grün Ā \u2028", "X-Tab": "a\tb", "X-Empty": ""}
    [task_id] = await save(service.engine, one_off(target.responds("/x", CannedResponse()), soon(), headers=headers))
    run = await one_run(service.engine, task_id)
    assert run.state == RunState.SUCCEEDED
    assert {name: target.calls[0].headers[name.lower()] for name in headers} == headers


async def test_a_target_that_is_not_there(service: Api) -> None:
    """An unreachable target makes a failed run like any other, without a status."""
    [task_id] = await save(service.engine, one_off("http://127.0.0.1:1/", soon(), max_attempts=1))
    run = await one_run(service.engine, task_id)
    assert (run.state, run.status_code) == (RunState.FAILED, None)
    assert run.error_message is not None
    assert run.error_message.startswith("could not connect")


@pytest.mark.parametrize(
    ("kind", "body", "kept", "encoding"),
    [
        ("text/plain; charset=latin-1", b"caf\xe9", "café", "utf8"),
        ("text/plain", b"a\x00b\xff", "a\ufffdb\ufffd", "utf8"),
        ("application/octet-stream", b"\xff\xfe", "//4=", "base64"),
        ("", "grüß".encode(), "grüß", "utf8"),
    ],
)
async def test_whatever_comes_back_is_kept_safely(
    service: Api, target: Target, kind: str, body: bytes, kept: str, encoding: str
) -> None:
    """Text is stored as text, with characters replaced that Postgres cannot store; other bodies as Base64."""
    url = target.responds("/body", CannedResponse(body=body, headers={"Content-Type": kind} if kind else {}))
    [task_id] = await save(service.engine, one_off(url, soon()))
    run = await one_run(service.engine, task_id)
    assert (run.response_body, run.body_encoding, run.body_truncated) == (kept, encoding, False)


async def test_a_huge_body_is_cut(service: Api, target: Target) -> None:
    """64 KiB are stored, even if that cuts a character in two, and the run is marked as truncated."""
    url = target.responds("/huge", CannedResponse(body=b"a" + "é".encode() * 2_000_000))
    [task_id] = await save(service.engine, one_off(url, soon()))
    run = await one_run(service.engine, task_id)
    assert run.state == RunState.SUCCEEDED
    assert run.response_body == "a" + "é" * 32_767
    assert run.body_truncated


async def test_an_instant_during_an_unfinished_run_is_skipped(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """The instant is recorded as SKIPPED, and the next one that finds the task idle runs."""
    url = target.responds("/slow", CannedResponse(delay=timedelta(seconds=1.5)))
    async with working(database, jobs_settings):
        start = soon()
        [task_id] = await save(engine, every(url, SECOND, start))

        async def until_it_ran_after_a_skip() -> Sequence[Run]:
            runs = await runs_of(engine, task_id)
            skipped_then_succeeded = (RunState.SKIPPED, RunState.SUCCEEDED)
            return runs if skipped_then_succeeded in pairwise(run.state for run in runs) else []

        runs = await wait_until(until_it_ran_after_a_skip, what="a run has succeeded after a skipped one")
    # On a machine that stalls, one run may stand for several instants; it counts them.
    counted = accumulate(run.missed_count + 1 for run in runs)
    assert [run.scheduled_for - start for run in runs] == [(number - 1) * SECOND for number in counted]
    skipped = next(run for run in runs if run.state == RunState.SKIPPED)
    assert await events_of(engine, skipped.id) == ["skipped"]


async def test_after_downtime_the_newest_instant_stands_for_those_before(service: Api, target: Target) -> None:
    """There is one run for all missed instants, which counts them, and the schedule continues as before."""
    start = utc_now() - timedelta(hours=2, seconds=30)
    [task_id] = await save(service.engine, every(f"{target.url}/late", timedelta(minutes=1), start))
    run = await one_run(service.engine, task_id)
    assert run.scheduled_for == start + timedelta(hours=2)
    assert (run.missed_count, run.missed_since) == (120, start)
    assert len(target.calls) == 1
    assert (await task_of(service.engine, task_id)).next_run == start + timedelta(hours=2, minutes=1)


@pytest.mark.parametrize("policy", LostPolicy)
async def test_an_attempt_of_a_lost_worker_is_rescued(service: Api, target: Target, policy: LostPolicy) -> None:
    """With RETRY it is sent again under the same key; with FAIL the run ends as UNKNOWN, because the call may have
    arrived.
    """
    task = one_off(f"{target.url}/lost", utc_now(), next_run=None, due_at=None, on_lost=policy)
    run = Run(
        id=scheduled_run_id(task.id, utc_now()),
        task_id=task.id,
        state=RunState.RUNNING,
        scheduled_for=utc_now(),
        due_at=utc_now(),
        worker_id=uuid4(),
        epoch=1,
        attempt=1,
        attempt_started_at=utc_now(),
        run_at=utc_now(),
    )
    await save(service.engine, task)
    await save(service.engine, run)
    ended = await one_run(service.engine, task.id, within=20)
    if policy is LostPolicy.RETRY:
        assert [call.headers["idempotency-key"] for call in target.calls] == [str(ended.id)]
        assert (ended.state, ended.attempt) == (RunState.SUCCEEDED, 2)
        assert await events_of(service.engine, ended.id) == ["attempt_lost", "started", "succeeded"]
    else:
        assert target.calls == []
        assert (ended.state, ended.success) == (RunState.UNKNOWN, False)
        assert await events_of(service.engine, ended.id) == ["unknown"]
    assert (await task_of(service.engine, task.id)).status == TaskStatus.COMPLETED


async def test_tasks_fire_without_redis(database: DatabaseSettings, engine: AsyncEngine, target: Target) -> None:
    """Redis only wakes workers. Postgres knows what is due, and the worker looks there by itself."""
    at = utc_now() + 4 * SECOND
    async with working(database, JobsSettings.model_construct(redis_url=UNREACHABLE_REDIS, targets_allowed=LOOPBACK)):
        [task_id] = await save(engine, one_off(f"{target.url}/alone", at))
        run = await one_run(engine, task_id)
    assert target.calls[0].at >= at
    assert run.state == RunState.SUCCEEDED


async def test_one_dead_target_leaves_slots_to_the_others(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """With more calls due to it than there are slots, tasks of another host still run on time."""
    dead = target.responds("/dead", CannedResponse(delay=timedelta(minutes=5))).replace("127.0.0.1", "localhost")
    jobs = jobs_settings.model_copy(update={"slots": 4, "grace_seconds": 0})
    async with working(database, jobs):
        at = soon()
        await save(engine, *(one_off(dead, at) for _ in range(20)))
        healthy = await save(engine, *(one_off(f"{target.url}/{n}", at + timedelta(milliseconds=5)) for n in range(8)))
        for task_id in healthy:
            assert (await one_run(engine, task_id)).state == RunState.SUCCEEDED
        assert len(target.calls_of("/dead")) == 2


async def test_a_worker_that_stops_lets_attempts_end(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """They may end within the grace period, and nothing is sent twice."""
    url = target.responds("/ending", CannedResponse(delay=SECOND))
    async with working(database, jobs_settings):
        [task_id] = await save(engine, one_off(url, soon()))
        await wait_until(lambda: target.calls, what="the call came in")
    [run] = await runs_of(engine, task_id)
    assert (run.state, len(target.calls)) == (RunState.SUCCEEDED, 1)


async def test_a_worker_that_must_stop_gives_its_attempts_back(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """It does so at once, so the next worker sends them again without waiting for a lease to expire."""
    url = target.responds("/hanging", CannedResponse(delay=timedelta(minutes=5)), CannedResponse())
    async with working(database, jobs_settings.model_copy(update={"grace_seconds": 0})):
        [task_id] = await save(engine, one_off(url, soon()))
        await wait_until(lambda: target.calls, what="the call came in")
    async with working(database, jobs_settings):
        run = await one_run(engine, task_id, within=4)
    assert (run.state, run.attempt) == (RunState.SUCCEEDED, 2)
    assert len({call.headers["idempotency-key"] for call in target.calls}) == 1


async def test_a_worker_ends_although_postgres_is_silent(
    database: DatabaseSettings, jobs_settings: JobsSettings, target: Target
) -> None:
    """It tries to hand over for 5 s, and then waits for no connection to be closed by the server."""
    loop = asyncio.get_running_loop()
    async with running_proxy(database.url().port or 5432) as proxy:
        async with working(by_way_of(proxy, database), jobs_settings):
            async with opened(database) as engine:
                [task_id] = await save(engine, one_off(target.url, soon()))
                await one_run(engine, task_id)
            proxy.stall()
            stalled_at = loop.time()
        assert loop.time() < stalled_at + 15
        proxy.flow()


async def test_a_task_whose_schedule_is_broken_harms_no_other(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """An imported row may have such a schedule. The task gets a FAILED run with the reason, and other tasks run."""
    at = soon()
    broken = one_off(f"{target.url}/broken", at, trigger_type="cron", cron_expr="not cron", trigger_time=None)
    async with working(database, jobs_settings):
        ids = await save(engine, broken, one_off(f"{target.url}/whole", at))
        failed, whole = [await one_run(engine, task_id) for task_id in ids]
    assert failed.state == RunState.FAILED
    assert "schedule cannot be computed" in str(failed.error_message)
    assert whole.state == RunState.SUCCEEDED


async def test_nothing_stays_in_redis(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """Every key except the queue expires, and there is no key per run."""
    async with working(database, jobs_settings):
        at = soon()
        ids = await save(engine, *(one_off(f"{target.url}/{n}", at) for n in range(50)))
        for task_id in ids:
            await one_run(engine, task_id)
        async with Redis.from_url(jobs_settings.redis) as redis:
            keys = [key.decode() async for key in redis.scan_iter()]
            lasting = [key for key in keys if await redis.ttl(key) == -1]
    assert set(lasting) <= {"duetime:dispatch"}
    assert len(keys) < 50


async def test_two_workers_share_a_herd(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """Every task is called once, whichever worker claims it, and event numbers have no gap."""
    async with working(database, jobs_settings), working(database, jobs_settings):
        at = soon() + SECOND
        ids = await save(engine, *(one_off(f"{target.url}/{n}", at) for n in range(300)))
        async with asyncio.TaskGroup() as group:
            for task_id in ids[-20:]:
                group.create_task(one_run(engine, task_id))
        await wait_until(lambda: len(target.calls) >= 300, what="all calls came in")
    assert sorted(call.path for call in target.calls) == sorted(f"/{n}" for n in range(300))
    async with engine.connect() as connection:
        numbers = await connection.exec_driver_sql("SELECT count(*), min(seq), max(seq) FROM run_events")
    assert numbers.one() == (600, 1, 600)


async def test_a_claim_fails_after_its_caller_was_cancelled(
    database: DatabaseSettings, redis_url: str, jobs_settings: JobsSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """The failure is logged like that of any other claim, and no exception is left that nothing retrieves."""
    left_over: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: left_over.append(context["message"]))
    clock = Clock()
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(running_proxy(database.url().port or 5432))
        engine = await stack.enter_async_context(opened(by_way_of(proxy, database)))
        queue = Queue.open(redis_url)
        stack.push_async_callback(queue.close)
        caller = await stack.enter_async_context(HttpCaller(clock=clock, policy=jobs_settings.egress_policy))
        lease = Lease(engine=engine, clock=clock, slots=1)
        await lease.renew()
        worker = compose(
            engine=engine,
            queue=queue,
            caller=caller,
            secrets=jobs_settings.secrets,
            lease=lease,
            clock=clock,
            slots=1,
        )
        proxy.stall()
        asking = asyncio.create_task(worker.dispatcher.claim_due())
        await asyncio.sleep(0)
        await cancel_and_wait(asking)
        proxy.cut()
        await wait_until(lambda: logged(caplog, "claim_failed"), what="the failed claim is logged")
    gc.collect()
    assert not [message for message in left_over if "never retrieved" in message]
