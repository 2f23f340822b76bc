"""The audit log: who changed what and when, before and after, permanently and without secrets."""

import base64
import json
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from db.models import utc_now
from db.settings import DatabaseSettings
from db.states import KeyScope
from jobs.settings import JobsSettings
from tests.support.graphql import Api, serving
from tests.support.keys import bearer, guarded, make_key
from tests.support.mutation_inputs import MAKE, TASK, task, variables_of
from tests.support.operations import MUTATIONS
from tests.support.rest import CRON
from tests.support.shared import Shared

LOG = """
query ($first: Int, $after: String, $last: Int, $before: String, $filter: AuditFilter) {
  auditLog(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
    nodes { id at keyId keyName action taskId runId before after }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount
    totalCountCapped
  }
}
"""


@pytest.fixture(scope="module")
async def shared_api(shared: Shared, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """Run an API with authentication and a secret key."""
    sealing = jobs_settings.model_copy(update={"secret_key": base64.b64encode(os.urandom(32)).decode()})
    async with guarded(shared.database, sealing) as running:
        yield running


@pytest.fixture
async def api(api: Api) -> Api:
    """Return the API, whose client sends an admin key."""
    api.http.headers.update(bearer(await make_key(api.engine, "operations", scope=KeyScope.ADMIN)))
    return api


async def log(api: Api, **variables: Any) -> dict[str, Any]:
    """Return a page of the log."""
    found: dict[str, Any] = (await api.data(LOG, **variables))["auditLog"]
    return found


OF_NO_TASK = {
    name
    for name in MUTATIONS
    if name.endswith(("Channel", "NotificationRule", "ApiKey", "tryAction", "FlowLimit", "bulk", "BulkOperation"))
}
ACTIONS = {"createApiKey": "createKey", "revokeApiKey": "revokeKey"}
"""What entries call a mutation that the command line has too."""
REPEATABLE = {
    "createTask",
    "createTasks",
    "runTask",
    "runTasks",
    "retryRun",
    "retryRuns",
    "testChannel",
    "tryAction",
    "bulk",
}
"""Mutations that do the same again when they are repeated."""


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_every_mutation_leaves_an_entry(api: Api, mutation: str) -> None:
    """Every mutation leaves an entry for each thing that it changed, under the name for one, and none for a refusal."""
    variables, entries = await variables_of(api, mutation)
    before = (await log(api))["totalCount"]
    began = utc_now()
    answer = await api.data(MUTATIONS[mutation], **variables)

    found = await log(api, first=100)
    assert found["totalCount"] == before + entries, answer
    for entry in found["nodes"][:entries]:
        assert (entry["action"], entry["keyName"]) == (
            ACTIONS.get(mutation, mutation.removesuffix("s")),
            "operations",
        )
        if mutation in OF_NO_TASK:
            assert entry["taskId"] is entry["runId"] is None
            assert "id" in (entry["before"] or entry["after"]) or mutation == "tryAction"
            continue
        assert entry["taskId"]
        assert began.isoformat()[:19] <= entry["at"] <= utc_now().isoformat()
        one = mutation.removesuffix("s")
        assert (entry["runId"] is not None) == (one in {"runTask", "cancelRun", "retryRun"})
        assert entry["after"]
        assert entry["before"] is not None or one in {"createTask", "upsertTask", "runTask", "retryRun"}
    again = await api.data(MUTATIONS[mutation], **variables)
    if mutation not in REPEATABLE:
        assert (await log(api))["totalCount"] == before + entries, again


async def test_every_writing_call_of_rest_leaves_an_entry(api: Api) -> None:
    """Every writing REST request leaves an entry under the name of the mutation that it corresponds to."""
    made = (await api.http.post("/api/v1/tasks", json=CRON)).json()
    path = f"/api/v1/tasks/{made['id']}"
    assert (await api.http.put(path, json={"name": "renamed"})).status_code == 200
    assert (await api.http.delete(path)).status_code == 200
    assert (await api.http.delete(path)).status_code == 200
    assert (await api.http.put(path, json={"name": ""})).status_code == 400

    entries = (await log(api))["nodes"]
    assert [(each["action"], each["taskId"], each["keyName"]) for each in entries] == [
        ("cancelTask", made["id"], "operations"),
        ("updateTask", made["id"], "operations"),
        ("createTask", made["id"], "operations"),
        ("createKey", None, "command line"),
    ]
    assert entries[1]["before"] == {"name": "Daily Report", "version": 1}
    assert entries[1]["after"] == {"name": "renamed", "version": 2}


async def test_an_entry_tells_what_differs(api: Api) -> None:
    """An entry shows what changed, before and after; of a secret only that it changed; of a deleted task everything."""
    task_id = await task(api)
    headers = [{"name": "Authorization", "value": "Bearer marlin"}, {"name": "X-Plain"}]
    changes = {
        "tags": ["a"],
        "retry": {"maxAttempts": 5},
        "action": {"headers": [headers[0]], "payload": {"n": 10**30}},
    }
    await api.data(MUTATIONS["updateTask"], id=task_id, input=changes)
    await api.data(MUTATIONS["deleteTask"], id=task_id)

    deleted, updated, created, _ = (await log(api))["nodes"]
    assert created["before"] is None
    assert created["after"]["name"] == "a task"
    old, new = updated["before"], updated["after"]
    marks = [each["headers"].pop("Authorization") for each in (old, new)]
    assert all(mark.keys() == {"secret"} for mark in marks)
    assert marks[0] != marks[1]
    assert old == {"version": 1, "max_attempts": 3, "headers": {"X-Plain": "plain"}}
    assert new == {"version": 2, "max_attempts": 5, "headers": {}, "tags": ["a"], "payload": {"n": 10**30}}
    assert deleted["before"]["payload"] == {"n": 10**30}
    assert deleted["before"]["status"] == "scheduled"
    assert deleted["after"]["status"] == "cancelled"
    written = json.dumps([deleted, updated, created])
    assert "swordfish" not in written
    assert "marlin" not in written


async def test_where_keys_are_off_it_was_anybody(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """While authentication is off, entries name `anybody`, and anybody may read the log."""
    async with serving(database, jobs_settings) as api:
        await api.http.post("/api/v1/tasks", json=CRON)
        [entry] = (await log(api))["nodes"]
    assert (entry["keyId"], entry["keyName"], entry["action"]) == (None, "anybody", "createTask")


async def test_it_is_paged_and_filtered(api: Api) -> None:
    """The log is paged like other lists: newest first, by cursors in both directions, complete at every page size."""
    ids = [await task(api) for _ in range(4)]
    await api.data(MUTATIONS["pauseTasks"], ids=ids)
    everything = (await log(api, first=100))["nodes"]
    assert [each["at"] for each in everything] == sorted((each["at"] for each in everything), reverse=True)
    assert len(everything) == 9

    forward: list[Any] = []
    page = await log(api, first=2)
    while True:
        forward += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        page = await log(api, first=2, after=page["pageInfo"]["endCursor"])
    assert forward == everything
    back = await log(api, last=3, before=page["pageInfo"]["startCursor"])
    assert back["nodes"] == everything[5:8]
    assert back["pageInfo"]["hasPreviousPage"] is True

    middle = everything[3]["at"]
    for given, wanted in (
        ({"taskId": ids[0]}, [each for each in everything if each["taskId"] == ids[0]]),
        ({"action": "pauseTask"}, everything[:4]),
        ({"keyName": "operations"}, everything[:8]),
        ({"keyName": "command line"}, everything[8:]),
        ({"keyName": "nobody"}, []),
        ({"keyName": "no\0name"}, []),
        ({"after": middle}, [each for each in everything if each["at"] >= middle]),
        ({"before": middle}, [each for each in everything if each["at"] < middle]),
        ({"after": None, "taskId": None}, everything),
    ):
        assert (await log(api, first=100, filter=given))["nodes"] == wanted, given
    for cursor, code in (("nonsense", "INVALID_CURSOR"), (page["pageInfo"]["endCursor"], None)):
        answer = await api.ask(LOG, after=cursor)
        assert [each["extensions"]["code"] for each in answer.get("errors", [])] == ([code] if code else [])
    assert await api.code(LOG, filter={"taskId": "1"}) == "INVALID_ID"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET key_name = 'somebody else'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "TRUNCATE api_keys, audit_log",
    ],
)
async def test_the_database_lets_nobody_change_it(api: Api, statement: str) -> None:
    """Not even the role that the service uses can change the log."""
    await task(api)
    before = await log(api)
    with pytest.raises(ProgrammingError, match="the audit log is only added to"):
        async with api.engine.begin() as connection:
            await connection.execute(text(statement))
    assert await log(api) == before


async def test_it_is_guarded_in_every_session(api: Api) -> None:
    """The log is protected in every session, also in one that replays another server's changes, as a superuser can
    open.
    """
    async with api.engine.connect() as connection:
        found = await connection.execute(
            text("""
            SELECT tgname FROM pg_trigger WHERE tgrelid = 'audit_log'::regclass AND tgenabled = 'A' ORDER BY tgname
        """)
        )
        assert found.scalars().all() == ["guard_rows", "guard_table"]


async def test_an_entry_comes_with_its_change_or_not_at_all(api: Api) -> None:
    """An entry and its change share a transaction: an entry that cannot be written prevents the change."""
    async with api.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE audit_log ADD CONSTRAINT no_more CHECK (false) NOT VALID"))
    [error] = (await api.ask(MAKE, input=TASK))["errors"]
    assert error["extensions"]["code"] == "INTERNAL"
    async with api.engine.begin() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM tasks"))).scalar_one() == 0
        await connection.execute(text("ALTER TABLE audit_log DROP CONSTRAINT no_more"))


async def test_reading_it_takes_no_longer_when_it_is_long(api: Api) -> None:
    """A page of the whole log, and of one task's entries, is read by an index, and so is a filter by instants."""
    task_id = str(uuid4())
    async with api.engine.begin() as connection:
        fill = """
        INSERT INTO audit_log (at, key_name, action, task_id)
        SELECT CAST(:now AS timestamptz) - n * interval '1 second', 'filler', 'updateTask',
            CASE WHEN n % 1000 = 0 THEN CAST(:task_id AS uuid) ELSE gen_random_uuid() END
        FROM generate_series(1, 20000) AS n
        """
        await connection.execute(text(fill), {"now": utc_now(), "task_id": task_id})
        await connection.execute(text("ANALYZE audit_log"))
        plans = [
            (
                await connection.execute(
                    text(f"EXPLAIN SELECT * FROM audit_log WHERE {where} ORDER BY at DESC, id DESC LIMIT 21")
                )
            )
            .scalars()
            .all()
            for where in ("true", f"task_id = '{task_id}'", f"at < '{utc_now() - timedelta(hours=2)}'")
        ]
    for plan in plans:
        assert "Seq Scan" not in "\n".join(plan), plan
    assert (await log(api, filter={"taskId": task_id}))["totalCount"] == 20
    assert (await log(api))["totalCountCapped"] is True
