"""docker-compose.yml without Docker: its commands, run as processes with its environment, on the tests' servers."""

import asyncio
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml

from db.connection_strings import parse_database_url
from db.settings import DatabaseSettings
from duetime import keys
from duetime.errors import CannotStart
from duetime.preflight import has_active_key
from duetime.settings import DuetimeSettings
from tests.support.command import duetime_in_process
from tests.support.ports import free_port
from tests.support.processes import ServiceProcess
from tests.support.servers import Servers
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
STARTS_WITHIN = 60
DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")
"""A variable that nobody has set, with its default."""


def services() -> dict[str, Any]:
    """Return the services, as on a fresh clone, where no variable is set."""
    text = DEFAULT.sub(lambda match: match[1] or "''", (ROOT / "docker-compose.yml").read_text())
    found: dict[str, Any] = yaml.safe_load(text)["services"]
    return found


@pytest.fixture
def environments(servers: Servers, redis_url: str, tmp_path: Path) -> Iterator[dict[str, dict[str, str]]]:
    """Yield the environment of each service of Duetime, with the tests' servers instead of those in containers."""
    suffix = uuid4().hex[:12]
    servers.administrator.execute(f"CREATE ROLE owner_{suffix} LOGIN PASSWORD 'duetime' CREATEROLE")
    with servers.empty_database(f"OWNER owner_{suffix}") as database:
        url = parse_database_url(str(database.database_url))
        port = str(free_port())
        replacements = {
            "//duetime_app:": f"//app_{suffix}:",
            "//duetime:": f"//owner_{suffix}:",
            "@postgres:5432/duetime": f"@{url.host}:{url.port}/{url.database}",
            "redis://valkey:6379/0": redis_url,
            "/data/": f"{tmp_path}/",
        }
        found = {}
        for name in ("migrate", "api", "worker"):
            # The image sets these two.
            environment = {"HOST": "0.0.0.0", "PORT": port} | services()[name]["environment"]
            for old, new in replacements.items():
                environment = {variable: value.replace(old, new) for variable, value in environment.items()}
            found[name] = environment
        yield found
    servers.administrator.execute(f"DROP ROLE IF EXISTS app_{suffix}")
    servers.administrator.execute(f"DROP ROLE owner_{suffix}")


async def test_a_fresh_clone_becomes_a_healthy_service_with_a_first_key(
    environments: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    """`migrate` ends, the API and the worker start, and the key in the file has the scope admin."""
    described = services()
    assert described["api"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"

    command = described["migrate"]["command"]
    result = await asyncio.to_thread(duetime_in_process, *command, cwd=tmp_path, environment=environments["migrate"])
    assert result.returncode == 0, result.stderr
    path = tmp_path / "first-key"
    key = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert f"action=first_key_created file={path}" in result.stderr
    assert key not in result.stderr + result.stdout

    processes = [
        ServiceProcess(described[name]["command"][0], environment=environments[name], cwd=tmp_path, name=name)
        for name in ("api", "worker")
    ]
    for process in processes:
        process.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{environments['api']['PORT']}") as client:

            async def healthy() -> bool:
                assert all(process.alive for process in processes), [process.log_tail() for process in processes]
                try:
                    health = await client.get("/health")
                except httpx.TransportError:
                    return False
                return health.status_code == 200 and health.json()["workers"] == 1

            await wait_until(healthy, what="the service is healthy", within=STARTS_WITHIN)
            assert (await client.get("/api/v1/tasks")).status_code == 401
            audit = {"query": "{ auditLog { nodes { action } } }"}
            answer = await client.post("/graphql", json=audit, headers={"authorization": f"Bearer {key}"})
            assert answer.json() == {"data": {"auditLog": {"nodes": [{"action": "createKey"}]}}}
    finally:
        statuses = [await process.stop() for process in processes if process.alive]
    assert statuses == [0, 0]


async def test_the_first_key_is_created_once(database: DatabaseSettings, tmp_path: Path) -> None:
    """Neither another start nor the key's revocation creates another one, nor do several starts at the same time."""
    path = tmp_path / "first-key"
    settings = DuetimeSettings.model_construct(first_key_file=path)
    await asyncio.gather(*(keys.create_first(settings, database) for _ in range(4)))
    first = path.read_text()
    assert await has_active_key(database)
    await keys.revoke(settings, database, name_or_id=keys.FIRST_KEY)

    await keys.create_first(settings, database)

    assert path.read_text() == first
    assert not await has_active_key(database)


async def test_without_its_file_there_is_no_first_key(database: DatabaseSettings, tmp_path: Path) -> None:
    """No key is created that nobody has seen."""
    missing = tmp_path / "missing" / "key"

    with pytest.raises(CannotStart, match=f"DUETIME_FIRST_KEY_FILE={missing}: cannot be written: No such file"):
        await keys.create_first(DuetimeSettings.model_construct(first_key_file=missing), database)
    await keys.create_first(DuetimeSettings.model_construct(), database)

    assert not await has_active_key(database)
