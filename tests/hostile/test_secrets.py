"""Where secrets, and what is known of tasks, could be read: the execution log, dumps of the database, responses."""

import os
import stat
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from db.settings import DatabaseSettings
from duetime.preflight import migrate_database
from jobs.security.encryption import parse_keys
from jobs.settings import JobsSettings
from tests.support.engine import one_off, opened, runs_of, save, soon, working
from tests.support.graphql import Api, serving
from tests.support.servers import Servers
from tests.support.target import Target
from tests.support.waiting import wait_until


@pytest.fixture
def lax_umask() -> Iterator[None]:
    """Let the process create files that everybody may read and write, as some service managers do."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """Return the permissions of a folder and of all that is in it."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}


@pytest.mark.usefixtures("lax_umask")
@pytest.mark.parametrize(
    "existing", [(), ("executions-1.jsonl", "executions-1.jsonl.1", ".executions-1.lock"), ("other",)]
)
async def test_other_users_cannot_read_the_execution_log(
    database: DatabaseSettings, jobs_settings: JobsSettings, target: Target, tmp_path: Path, existing: tuple[str, ...]
) -> None:
    """The log names tasks and URLs. What an older version left behind becomes private, and a shared folder stays."""
    folder = tmp_path / "logs"
    if existing:
        folder.mkdir()
        for name in existing:
            (folder / name).touch()
    async with opened(database) as engine:
        task = one_off(f"{target.url}/ok", soon())
        await save(engine, task)
        async with working(database, jobs_settings.model_copy(update={"log_dir": folder})):
            await wait_until(lambda: runs_of(engine, task.id, at_least=1), what="the run has ended")

    shared = "other" in existing
    assert (folder / "executions-1.jsonl").read_text()
    found = modes(folder)
    assert found.pop("logs") == (0o777 if shared else 0o700)
    assert found.pop("other", None) == (0o666 if shared else None)
    assert set(found) >= {"executions-1.jsonl", ".executions-1.lock"}
    assert set(found.values()) == {0o600}


async def test_the_execution_log_follows_no_link_of_another_user(
    database: DatabaseSettings, jobs_settings: JobsSettings, target: Target, tmp_path: Path
) -> None:
    """In a shared folder, another user could have a worker append to any of its own files."""
    folder, victim = tmp_path / "logs", tmp_path / "victim"
    folder.mkdir()
    victim.write_text("kept")
    (folder / "executions-1.jsonl").symlink_to(victim)
    async with opened(database) as engine:
        task = one_off(f"{target.url}/ok", soon())
        await save(engine, task)
        async with working(database, jobs_settings.model_copy(update={"log_dir": folder})):
            await wait_until(lambda: runs_of(engine, task.id, at_least=1), what="the run has ended")
    assert victim.read_text() == "kept"


CREATE = """
mutation ($input: CreateTaskInput!) {
  createTask(input: $input) {
    __typename ... on Task { id } ... on InvalidInput { problems { path message } } ... on Conflict { reason }
  }
}
"""


def fresh_key() -> str:
    """Return a key as `openssl rand -base64 32` prints it."""
    return b64encode(os.urandom(32)).decode()


@asynccontextmanager
async def with_key(database: DatabaseSettings, jobs: JobsSettings, secret_key: str) -> AsyncIterator[Api]:
    """Serve an API with this DUETIME_SECRET_KEY."""
    async with serving(database, jobs.model_copy(update={"secret_key": secret_key})) as api:
        yield api


async def create(api: Api, *headers: dict[str, Any], name: str = "a task", key: str | None = None) -> Any:
    """Create a task, and return what the mutation returns."""
    task = {
        "name": name,
        "trigger": {"interval": {"everyMs": 60_000, "startAt": "2100-01-01T00:00:00Z"}},
        "action": {"url": "http://127.0.0.1:1/", "headers": list(headers)},
        "idempotencyKey": key,
    }
    response = await api.http.post("/graphql", json={"query": CREATE, "variables": {"input": task}})
    return response.json()["data"]["createTask"]


async def fingerprints(database: DatabaseSettings) -> list[str]:
    """Return the fingerprints that a dump of the database contains."""
    async with opened(database) as engine, engine.connect() as connection:
        found = await connection.execute(text("SELECT fingerprint FROM idempotency_keys ORDER BY key"))
        return list(found.scalars())


@pytest.fixture
async def sealing_api(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """Serve an API with a secret key."""
    async with with_key(database, jobs_settings, fresh_key()) as api:
        yield api


@pytest.fixture
def attacker(servers: Servers) -> Iterator[DatabaseSettings]:
    """Yield the database of an attacker's own Duetime."""
    with servers.database() as settings:
        yield settings


async def test_a_weak_secret_cannot_be_guessed_from_a_dump(
    database: DatabaseSettings, attacker: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """An attacker with a dump sends guesses to a Duetime of its own, and compares what the two databases contain."""
    secret = {"name": "Authorization", "value": "Bearer hunter22"}
    for each in (database, attacker):
        async with with_key(each, jobs_settings, fresh_key()) as api:
            assert (await create(api, secret, key="k"))["__typename"] == "Task"
    [seen], [guessed] = await fingerprints(database), await fingerprints(attacker)
    assert seen != guessed


async def test_fingerprints_of_earlier_versions_and_rotated_keys_are_honoured(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """Without a key, fingerprints are what earlier versions stored. A retry finds its task whatever happens to the key.

    `duetime migrate` replaces plain fingerprints, and goes on recognising their inputs.
    """
    async with serving(database, jobs_settings) as api:
        created = await create(api, key="k")
    [plain] = await fingerprints(database)
    assert len(plain) == 64

    old, new = fresh_key(), fresh_key()
    for migrated in (False, True):
        if migrated:
            await migrate_database(database, secrets=parse_keys(old))
            [keyed] = await fingerprints(database)
            assert plain not in keyed
            await migrate_database(database, secrets=parse_keys(old))
            assert await fingerprints(database) == [keyed]
        async with with_key(database, jobs_settings, old) as api:
            assert await create(api, key="k") == created
            assert (await create(api, key="k", name="another"))["reason"] == "IDEMPOTENCY_KEY_REUSED"

    async with with_key(database, jobs_settings, f"{new},{old}") as api:
        assert await create(api, key="k") == created
        assert (await create(api, key="k", name="another"))["reason"] == "IDEMPOTENCY_KEY_REUSED"
    # Nothing can compare the inputs without the old key, and a retry must not create a second task.
    async with with_key(database, jobs_settings, new) as api:
        assert await create(api, key="k") == created


@pytest.mark.parametrize(
    "header",
    [
        {"name": "Authorization", "value": "abcde"},
        {"name": "Authorization", "value": "Bearer  abcde "},
        {"name": "x-mine", "value": "abcde", "secret": True},
    ],
)
async def test_secrets_that_cannot_be_masked_are_refused(sealing_api: Api, header: dict[str, Any]) -> None:
    """A response may repeat a secret, and so short a text cannot be masked without masking half of the response."""
    created = await create(sealing_api, header)
    [problem] = created["problems"]
    assert problem["path"] == ["action", "headers", "0", "value"]
    assert "is a secret of fewer than 6 characters" in problem["message"]
    assert "abcde" not in problem["message"]


@pytest.mark.parametrize(
    "header",
    [
        {"name": "x-mine", "value": "abcde"},
        {"name": "Authorization", "value": "Bearer abcdef"},
        {"name": "Authorization", "value": ""},
        {"name": "Cookie", "value": "session=abcdef; a=1"},
    ],
)
async def test_other_secrets_are_accepted(sealing_api: Api, header: dict[str, Any]) -> None:
    """What is plain, empty or long enough is accepted; a cookie has no scheme."""
    assert (await create(sealing_api, header))["__typename"] == "Task"


async def test_rest_refuses_secrets_that_cannot_be_masked(sealing_api: Api) -> None:
    """Both APIs share the validation."""
    action = {"method": "GET", "url": "http://127.0.0.1:1/", "headers": {"Cookie": "a=1"}}
    task = {"name": "a", "trigger": {"type": "cron", "cron": "0 9 * * *"}, "action": action}
    refused = await sealing_api.http.post("/api/v1/tasks", json=task)
    assert refused.status_code == 400
    assert "is a secret of fewer than 6 characters" in refused.text
