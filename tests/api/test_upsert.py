"""upsertTask: a task is created, brought to an input, or left as it is."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from db.models import utc_now
from db.settings import DatabaseSettings
from db.states import TaskStatus
from jobs.settings import JobsSettings
from tests.support.engine import one_off, save, task_of
from tests.support.graphql import Api, serving
from tests.support.history import HOUR, ago
from tests.support.rest import text as written

SHOWN = """
  id externalId name description metadata deleteAfterMs status version nextRunAt tags overlap misfire onLost updatedAt
  trigger {
    ... on OneOffTrigger { at }
    ... on CronTrigger { expression timezone endAt jitterMs }
    ... on IntervalTrigger { everyMs start: startAt endAt jitterMs }
  }
  action {
    method url headers { name value secret } payload body form { name value } successStatuses timeoutMs redirects signed
  }
  retry { maxAttempts initialDelayMs factor maxDelayMs retryStatuses maxElapsedMs }
"""
UPSERT = f"""
mutation ($input: CreateTaskInput!) {{
  upsertTask(input: $input) {{
    __typename
    ... on UpsertedTask {{ outcome task {{ {SHOWN} }} }}
    ... on InvalidInput {{ problems {{ path message }} }}
    ... on Conflict {{ message reason }}
  }}
}}
"""
AUDIT = "{ auditLog { nodes { action before after } } }"
SECRETS = [f"whsec_{base64.b64encode(bytes([number]) * 32).decode()}" for number in range(2)]
EVERYTHING: dict[str, Any] = {
    "name": "full",
    "description": "what it is for",
    "metadata": {"z": [1, 10**30, None], "a": 1.5},
    "deleteAfterMs": 60_000,
    "trigger": {"cron": {"expression": "0 9 * * *", "timezone": "Europe/Berlin", "endAt": "2100-01-01T00:00:00Z"}},
    "action": {
        "method": "POST",
        "url": "http://localhost/a",
        "headers": [
            {"name": "Authorization", "value": "Bearer swordfish"},
            {"name": "X-Token", "value": "marlin-marlin", "secret": True},
            {"name": "X-Plain", "value": "plain"},
        ],
        "payload": {"n": [1, 2.0]},
        "successStatuses": ["200-204"],
        "timeoutMs": 1_000,
        "redirects": 3,
        "signingSecrets": SECRETS,
    },
    "retry": {"maxAttempts": 7, "initialDelayMs": 1, "factor": 3.0, "maxDelayMs": 9, "retryStatuses": ["5xx"]},
    "overlap": "ALLOW",
    "misfire": "ALL",
    "onLost": "FAIL",
    "tags": ["x", "y"],
}
BARE: dict[str, Any] = {
    "name": "bare",
    "trigger": {"cron": {"expression": "0 9 * * *"}},
    "action": {"url": "http://localhost/a"},
}


@pytest.fixture
async def api(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """A running API with a secret key."""
    sealing = jobs_settings.model_copy(update={"secret_key": base64.b64encode(os.urandom(32)).decode()})
    async with serving(database, sealing) as running:
        yield running


async def upsert(api: Api, external_id: str | None = "e", **input_: Any) -> dict[str, Any]:
    """Return the response of upsertTask."""
    answer: dict[str, Any] = (await api.data(UPSERT, input={"externalId": external_id} | input_))["upsertTask"]
    return answer


async def upserted(api: Api, external_id: str = "e", **input_: Any) -> tuple[str, dict[str, Any]]:
    """Return the outcome and the task of an upsert that is not refused."""
    answer = await upsert(api, external_id, **input_)
    assert answer["__typename"] == "UpsertedTask", answer
    return answer["outcome"], answer["task"]


async def test_created_then_unchanged_then_exactly_the_input(api: Api) -> None:
    """The first call creates the task, an equal one changes nothing, and another one sets all members, defaults too."""
    outcome, first = await upserted(api, **EVERYTHING)
    assert outcome == "CREATED"
    assert (first["externalId"], first["version"]) == ("e", 1)
    assert await upserted(api, **EVERYTHING) == ("UNCHANGED", first)

    outcome, bare = await upserted(api, **BARE)
    assert outcome == "UPDATED"
    fresh = (await upserted(api, "another", **BARE))[1]
    assert (bare["id"], bare["version"]) == (first["id"], 2)
    own = {"id", "externalId", "version", "updatedAt"}
    assert {name: bare[name] for name in bare.keys() - own} == {name: fresh[name] for name in fresh.keys() - own}
    assert (bare["description"], bare["metadata"], bare["deleteAfterMs"], bare["tags"]) == ("", None, None, [])
    assert (bare["action"]["headers"], bare["action"]["signed"]) == ([], False)
    assert await upserted(api, **BARE) == ("UNCHANGED", bare)

    outcome, full = await upserted(api, **EVERYTHING)
    assert (outcome, full["version"]) == ("UPDATED", 3)
    assert {name: full[name] for name in full.keys() - own} == {name: first[name] for name in first.keys() - own}


async def test_null_counts_as_a_default(api: Api) -> None:
    """A null stands for the default of its member, in createTask and here, so it is equal to leaving the member out."""
    nulls = dict.fromkeys(
        (
            *("overlap", "misfire", "onLost", "tags", "description", "metadata", "deleteAfterMs", "retry"),
            "idempotencyKey",
        )
    )
    _, task = await upserted(api, **BARE | nulls)
    assert (task["overlap"], task["misfire"], task["onLost"], task["tags"]) == ("SKIP", "LATEST", "RETRY", [])
    assert task["description"] == ""
    assert await upserted(api, **BARE) == ("UNCHANGED", task)
    create = "mutation ($input: CreateTaskInput!) { createTask(input: $input) { ... on Task { overlap tags } } }"
    made = await api.data(create, input=BARE | nulls)
    assert made["createTask"] == {"overlap": "SKIP", "tags": []}


@pytest.mark.parametrize(
    "changed",
    [
        {"headers": [{"name": "Authorization", "value": "Bearer marlinmarlin"}, *EVERYTHING["action"]["headers"][1:]]},
        {"headers": EVERYTHING["action"]["headers"][::-1]},
        {"headers": EVERYTHING["action"]["headers"][:2]},
        {
            "headers": [
                EVERYTHING["action"]["headers"][0],
                {"name": "X-Token", "value": "marlin-marlin"},
                EVERYTHING["action"]["headers"][2],
            ]
        },
        {"signingSecrets": SECRETS[:1]},
        {"signingSecrets": SECRETS[::-1]},
        {"payload": {"n": [1, 2]}},
        {"url": "http://127.0.0.1/a"},
    ],
)
async def test_secrets_and_values_are_compared(api: Api, changed: dict[str, Any]) -> None:
    """Equal secrets are no change, also beside one that differs; any other value, flag, order or type is a change."""
    _, task = await upserted(api, **EVERYTHING)
    before = await task_row(api, task["id"])
    other = EVERYTHING | {"action": EVERYTHING["action"] | changed}
    outcome, after = await upserted(api, **other)
    assert (outcome, after["version"]) == ("UPDATED", 2)
    assert (await upserted(api, **other))[0] == "UNCHANGED"
    row = await task_row(api, task["id"])
    if "headers" not in changed and "url" not in changed:
        assert row["headers"] == before["headers"]
    flags = {each["name"]: each["secret"] for each in after["action"]["headers"]}
    given = other["action"]["headers"]
    assert flags == {each["name"]: each["name"] == "Authorization" or each.get("secret", False) for each in given}
    assert "swordfish" not in str(row)


async def task_row(api: Api, task_id: str) -> dict[str, Any]:
    """Return the row of a task."""
    async with api.engine.connect() as connection:
        query = text("SELECT to_jsonb(t) FROM tasks t WHERE id = CAST(:id AS uuid)")
        row: dict[str, Any] = (await connection.execute(query, {"id": task_id})).scalar_one()
    return row


async def test_an_interval_keeps_its_phase(api: Api) -> None:
    """An interval without startAt keeps its instants, whatever else changes, until everyMs does."""
    interval: dict[str, Any] = {"everyMs": 3_600_000}
    _, first = await upserted(api, **BARE | {"trigger": {"interval": interval}})
    assert await upserted(api, **BARE | {"trigger": {"interval": interval}}) == ("UNCHANGED", first)
    ended = interval | {"endAt": "2100-01-01T00:00:00Z"}
    outcome, task = await upserted(api, **BARE | {"trigger": {"interval": ended}, "name": "other"})
    assert (outcome, task["nextRunAt"], task["trigger"]["endAt"]) == (
        "UPDATED", first["nextRunAt"], "2100-01-01T00:00:00Z",
    )  # fmt: skip
    outcome, task = await upserted(api, **BARE | {"trigger": {"interval": interval}})
    assert (task["trigger"]["endAt"], task["nextRunAt"]) == (None, first["nextRunAt"])
    _, task = await upserted(api, **BARE | {"trigger": {"interval": {"everyMs": 7_200_000}}})
    assert task["nextRunAt"] != first["nextRunAt"]


async def test_a_one_off_that_has_run_stays_as_it_is(api: Api) -> None:
    """An equal input is no error because its instant has passed meanwhile; another instant schedules the task again."""
    at = ago(1)
    row = one_off(
        "http://localhost/a", at, external_id="e", name="bare", status=TaskStatus.COMPLETED, next_run=None, due_at=None,
        initial_delay_ms=5_000, host="localhost:80",
    )  # fmt: skip
    await save(api.engine, row)
    past = BARE | {"trigger": {"oneOff": {"at": written(at)}}}
    outcome, task = await upserted(api, **past)
    assert (outcome, task["status"], task["version"]) == ("UNCHANGED", "COMPLETED", 1)
    outcome, task = await upserted(api, **past | {"name": "renamed"})
    assert (outcome, task["status"], task["version"]) == ("UPDATED", "COMPLETED", 2)
    refused = await upsert(api, **past | {"trigger": {"oneOff": {"at": written(ago(2))}}})
    assert [each["path"] for each in refused["problems"]] == [["trigger", "oneOff", "at"]]
    later = written((utc_now() + HOUR).replace(microsecond=0))
    outcome, task = await upserted(api, **past | {"trigger": {"oneOff": {"at": later}}})
    assert (outcome, task["status"], task["nextRunAt"]) == ("UPDATED", "SCHEDULED", later)


@pytest.mark.parametrize(("mutation", "status"), [("pauseTask", "PAUSED"), ("cancelTask", "CANCELLED")])
async def test_the_status_stays(api: Api, mutation: str, status: str) -> None:
    """A task that was paused or cancelled stays so, whether the input is equal or not."""
    _, task = await upserted(api, **BARE)
    await api.data(f"mutation ($id: ID!) {{ {mutation}(id: $id) {{ __typename }} }}", id=task["id"])
    outcome, task = await upserted(api, **BARE)
    assert (outcome, task["status"], task["version"]) == ("UNCHANGED", status, 2)
    outcome, task = await upserted(api, **BARE | {"trigger": {"interval": {"everyMs": 60_000}}})
    assert (outcome, task["status"], task["nextRunAt"]) == ("UPDATED", status, None)


async def test_every_problem_is_told(api: Api) -> None:
    """Without an external id, or with an idempotency key, the input is refused together with its other problems."""
    answer = await upsert(api, None, **BARE | {"name": "", "idempotencyKey": "k"})
    found = {".".join(each["path"]): each["message"] for each in answer["problems"]}
    assert found.keys() == {"externalId", "idempotencyKey", "name"}
    assert found["externalId"] == "is missing; it says which task to create or to change"
    assert "leave it out" in found["idempotencyKey"]
    await upserted(api, **BARE)
    for _ in range(2):
        wrong = await upsert(api, **BARE | {"action": {"url": "ftp://a"}, "deleteAfterMs": 2**53 - 1})
        assert [each["path"] for each in wrong["problems"]] == [["action", "url"], ["deleteAfterMs"]]
    headers = [{"name": "Authorization", "secret": True}]
    kept = await upsert(api, **BARE | {"action": {"url": "http://localhost/a", "headers": headers}})
    assert [each["path"] for each in kept["problems"]] == [["action", "headers", "0", "value"]]


async def test_each_change_is_in_the_audit_log(api: Api) -> None:
    """A creation and a change are entries of upsertTask; what changes nothing leaves none."""
    await upserted(api, **BARE)
    await upserted(api, **BARE)
    await upserted(api, **BARE | {"description": "new"})
    changed, created = (await api.data(AUDIT))["auditLog"]["nodes"]
    assert {changed["action"], created["action"]} == {"upsertTask"}
    assert (created["before"], created["after"]["external_id"]) == (None, "e")
    assert "description" not in created["after"]
    assert (changed["before"], changed["after"]) == ({"version": 1}, {"version": 2, "description": "new"})


async def test_upserts_at_the_same_time_make_one_task(api: Api) -> None:
    """Calls at the same time create one task. The others change it or leave it, one after another."""
    inputs = [BARE | {"name": f"{number % 3}"} for number in range(9)]
    answers = await asyncio.gather(*(upserted(api, **each) for each in inputs))
    assert len({task["id"] for _, task in answers}) == 1
    outcomes = [outcome for outcome, _ in answers]
    assert outcomes.count("CREATED") == 1
    newest = max(task["version"] for _, task in answers)
    assert newest == 1 + outcomes.count("UPDATED")


async def test_an_upsert_beside_a_deletion(api: Api) -> None:
    """An upsert beside the deletion of its task changes the old one or creates a new one, and never fails."""
    delete = "mutation ($id: ID!) { deleteTask(id: $id) { __typename } }"
    for round_ in range(6):
        _, task = await upserted(api, **BARE | {"name": f"{round_}"})
        (outcome, after), _ = await asyncio.gather(
            upserted(api, **BARE | {"name": f"new {round_}"}), api.data(delete, id=task["id"])
        )
        assert outcome == ("UPDATED" if after["id"] == task["id"] else "CREATED")


async def test_runs_keep_the_definition_of_their_claim(api: Api) -> None:
    """An upsert that changes the call keeps the old definition for the runs that were claimed with it."""
    _, task = await upserted(api, **BARE)
    await upserted(api, **BARE | {"action": {"url": "http://localhost/b"}})
    async with api.engine.connect() as connection:
        kept = (await connection.execute(text("SELECT version, url FROM task_versions"))).all()
    assert [tuple(each) for each in kept] == [(1, "http://localhost/a")]
    row = await task_of(api.engine, task["id"])
    assert row.due_at is not None
    assert row.due_at - utc_now() < timedelta(days=1)


async def test_a_delay_is_refused(api: Api) -> None:
    """The same input would mean another instant each time."""
    task = {"name": "a", "externalId": "x", "action": {"url": "http://localhost/"}}
    refused = await api.data(UPSERT, input=task | {"trigger": {"oneOff": {"delayMs": 1_000}}})
    [problem] = refused["upsertTask"]["problems"]
    assert problem["path"] == ["trigger", "oneOff", "delayMs"]
    assert problem["message"].startswith("is not accepted here, because the same input would mean another instant")


UPSERTS = f"""
mutation ($inputs: [CreateTaskInput!]!, $dryRun: Boolean!) {{
  upsertTasks(inputs: $inputs, dryRun: $dryRun) {{
    __typename
    ... on UpsertedTask {{ outcome before after task {{ {SHOWN} }} }}
    ... on InvalidInput {{ problems {{ path message }} }}
  }}
}}
"""


async def test_many_at_once_do_what_each_alone_would(api: Api) -> None:
    """A dry run says what the same call then does, secrets are compared and never shown, and a refused task stops
    no other.
    """
    await upserted(api, "same", **EVERYTHING)
    await upserted(api, "changed", **EVERYTHING)
    other = {"name": "X-Token", "value": "another-marlin", "secret": True}
    changed = EVERYTHING | {"name": "renamed", "action": EVERYTHING["action"] | {"headers": [other], "payload": [1.10]}}
    changed |= {"trigger": {"interval": {"everyMs": 5_000}}}
    inputs = [
        {"externalId": "same"} | EVERYTHING,
        {"externalId": "changed"} | changed,
        {"externalId": "new"} | BARE,
        {"externalId": "wrong"} | BARE | {"name": ""},
        BARE,
        {"externalId": "new"} | BARE,
        {"externalId": "late"} | BARE | {"trigger": {"oneOff": {"delayMs": 1}}},
    ]
    tasks = await api.data("{ tasks { nodes { externalId version } } }")
    planned = (await api.data(UPSERTS, inputs=inputs, dryRun=True))["upsertTasks"]
    assert await api.data("{ tasks { nodes { externalId version } } }") == tasks
    made = (await api.data(UPSERTS, inputs=inputs, dryRun=False))["upsertTasks"]

    outcomes = ["UNCHANGED", "UPDATED", "CREATED", None, None, None, None]
    for results in (planned, made):
        assert [each.get("outcome") for each in results] == outcomes
        assert [each["problems"][0]["path"] for each in results[3:]] == [
            ["name"], ["externalId"], ["externalId"], ["trigger", "oneOff", "delayMs"]
        ]  # fmt: skip
        _, update, creation, *_ = results
        assert set(update["after"]) >= {"name", "headers", "payload", "trigger_type", "every_ms"}
        assert update["before"]["name"] == "full"
        assert update["after"]["headers"].keys() == {"X-Token"}
        assert update["after"]["headers"]["X-Token"] != update["before"]["headers"]["X-Token"]
        assert creation["after"]["name"] == "bare"
        assert not {"marlin", "swordfish"} & set(str(results).replace("-", " ").split())
    assert made[1]["task"]["version"] == 2
    assert made[2]["task"]["status"] == "SCHEDULED"
    again = (await api.data(UPSERTS, inputs=inputs[:3], dryRun=False))["upsertTasks"]
    assert [each["outcome"] for each in again] == ["UNCHANGED"] * 3
    actions = [each["action"] for each in (await api.data(AUDIT))["auditLog"]["nodes"]]
    assert actions == ["upsertTask"] * 4


async def test_calls_at_the_same_time_make_each_task_once(api: Api) -> None:
    """They wait for each other, and never deadlock."""
    inputs = [{"externalId": f"t{number}"} | BARE for number in range(60)]
    calls = [
        api.data(UPSERTS, inputs=[each | {"name": f"by {call}"} for each in order], dryRun=False)
        for call, order in enumerate((inputs, inputs[::-1], inputs[30:], inputs))
    ]
    results = await asyncio.gather(*calls)
    outcomes = [each["outcome"] for result in results for each in result["upsertTasks"]]
    assert outcomes.count("CREATED") == 60
    assert set(outcomes) == {"CREATED", "UPDATED"}
