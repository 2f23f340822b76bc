"""Nothing is forgotten and nothing is told twice when processes are killed between an event and its record."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, text

from db.models import utc_now
from db.settings import DatabaseSettings
from jobs.clock import Clock
from jobs.http.client import HttpCaller
from jobs.notifications.delivery import deliver
from jobs.notifications.duties import sender_of
from jobs.notifications.judge import judge
from jobs.settings import LOOPBACK, JobsSettings
from tests.support.engine import one_off, opened, save, soon, working
from tests.support.graphql import serving
from tests.support.notifications import Webhooks, create_rule, create_webhook, deliveries, ids_of, sealing
from tests.support.processes import ServiceProcess
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

FAILS, SUCCEEDS = CannedResponse(status=500), CannedResponse()
SECOND = timedelta(seconds=1)
LEASED = text("SELECT count(*) FROM notification_deliveries WHERE state = 'pending' AND leased_until IS NOT NULL")
END_LEASES = text("UPDATE notification_deliveries SET leased_until = clock_timestamp() - interval '1 second'")
FAILED = text("SELECT count(*) FROM run_events WHERE type = 'failed'")
DELIVERED = text("SELECT count(*) FROM notification_deliveries WHERE state = 'delivered'")
CURSOR = text("SELECT seq FROM notification_cursor")


@pytest.fixture
def settings(jobs_settings: JobsSettings) -> JobsSettings:
    """Return the settings of a service with a secret key."""
    return sealing(jobs_settings)


@asynccontextmanager
async def killable_worker(
    database: DatabaseSettings, settings: JobsSettings, folder: Path
) -> AsyncIterator[ServiceProcess]:
    """Run a worker that the block can kill."""
    environment = {
        "DATABASE_URL": str(database.database_url),
        "REDIS_URL": settings.redis,
        "DUETIME_SECRET_KEY": settings.secret_key,
        "DUETIME_TARGETS_ALLOWED": LOOPBACK,
    }
    worker = ServiceProcess("worker", environment=environment, cwd=folder, name="worker")
    worker.start()
    try:
        yield worker
    finally:
        if worker.alive:
            await worker.kill()


async def test_a_worker_that_is_killed_between_the_event_and_the_delivery(
    database: DatabaseSettings, settings: JobsSettings, target: Target, tmp_path: Path
) -> None:
    """What has happened, and what gathers in a message, is told by the next worker, once."""
    hooks = Webhooks(target)
    async with serving(database, settings) as api:
        channel = await create_webhook(api, hooks)
        await create_rule(api, channel, "FAILED", gatherMs=2_000)
    async with opened(database) as engine, killable_worker(database, settings, tmp_path) as worker:
        at = utc_now() + 4 * SECOND
        ids = await save(
            engine,
            *(one_off(target.responds("/fails", FAILS), at + n * 0.05 * SECOND, max_attempts=1) for n in range(20)),
        )

        async def failed() -> bool:
            async with engine.connect() as connection:
                return int((await connection.execute(FAILED)).scalar_one()) >= 10

        await wait_until(failed, what="half of the tasks have failed", within=80)
        await worker.kill()
        assert hooks.messages == []
        async with working(database, settings):
            await wait_until(lambda: sum(count for _, count in hooks.events) >= 20, what="all are told", within=30)
    named = [task["taskId"] for message in hooks.messages for task in message["data"]["tasks"]]
    assert sorted(named) == sorted(ids_of(*ids))
    assert len(set(hooks.ids)) == len(hooks.ids)


async def test_a_worker_that_is_killed_between_the_delivery_and_its_record(
    database: DatabaseSettings, settings: JobsSettings, target: Target, tmp_path: Path
) -> None:
    """Once the lease has run out, the message is sent again under the same webhook-id, and then never again."""
    hooks = Webhooks(target)
    target.responds("/hook", CannedResponse(delay=20 * SECOND), SUCCEEDS)
    async with serving(database, settings) as api:
        channel = await create_webhook(api, hooks)
        await create_rule(api, channel, "FAILED")
    async with opened(database) as engine, killable_worker(database, settings, tmp_path) as worker:
        await save(engine, one_off(target.responds("/fails", FAILS), utc_now() + 3 * SECOND, max_attempts=1))
        await wait_until(lambda: hooks.ids, what="the first attempt has arrived", within=80)
        await worker.kill()
        async with engine.begin() as connection:
            assert (await connection.execute(LEASED)).scalar_one() == 1
            await connection.execute(END_LEASES)

        async def delivered() -> bool:
            async with engine.connect() as connection:
                return int((await connection.execute(DELIVERED)).scalar_one()) == 1

        async with working(database, settings):
            await wait_until(delivered, what="the delivery is recorded")
            await asyncio.sleep(1.5)
    assert len(hooks.ids) == 2
    assert len(set(hooks.ids)) == 1
    [first, second] = hooks.messages
    assert first == second


async def test_a_late_record_of_an_earlier_attempt_changes_nothing(
    database: DatabaseSettings, settings: JobsSettings, target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that stalls beyond its lease does not undo what the next one has recorded."""
    hooks, clock = Webhooks(target), Clock()
    target.responds("/hook", CannedResponse(status=410, delay=6 * SECOND), SUCCEEDS)
    async with serving(database, settings) as api:
        channel = await create_webhook(api, hooks)
        await create_rule(api, channel, "FAILED")
        await save(api.engine, one_off(target.responds("/fails", FAILS), soon(), max_attempts=1))
        async with (
            HttpCaller(clock=clock, policy=settings.egress_policy) as caller,
            working(database, settings),
        ):
            await wait_until(lambda: hooks.ids, what="the first attempt has arrived")
            async with api.engine.begin() as connection:
                await connection.execute(END_LEASES)
            await deliver(api.engine, sender_of(settings, caller, clock))
            assert len(hooks.ids) == 2
            await wait_until(lambda: "cannot be delivered" in caplog.text, what="the first attempt has ended")
        [delivery] = await deliveries(api)
    assert (delivery["state"], delivery["attempts"], delivery["statusCode"]) == ("DELIVERED", 2, 200)


async def test_without_rules_nothing_is_read_or_moved(
    database: DatabaseSettings, settings: JobsSettings, target: Target
) -> None:
    """Without a rule, one statement is all that a worker does; a first rule begins with what happens after it."""
    hooks = Webhooks(target)
    url = target.responds("/fails", FAILS)
    async with serving(database, settings) as api, working(database, settings):
        await save(api.engine, *(one_off(url, soon(), max_attempts=1) for _ in range(5)))
        await wait_until(lambda: len(target.calls_of("/fails")) == 5, what="all have failed")
        statements: list[str] = []
        note: Callable[..., None] = lambda *arguments: statements.append(arguments[2])  # noqa: E731
        event.listen(api.engine.sync_engine, "before_cursor_execute", note)
        await judge(api.engine, public_url=None)
        event.remove(api.engine.sync_engine, "before_cursor_execute", note)
        assert statements == ["SELECT EXISTS (SELECT FROM notification_rules)"]
        async with api.engine.connect() as connection:
            assert (await connection.execute(CURSOR)).scalar_one() == 0
        channel = await create_webhook(api, hooks)
        await create_rule(api, channel, "FAILED")
        [later] = await save(api.engine, one_off(url, soon(), max_attempts=1))
        message = await hooks.first("FAILED")
        assert [task["taskId"] for task in message["tasks"]] == ids_of(later)
    assert hooks.events == [("FAILED", 1)]
