"""Secret keys are rotated while the service runs: no secret is lost, and the old key can be removed."""

import asyncio
import base64
import os
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text
from standardwebhooks import Webhook

from db.settings import DatabaseSettings
from db.states import RunState
from jobs.settings import JobsSettings
from tests.support.command import duetime_in_process
from tests.support.engine import runs_of, working
from tests.support.graphql import Api, serving
from tests.support.rest import FUTURE
from tests.support.target import Target
from tests.support.waiting import wait_until

OLD, NEW = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
SIGNING = "whsec_" + base64.b64encode(os.urandom(32)).decode()
CREATE = "mutation ($input: CreateTaskInput!) { createTask(input: $input) { ... on Task { id } } }"
UPDATE = """
mutation ($id: ID!, $action: UpdateHttpActionInput!) {
  updateTask(id: $id, input: {action: $action}) { ... on Task { id } }
}
"""
RUN = "mutation ($id: ID!) { runTask(id: $id) { ... on Run { id } } }"
RETRY = "mutation ($id: ID!) { retryRun(id: $id) { ... on Run { id } } }"


def with_keys(jobs: JobsSettings, *keys: str) -> JobsSettings:
    """Return the settings of a service that has these keys."""
    return jobs.model_copy(update={"secret_key": ",".join(keys)})


async def rotated(database: DatabaseSettings, folder: Path, *keys: str) -> tuple[int, str, str]:
    """Return the exit status of `duetime keys rotate-secrets`, and its output."""
    environment = {"DATABASE_URL": str(database.database_url), "DUETIME_SECRET_KEY": ",".join(keys)}
    ended = await asyncio.to_thread(duetime_in_process, "keys", "rotate-secrets", cwd=folder, environment=environment)
    return ended.returncode, ended.stdout, ended.stderr


async def done(api: Api, document: str, **variables: Any) -> str:
    """Return the ID of what a mutation created or changed."""
    [found] = (await api.data(document, **variables)).values()
    return str(found["id"])


async def seals(api: Api) -> list[str]:
    """Return every encrypted value in any table."""
    found: list[str] = []
    async with api.engine.connect() as connection:
        for table in ("tasks", "task_versions", "task_definitions"):
            rows = (await connection.execute(text(f"SELECT headers, signing_secrets FROM {table}"))).all()
            for headers, signing in rows:
                found += [each["sealed"] for each in (headers or {}).values() if isinstance(each, dict)]
                found += signing or []
    return found


async def test_secrets_outlive_their_keys(
    database: DatabaseSettings, jobs_settings: JobsSettings, target: Target, tmp_path: Path
) -> None:
    """With both keys everything goes on; after the rotation the new key alone is enough, for old versions too."""
    headers = [{"name": "Authorization", "value": "Bearer swordfish"}, {"name": "X-Plain", "value": "plain"}]
    action = {"url": target.url, "headers": headers, "signingSecrets": [SIGNING], "payload": {"n": 1}}
    task = {"name": "a task", "trigger": {"oneOff": {"at": FUTURE}}, "action": action, "overlap": "ALLOW"}
    async with serving(database, with_keys(jobs_settings, OLD)) as api:
        task_id = await done(api, CREATE, input=task)
        for _ in range(2):
            await done(api, CREATE, input={**task, "action": {**action, "signingSecrets": None}})
        async with working(database, with_keys(jobs_settings, OLD)):
            old_run = await done(api, RUN, id=task_id)
            await wait_until(lambda: runs_of(api.engine, UUID(task_id), at_least=1), what="the run has ended")
        await done(api, UPDATE, id=task_id, action={"headers": [{"name": "Authorization", "value": "Bearer marlin"}]})
        sealed_by_old = await seals(api)
    async with (
        serving(database, with_keys(jobs_settings, NEW, OLD)) as api,
        working(database, with_keys(jobs_settings, NEW, OLD)),
    ):
        await done(api, RUN, id=task_id)
        await wait_until(lambda: runs_of(api.engine, UUID(task_id), at_least=2), what="the run has ended")
        status, said, wrong = await rotated(database, tmp_path, NEW, OLD)
        # Three tasks, what the changed one was, and its two definitions.
        assert (status, said) == (0, "Encrypted the secrets of 6 task definitions with the first key.\n"), wrong
        assert (await rotated(database, tmp_path, NEW, OLD))[1].startswith("Encrypted the secrets of 0 ")
        sealed_by_new = await seals(api)
    assert len(sealed_by_new) == len(sealed_by_old) == 10
    assert all(map(with_keys(jobs_settings, NEW).secrets.is_current, sealed_by_new))
    async with (
        serving(database, with_keys(jobs_settings, NEW)) as api,
        working(database, with_keys(jobs_settings, NEW)),
    ):
        await done(api, RUN, id=task_id)
        await done(api, RETRY, id=old_run)
        runs = await wait_until(lambda: runs_of(api.engine, UUID(task_id), at_least=4), what="the runs have ended")
        entries = (await api.data('{ auditLog(filter: {action: "rotateSecrets"}) { nodes { after } } }'))["auditLog"]
    assert [run.state for run in runs] == [RunState.SUCCEEDED] * 4
    sent = [call.headers["authorization"] for call in target.calls]
    assert sorted(sent) == ["Bearer marlin"] * 2 + ["Bearer swordfish"] * 2
    for call in target.calls:
        assert Webhook(SIGNING).verify(call.body, call.headers) == {"n": 1}
    assert [entry["after"] for entry in entries["nodes"]] == [{"sealed_anew": 0}, {"sealed_anew": 6}]


async def test_what_no_key_opens_stays_as_it_is(
    database: DatabaseSettings, jobs_settings: JobsSettings, tmp_path: Path
) -> None:
    """The command names the tasks and exits with status 1; the other secrets are encrypted with the new key."""
    headers = [{"name": "Authorization", "value": "Bearer swordfish"}]
    task = {
        "name": "a task",
        "trigger": {"oneOff": {"at": FUTURE}},
        "action": {"url": "http://localhost/", "headers": headers},
    }
    lost_key = base64.b64encode(os.urandom(32)).decode()
    async with serving(database, with_keys(jobs_settings, lost_key)) as api:
        lost = await done(api, CREATE, input=task)
    async with serving(database, with_keys(jobs_settings, OLD)) as api:
        await done(api, CREATE, input=task)
        status, said, wrong = await rotated(database, tmp_path, NEW, OLD)
        assert (status, said) == (1, "Encrypted the secrets of 1 task definitions with the first key.\n")
        assert wrong == (
            f"duetime: none of the keys decrypts the secrets of 1 tasks, which were left unchanged: {lost}\n"
        )
        found = await seals(api)
    keys = [with_keys(jobs_settings, each).secrets for each in (lost_key, NEW)]
    assert [sum(map(each.is_current, found)) for each in keys] == [1, 1]


async def test_without_a_key_there_is_nothing_to_rotate(database: DatabaseSettings, tmp_path: Path) -> None:
    """The error names the setting."""
    status, _, wrong = await rotated(database, tmp_path)
    assert status == 1
    assert wrong.startswith("duetime: DUETIME_SECRET_KEY is not set; list the new key and then the old ones")
