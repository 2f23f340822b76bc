"""A service as it looks after a week: tasks that somebody may have, with their history, and what they call.

It is for screenshots and for people who work on the pages; no test asserts anything about it.
"""

import asyncio
import random
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from db.models import Run, RunEvent, utc_now
from db.states import RunEventType, RunState
from jobs.run_ids import scheduled_run_id
from tests.support.graphql import Api

PORT = 8088
HISTORY = timedelta(days=7)
SEED = 7
CREATE = """
mutation ($input: CreateTaskInput!) {
  createTask(input: $input) { __typename ... on Task { id } ... on Error { message } }
}
"""
PAUSE = """
mutation ($id: ID!) { pauseTask(id: $id, reason: "Until the new model is trained") { __typename } }
"""
SIGNING_SECRET = f"whsec_{b64encode(bytes(32)).decode()}"
CHANNEL = """
mutation ($input: CreateChannelInput!) { createChannel(input: $input) { ... on Channel { id } } }
"""
RULE = """
mutation ($input: CreateNotificationRuleInput!) { createNotificationRule(input: $input) { __typename } }
"""
LIMIT = """
mutation ($input: CreateFlowLimitInput!) { createFlowLimit(input: $input) { __typename } }
"""
KEY = """
mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { __typename } }
"""
BEGINS_AFTER = timedelta(seconds=90)
"""Nothing is due before, because the insertion of the history slows the process down."""
COUNT_ON = text("UPDATE run_event_counter SET seq = seq + :number RETURNING seq - :number")
CHUNK = 50
"""Rows of one transaction, none of which may last long."""
RESULTS = {RunState.SUCCEEDED: 200, RunState.FAILED: 503}


History = tuple[Run, Sequence[tuple[RunEventType, datetime]]]
"""A run, with the types and the instants of its events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A task, how often it ran, and how it went."""

    name: str
    url: str
    trigger: Mapping[str, Any]
    every: timedelta
    tags: Sequence[str] = ()
    method: str = "POST"
    payload: Any = None
    headers: Sequence[Mapping[str, Any]] = ()
    description: str = ""
    failing: float = 0.01
    """The share of runs that failed."""
    fails_since: timedelta = timedelta()
    """Every run of this last stretch of time failed."""
    took_ms: int = 180


def cron(expression: str, timezone: str = "Europe/Berlin") -> Mapping[str, Any]:
    """Return a trigger input."""
    return {"cron": {"expression": expression, "timezone": timezone}}


def interval(seconds: int) -> Mapping[str, Any]:
    """Return a trigger input."""
    return {"interval": {"everyMs": seconds * 1_000}}


def at(host: str, path: str) -> str:
    """Return the URL of something that the sample calls."""
    return f"http://{host}:{PORT}{path}"


SAMPLES = (
    Sample(
        name="Export invoices to accounting",
        url=at("billing.internal", "/invoices/export"),
        trigger=cron("0 6 * * 1-5"),
        every=timedelta(hours=6),
        tags=["billing", "nightly"],
        payload={"format": "datev", "since": "yesterday", "notify": ["finance@example.com"]},
        headers=[{"name": "Authorization", "value": "Bearer duetime-sample"}, {"name": "X-Team", "value": "finance"}],
        description="Sends the invoices of the day before to the accounting system.",
        took_ms=2_400,
    ),
    Sample(
        name="Refresh exchange rates",
        url=at("rates.internal", "/refresh"),
        trigger=interval(60),
        every=timedelta(minutes=10),
        tags=["billing"],
    ),
    Sample(
        name="Sync inventory with the warehouse",
        url=at("warehouse.internal", "/sync"),
        trigger=cron("*/5 * * * *"),
        every=timedelta(minutes=5),
        tags=["shop"],
        failing=0.03,
        took_ms=640,
    ),
    Sample(
        name="Send abandoned-cart mails",
        url=at("mail.internal", "/campaigns/cart"),
        trigger=cron("*/15 8-20 * * *"),
        every=timedelta(minutes=15),
        tags=["shop", "mail"],
        took_ms=420,
    ),
    Sample(
        name="Rebuild the search index",
        url=at("search.internal", "/reindex"),
        trigger=cron("30 2 * * *"),
        every=timedelta(days=1),
        tags=["nightly", "search"],
        took_ms=41_000,
    ),
    Sample(
        name="Warm the CDN cache",
        url=at("cdn.internal", "/warm"),
        method="GET",
        trigger=interval(20),
        every=timedelta(minutes=4),
        tags=["web"],
        took_ms=90,
    ),
    Sample(
        name="Charge due subscriptions",
        url=at("billing.internal", "/subscriptions/charge"),
        trigger=cron("0 * * * *"),
        every=timedelta(hours=1),
        tags=["billing"],
        fails_since=timedelta(hours=5),
        took_ms=900,
    ),
    Sample(
        name="Check TLS certificates",
        url=at("ops.internal", "/certificates/check"),
        method="GET",
        trigger=cron("0 9 * * mon"),
        every=timedelta(days=3),
        tags=["ops"],
        took_ms=3_100,
    ),
    Sample(
        name="Post the daily sales report",
        url=at("reports.internal", "/sales/daily"),
        trigger=cron("45 7 * * *", "America/New_York"),
        every=timedelta(days=1),
        tags=["reports"],
    ),
    Sample(
        name="Purge expired sessions",
        url=at("auth.internal", "/sessions/purge"),
        method="DELETE",
        trigger=interval(30),
        every=timedelta(minutes=6),
        tags=["ops"],
        failing=0.02,
        took_ms=60,
    ),
    Sample(
        name="Poll the payment provider",
        url=at("payments.internal", "/poll"),
        method="GET",
        trigger=interval(15),
        every=timedelta(minutes=3),
        tags=["billing"],
        failing=0.05,
        took_ms=230,
    ),
    Sample(
        name="Back up the customer database",
        url=at("backup.internal", "/customers"),
        trigger=cron("15 1 * * *", "UTC"),
        every=timedelta(days=1),
        tags=["nightly", "ops"],
        took_ms=95_000,
    ),
    Sample(
        name="Recompute recommendations",
        url=at("ml.internal", "/recommendations"),
        trigger=cron("0 */4 * * *"),
        every=timedelta(hours=4),
        tags=["shop"],
        failing=0.1,
        took_ms=12_000,
    ),
    Sample(
        name="Ping the status page",
        url=at("status.internal", "/heartbeat"),
        method="HEAD",
        trigger=interval(10),
        every=timedelta(minutes=2),
        tags=["ops"],
        took_ms=25,
    ),
)
PAUSED = "Recompute recommendations"


async def addresses(_host: str, _port: int) -> Sequence[str]:
    """Return this machine's address for every name."""
    return ["127.0.0.1"]


async def respond(request: web.Request) -> web.Response:
    """Respond to a call of a sample after a moment."""
    await asyncio.sleep(random.uniform(0.02, 0.4))
    if request.path == "/subscriptions/charge" or random.random() < 0.04:
        return web.json_response({"error": "upstream_unavailable", "retryable": True}, status=503)
    return web.json_response(
        {
            "ok": True,
            "job": str(uuid4()),
            "items": [{"id": 4711, "state": "exported"}, {"id": 4712, "state": "skipped"}],
        }
    )


@asynccontextmanager
async def called() -> AsyncIterator[None]:
    """Run what the samples call."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", respond)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", PORT).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def arrange(api: Api) -> Mapping[str, UUID]:
    """Create the tasks with their history, and return their ids by name."""
    chance = random.Random(SEED)
    ids: dict[str, UUID] = {}
    pairs: list[History] = []
    for sample in SAMPLES:
        given = {
            "name": sample.name,
            "description": sample.description,
            "trigger": beginning(sample.trigger, utc_now() + BEGINS_AFTER + chance.random() * timedelta(seconds=20)),
            "tags": list(sample.tags),
            "action": {
                "method": sample.method,
                "url": sample.url,
                "headers": list(sample.headers),
                "payload": sample.payload,
            },
            "retry": {"maxAttempts": 3, "initialDelayMs": 2_000},
        }
        made = (await api.data(CREATE, input=given))["createTask"]
        assert "id" in made, made
        ids[sample.name] = task_id = UUID(made["id"])
        pairs += history(sample, task_id, chance)
    await insert(api.engine, pairs)
    await api.data(PAUSE, id=str(ids[PAUSED]))
    await administer(api)
    return ids


async def administer(api: Api) -> None:
    """Create limits, keys, and a rule of notifications with its channel."""
    for key, limit in (
        ({"host": "billing.internal"}, {"ratePerSecond": 5.0, "burst": 20}),
        ({"host": "*.example.com"}, {"ratePerSecond": 0.5, "maxConcurrent": 2}),
        ({"flowKey": "payments"}, {"maxConcurrent": 4}),
    ):
        await api.data(LIMIT, input={"key": key, **limit})
    for name, scope in (("deploys", "WRITE"), ("grafana", "READ"), ("on-call", "ADMIN")):
        await api.data(KEY, input={"name": name, "scope": scope})
    target = {"webhook": {"url": at("ops.internal", "/alerts"), "signingSecrets": [SIGNING_SECRET]}}
    channel = (await api.data(CHANNEL, input={"name": "On-call", "target": target}))["createChannel"]["id"]
    rule = {"channelIds": [channel], "gatherMs": 10_000, "toleranceMs": 60_000}
    failures = rule | {"name": "Billing fails", "events": ["FAILED", "RECOVERED"], "tags": ["billing"]}
    await api.data(RULE, input=failures)
    await api.data(RULE, input=rule | {"name": "Anything is late", "events": ["LATE", "NO_WORKERS"], "lateMs": 30_000})


def beginning(trigger: Mapping[str, Any], at: datetime) -> Mapping[str, Any]:
    """Return a trigger that has no instant before another instant."""
    return {kind: {**members, "startAt": at.isoformat()} for kind, members in trigger.items()}


def history(sample: Sample, task_id: UUID, chance: random.Random) -> list[History]:
    """Return the runs of a task over the last days, with the types and instants of their events."""
    now = utc_now().replace(microsecond=0)
    found: list[History] = []
    due = now - HISTORY
    while due < now - timedelta(minutes=1):
        fails = due > now - sample.fails_since or chance.random() < sample.failing
        state = RunState.FAILED if fails else RunState.SUCCEEDED
        started = due + timedelta(milliseconds=chance.lognormvariate(1.6, 0.9))
        attempts = []
        attempt_at = started
        for number in range(1, 4 if fails else 2):
            took = max(int(sample.took_ms * chance.lognormvariate(0, 0.35)), 1)
            ended = attempt_at + timedelta(milliseconds=took)
            attempts.append(
                {
                    "number": number,
                    "started_at": attempt_at.isoformat(),
                    "finished_at": ended.isoformat(),
                    "duration_ms": took,
                    "status_code": RESULTS[state],
                    "error_message": "The response has status 503, which is no success" if fails else None,
                }
            )
            attempt_at = ended + timedelta(seconds=2 * number)
        run = Run(
            id=scheduled_run_id(task_id, due),
            task_id=task_id,
            host=sample.url.split("/")[2],
            state=state,
            scheduled_for=due,
            due_at=due,
            attempt=len(attempts),
            run_at=started,
            attempt_started_at=started,
            finished_at=ended,
            success=not fails,
            status_code=RESULTS[state],
            duration_ms=took,
            error_message="The response has status 503, which is no success" if fails else None,
            attempts=attempts,
            response_headers=[["content-type", "application/json"], ["server", "nginx"]],
            response_body='{"error": "upstream_unavailable"}' if fails else '{"ok": true, "items": [{"id": 4711}]}',
        )
        found.append((run, ((RunEventType.STARTED, started), (RunEventType(state), ended))))
        due += sample.every
    return found


async def insert(engine: AsyncEngine, pairs: Sequence[History]) -> None:
    """Insert runs, and their events in the order of their instants."""
    events = sorted(((at, type_, run) for run, steps in pairs for type_, at in steps), key=lambda event: event[0])
    async with AsyncSession(engine, expire_on_commit=False) as session:
        for place in range(0, len(pairs), CHUNK):
            session.add_all(run for run, _ in pairs[place : place + CHUNK])
            await session.commit()
        for place in range(0, len(events), CHUNK):
            chunk = events[place : place + CHUNK]
            first = await session.scalar(COUNT_ON, {"number": len(chunk)})
            session.add_all(event_of(first + number, *each) for number, each in enumerate(chunk, start=1))
            await session.commit()


def event_of(seq: int, at: datetime, type_: RunEventType, run: Run) -> RunEvent:
    """Return an event of a run."""
    common: dict[str, Any] = {"seq": seq, "at": at, "type": type_, "task_id": run.task_id, "run_id": run.id}
    if type_ == RunEventType.STARTED:
        return RunEvent(**common, state=RunState.RUNNING, attempt=1)
    return RunEvent(
        **common,
        state=run.state,
        attempt=run.attempt,
        status_code=run.status_code,
        error_message=run.error_message,
        duration_ms=run.duration_ms,
    )
