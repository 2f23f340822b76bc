"""What is wrong with channels and rules is said; secrets stay secret; targets are guarded; and only admins get in."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from db.models import utc_now
from db.settings import DatabaseSettings
from db.states import KeyScope
from jobs.maintenance.key_rotation import rotate_channels
from jobs.security.encryption import parse_keys
from jobs.settings import JobsSettings
from tests.support.engine import every, save
from tests.support.graphql import Api, serving
from tests.support.keys import bearer, guarded, make_key
from tests.support.notifications import (
    CREATE_CHANNEL,
    CREATE_RULE,
    PATIENCE,
    Webhooks,
    create_channel,
    create_rule,
    create_webhook,
    deliveries,
    running_smtp,
    sealing,
)
from tests.support.shared import Shared
from tests.support.target import CannedResponse, Target

SECRET = "whsec_" + "A" * 32
CHANGE = """__typename ... on Channel { name url version } ... on InvalidInput { problems { path message } }
    ... on Conflict { message reason } ... on NotFound { message }"""
UPDATE_CHANNEL = (
    f"mutation ($id: ID!, $input: UpdateChannelInput!) {{ updateChannel(id: $id, input: $input) {{ {CHANGE} }} }}"
)
UPDATE_RULE = """mutation ($id: ID!, $input: UpdateNotificationRuleInput!) {
    updateNotificationRule(id: $id, input: $input) {
        __typename ... on NotificationRule { name version events remindEveryMs }
        ... on InvalidInput { problems { message } } ... on Conflict { message reason } ... on NotFound { message }
    }
}"""
DELETE_CHANNEL = """mutation ($id: ID!) { deleteChannel(id: $id) {
    __typename ... on DeletedChannel { channelId } ... on Conflict { message } ... on NotFound { message }
} }"""
DELETE_RULE = """mutation ($id: ID!) { deleteNotificationRule(id: $id) {
    __typename ... on DeletedNotificationRule { ruleId } ... on NotFound { message }
} }"""
TEST = """mutation ($id: ID!) { testChannel(id: $id) {
    __typename ... on NotificationDelivery { state errorMessage statusCode } ... on NotFound { message }
} }"""
LISTS = "{ channels { name kind url version } notificationRules { name } }"
AUDIT = "{ auditLog(first: 50) { nodes { action before after } } }"


@pytest.fixture(scope="module")
def settings(shared: Shared) -> JobsSettings:
    """Return the settings of a service with a secret key."""
    return sealing(shared.jobs)


@pytest.fixture(scope="module")
async def shared_api(shared: Shared, settings: JobsSettings) -> AsyncIterator[Api]:
    """Run an API that can seal secrets."""
    async with serving(shared.database, settings) as running:
        yield running


@pytest.fixture
def database(shared_database: DatabaseSettings) -> DatabaseSettings:
    """Return a database that is empty when the test begins."""
    return shared_database


@pytest.fixture
def api(request: pytest.FixtureRequest, shared_api: Api) -> Api:
    """Return the API, whose database is empty when the test begins."""
    request.getfixturevalue("database")
    return shared_api


async def problems(api: Api, mutation: str, given: dict[str, Any]) -> list[tuple[list[str], str]]:
    """Return what is wrong with an input."""
    api.http.timeout = PATIENCE
    [made] = (await api.data(mutation, input=given)).values()
    assert made["__typename"] == "InvalidInput", made
    return [(problem["path"], problem["message"]) for problem in made["problems"]]


def webhook(url: str = "http://127.0.0.1/", *secrets: str) -> dict[str, Any]:
    """Return a webhook as the target of a channel."""
    return {"webhook": {"url": url, "signingSecrets": list(secrets or (SECRET,))}}


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        ({"name": " "}, ["name"], "must have 1 to 255 characters, not 0"),
        ({"name": "a\nb"}, ["name"], "contains a control character"),
        ({"target": webhook("ftp://x/")}, ["webhook", "url"], "must begin with http:// or https://"),
        (
            {"target": webhook("http://127.0.0.1/", "whsec_x")},
            ["webhook", "signingSecrets", "0"],
            "is not base64; write",
        ),
        (
            {"target": {"webhook": {"url": "http://127.0.0.1/", "signingSecrets": []}}},
            ["webhook", "signingSecrets"],
            "is missing; every webhook is signed",
        ),
        ({"target": webhook("http://10.0.0.1/")}, ["webhook", "url"], "resolves to an address that tasks may not call"),
        ({"target": {"apprise": {"url": "nonsense://x"}}}, ["apprise", "url"], "is not a URL that apprise can use"),
        ({"target": {"apprise": {"url": "syslog://"}}}, ["apprise", "url"], "works only on the worker's machine"),
        ({"target": {"apprise": {"url": "x" * 4_001}}}, ["apprise", "url"], "must have at most 4,000 characters"),
    ],
)
async def test_a_wrong_channel_is_refused(api: Api, given: dict[str, Any], path: list[str], message: str) -> None:
    """Each refusal says where and what would be right."""
    [(where, why)] = await problems(api, CREATE_CHANNEL, {"name": "a", "target": webhook()} | given)
    assert where == path
    assert why.startswith(message), why


async def test_a_wrong_rule_is_refused(api: Api) -> None:
    """All problems are returned at once, each with its place."""
    channel, unknown = await create_channel(api, webhook()), str(uuid4())
    found = await problems(
        api,
        CREATE_RULE,
        {
            "name": "",
            "channelIds": [channel, unknown, channel],
            "events": ["LATE", "TEST", "LATE", "WORKERS_BACK"],
            "taskIds": [unknown],
            "tags": ["a", "a"],
            "afterFailures": 0,
            "toleranceMs": 604_800_001,
            "remindEveryMs": 999,
            "gatherMs": 600_001,
        },
    )
    assert found == [
        (["events", "1"], "TEST is what testChannel sends; give another event"),
        (["events", "2"], "LATE is given twice"),
        (["events", "3"], "WORKERS_BACK is sent by rules with NO_WORKERS and RECOVERED; give these"),
        (["lateMs"], "is missing; LATE needs the number of milliseconds by which a run may begin late"),
        (["afterFailures"], "must be from 1 to 1,000, not 0"),
        (["toleranceMs"], "must be from 0 to 604,800,000, not 604,800,001"),
        (["gatherMs"], "must be from 0 to 600,000, not 600,001"),
        (["remindEveryMs"], "must be 0, which means never, or from 1,000 to 2,592,000,000, not 999"),
        (["name"], "must have 1 to 255 characters, not 0"),
        (["tags", "1"], "'a' is given twice"),
        (["channelIds", "1"], f"there is no channel {unknown}"),
        (["channelIds", "2"], f"{channel} is given twice"),
        (["taskIds", "0"], f"there is no task {unknown}"),
    ]
    empty = await problems(api, CREATE_RULE, {"name": "b", "channelIds": [], "events": []})
    assert empty == [
        (["events"], "is empty; give at least one event"),
        (["channelIds"], "must have 1 to 20 ids, not 0"),
    ]


async def test_changes_and_their_conflicts(api: Api) -> None:
    """Names are unique, versions guard changes, a channel in use stays, and each change is in the audit log."""
    channel = await create_channel(api, webhook())
    rule = await create_rule(api, channel, "FAILED", remindEveryMs=60_000)
    assert await problems(api, CREATE_CHANNEL, {"name": "ops", "target": webhook()}) == [
        (["name"], "is the name of another channel; choose another one")
    ]
    same = (await api.data(UPDATE_CHANNEL, id=channel, input={"name": "ops"}))["updateChannel"]
    assert same == {"__typename": "Channel", "name": "ops", "url": "http://127.0.0.1/", "version": 1}
    moved = {"target": {"webhook": {"url": "http://127.0.0.1/new"}}, "expectedVersion": 1}
    changed = (await api.data(UPDATE_CHANNEL, id=channel, input=moved))["updateChannel"]
    assert (changed["url"], changed["version"]) == ("http://127.0.0.1/new", 2)
    stale = (await api.data(UPDATE_CHANNEL, id=channel, input=moved))["updateChannel"]
    assert (stale["reason"], stale["message"]) == (
        "STALE_VERSION",
        "The channel has version 2, not 1: it has been changed since",
    )
    other = {"target": {"apprise": {"url": "json://127.0.0.1"}}}
    refused = (await api.data(UPDATE_CHANNEL, id=channel, input=other))["updateChannel"]
    assert refused["problems"][0]["message"].startswith("is for another kind of channel; create a new channel")
    used = (await api.data(DELETE_CHANNEL, id=channel))["deleteChannel"]
    assert used["message"] == "The channel is used by the rules 'rule'; change or delete them first"
    changed = await api.data(UPDATE_RULE, id=rule, input={"events": ["PAUSED"], "remindEveryMs": 0})
    assert changed["updateNotificationRule"] == {
        "__typename": "NotificationRule", "name": "rule", "version": 2, "events": ["PAUSED"], "remindEveryMs": None,
    }  # fmt: skip
    stale = (await api.data(UPDATE_RULE, id=rule, input={"name": "x", "expectedVersion": 1}))["updateNotificationRule"]
    assert stale["reason"] == "STALE_VERSION"
    for mutation, sought in ((DELETE_RULE, rule), (DELETE_CHANNEL, channel)):
        [first] = (await api.data(mutation, id=sought)).values()
        assert first["__typename"].startswith("Deleted"), first
        [again] = (await api.data(mutation, id=sought)).values()
        assert again["message"].startswith("There is no "), again
    for mutation, given in ((UPDATE_RULE, {"name": "x"}), (UPDATE_CHANNEL, {"name": "x"})):
        [missing] = (await api.data(mutation, id=channel, input=given)).values()
        assert missing["__typename"] == "NotFound"
    actions = [entry["action"] for entry in (await api.data(AUDIT))["auditLog"]["nodes"]]
    assert actions == [
        "deleteChannel",
        "deleteNotificationRule",
        "updateNotificationRule",
        "updateChannel",
        "createNotificationRule",
        "createChannel",
    ]


async def test_only_admins_get_in(database: DatabaseSettings, settings: JobsSettings) -> None:
    """Keys with the scopes read and write are refused everything about notifications."""
    calls: dict[str, dict[str, Any]] = {
        "{ channels { id } }": {},
        "{ notificationRules { id } }": {},
        "{ notificationDeliveries { totalCount } }": {},
        CREATE_CHANNEL: {"input": {"name": "a", "target": webhook()}},
        CREATE_RULE: {"input": {"name": "a", "channelIds": [], "events": []}},
        UPDATE_CHANNEL: {"id": str(uuid4()), "input": {}},
        UPDATE_RULE: {"id": str(uuid4()), "input": {}},
        DELETE_CHANNEL: {"id": str(uuid4())},
        DELETE_RULE: {"id": str(uuid4())},
        TEST: {"id": str(uuid4())},
    }
    async with guarded(database, settings) as api:
        tokens = {scope: await make_key(api.engine, f"my {scope}", scope=scope) for scope in KeyScope}
        for query, variables in calls.items():
            for scope, token in tokens.items():
                answer = await api.http.post(
                    "/graphql", json={"query": query, "variables": variables}, headers=bearer(token)
                )
                codes = [error["extensions"]["code"] for error in answer.json().get("errors", ())]
                assert codes == ([] if scope is KeyScope.ADMIN else ["FORBIDDEN"]), (query, scope, answer.json())


async def test_secrets_are_nowhere(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """The URL of a mail server that refuses the password and repeats it is in no answer, no log and no column."""
    async with running_smtp() as smtp:
        address = f"127.0.0.1:{smtp.port}?to=ops@example.com&from=duetime@example.com"
        channel = await create_channel(api, {"apprise": {"url": f"mailto://me:wrong-password@{address}"}})
        tested = (await api.data(TEST, id=channel))["testChannel"]
        assert tested["state"] == "FAILED"
        assert tested["errorMessage"]
        assert smtp.connections == 1
    hooks = "whsec_" + "B" * 32
    await create_channel(api, webhook("http://127.0.0.1/", hooks), name="hook")
    shown = json.dumps([await api.data(LISTS), await api.data(AUDIT), await deliveries(api), tested])
    async with api.engine.connect() as connection:
        for table in ("notification_channels", "notification_deliveries", "notifications", "audit_log"):
            rows = await connection.execute(text(f"SELECT CAST(t AS text) FROM {table} t"))
            shown += "".join(rows.scalars())
    for secret in ("wrong-password", hooks, "B" * 32, "ops@example.com"):
        assert secret not in shown + caplog.text
    assert "createChannel" in shown


async def test_channels_need_a_key_to_encrypt_with(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """Without DUETIME_SECRET_KEY no channel is stored, and the refusal says what to do."""
    async with serving(database, jobs_settings) as api:
        for target in (webhook(), {"apprise": {"url": "json://127.0.0.1"}}):
            [(_, why)] = await problems(api, CREATE_CHANNEL, {"name": "a", "target": target})
            assert why.endswith("set DUETIME_SECRET_KEY to the output of `openssl rand -base64 32`")


async def test_targets_are_guarded(database: DatabaseSettings, settings: JobsSettings, target: Target) -> None:
    """What tasks may not call, no channel reaches, whatever was allowed when it was created."""
    hooks, port = Webhooks(target), target.url.rpartition(":")[2]
    async with serving(database, settings) as api:
        channels = {
            "webhook": await create_webhook(api, hooks),
            "json": await create_channel(api, {"apprise": {"url": f"json://127.0.0.1:{port}/json"}}, name="json"),
            "name": await create_channel(api, {"apprise": {"url": f"json://localhost:{port}/json"}}, name="name"),
            "mail": await create_channel(
                api,
                {"apprise": {"url": f"mailto://127.0.0.1:{port}?to=ops@example.com&from=duetime@example.com"}},
                name="mail",
            ),
        }
        for name in ("webhook", "json"):
            assert (await api.data(TEST, id=channels[name]))["testChannel"]["state"] == "DELIVERED"
    calls = len(target.calls)
    async with serving(database, settings.model_copy(update={"targets_allowed": ""})) as api:
        api.http.timeout = PATIENCE
        for name, channel in channels.items():
            tested = (await api.data(TEST, id=channel))["testChannel"]
            host = "localhost" if name == "name" else "127.0.0.1"
            assert tested["state"] == "FAILED", name
            assert tested["errorMessage"] == f"the target is not allowed: calls to {host}:{port} are blocked here"
    assert len(target.calls) == calls


async def test_no_redirect_leads_past_the_guard(
    database: DatabaseSettings, settings: JobsSettings, target: Target
) -> None:
    """A service of apprise that redirects to a target which is not allowed gets no further, nor does a webhook."""
    hooks, place = Webhooks(target), target.url.removeprefix("http://")
    async with running_smtp() as hidden:
        location = {"Location": f"http://127.0.0.1:{hidden.port}/"}
        for path in ("/hook", "/json"):
            target.responds(path, CannedResponse(status=307, headers=location))
        async with serving(database, settings.model_copy(update={"targets_allowed": place})) as api:
            api.http.timeout = PATIENCE
            for channel in (
                await create_webhook(api, hooks),
                await create_channel(api, {"apprise": {"url": f"json://{place}/json"}}, name="json"),
            ):
                tested = (await api.data(TEST, id=channel))["testChannel"]
                assert tested["state"] == "FAILED"
        assert hidden.connections == 0
    assert len(target.calls_of("/hook")) == len(target.calls_of("/json")) == 1


async def test_keys_of_channels_are_rotated(api: Api, settings: JobsSettings, target: Target) -> None:
    """After a rotation the old key is not needed, and a channel whose key is missing is named."""
    hooks = Webhooks(target)
    channel = await create_webhook(api, hooks)
    other = await create_channel(api, {"apprise": {"url": f"json://{target.url.removeprefix('http://')}/j"}}, name="j")
    new = sealing(settings).secret_key
    count, unopened = await rotate_channels(api.engine, parse_keys(new))
    assert (count, sorted(unopened)) == (0, ["j", "ops"])
    assert await rotate_channels(api.engine, parse_keys(f"{new},{settings.secret_key}")) == (2, [])
    assert await rotate_channels(api.engine, parse_keys(new)) == (0, [])
    async with api.engine.connect() as connection:
        url = await connection.execute(text("SELECT url FROM notification_channels WHERE kind = 'webhook'"))
        assert url.scalar_one() == hooks.url
    assert channel != other


async def test_a_rule_names_existing_tasks(api: Api) -> None:
    """A rule is shown with all that it was given, and defaults."""
    channel = await create_channel(api, webhook())
    [task_id] = await save(api.engine, every("http://h/", timedelta(hours=1), utc_now()))
    made = (
        await api.data(
            CREATE_RULE,
            input={
                "name": "r", "channelIds": [channel], "events": ["LATE"], "taskIds": [str(task_id)], "lateMs": 5,
                "tags": None, "afterFailures": None, "toleranceMs": None, "remindEveryMs": None, "gatherMs": None,
            },
        )
    )["createNotificationRule"]  # fmt: skip
    assert {name: made[name] for name in made if name not in ("__typename", "id", "channelIds")} == {
        "name": "r", "version": 1, "events": ["LATE"], "taskIds": [str(task_id)], "tags": [], "afterFailures": 1,
        "lateMs": 5, "toleranceMs": 60_000, "remindEveryMs": None, "gatherMs": 10_000,
    }  # fmt: skip
