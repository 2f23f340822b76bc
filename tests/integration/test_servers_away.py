"""Commands that start while a server is away, and those that start as users of the old service start it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from db.connection_strings import parse_database_url
from db.settings import DatabaseSettings
from tests.support.command import duetime_in_process
from tests.support.ports import free_port
from tests.support.processes import ServiceProcess
from tests.support.proxy import Proxy
from tests.support.target import Target
from tests.support.waiting import wait_until

STARTS_WITHIN = 60


@asynccontextmanager
async def running(*commands: str, environment: Mapping[str, str], cwd: Path) -> AsyncIterator[list[ServiceProcess]]:
    """Run commands until the block ends, and then assert that they stop gracefully."""
    processes = [ServiceProcess(command, environment=environment, cwd=cwd, name=command) for command in commands]
    for process in processes:
        process.start()
    try:
        yield processes
    finally:
        statuses = [await process.stop() for process in processes if process.alive]
    assert statuses == [0] * len(processes), "\n".join(process.log_tail() for process in processes)


async def responds(client: httpx.AsyncClient) -> bool:
    """Return whether an API responds at all."""
    try:
        return (await client.get("/health/live")).status_code == 200
    except httpx.TransportError:
        return False


async def create(client: httpx.AsyncClient, url: str) -> str:
    """Create a task that is due in a second, and return its id."""
    due = datetime.now(UTC) + timedelta(seconds=1)
    trigger = {"type": "one-off", "datetime": due.isoformat()}
    body = {"name": "once", "trigger": trigger, "action": {"method": "GET", "url": url}}
    created = await client.post("/api/v1/tasks", json=body)
    assert created.status_code == 201, created.text
    return str(created.json()["id"])


async def results(client: httpx.AsyncClient, task_id: str) -> Any:
    """Return the task's results so far."""
    return (await client.get(f"/api/v1/tasks/{task_id}/results")).json()["results"]


async def forward(proxy: Proxy) -> asyncio.Server:
    """Let connections to the proxy's port through from now on."""
    return await asyncio.start_server(proxy.forward, "127.0.0.1", proxy.port)


async def test_without_redis_the_api_and_workers_start_and_tasks_run(
    tmp_path: Path, database: DatabaseSettings, redis_url: str, target: Target
) -> None:
    """Redis only wakes workers. Each process says once that it is away, and uses it as soon as it is there."""
    url = httpx.URL(redis_url)
    proxy = Proxy(url.port or 6379)
    proxy.port = free_port()
    environment = {
        "PORT": str(free_port()),
        "DATABASE_URL": str(database.database_url),
        "REDIS_URL": str(url.copy_with(host="127.0.0.1", port=proxy.port)),
    }
    base_url = f"http://127.0.0.1:{environment['PORT']}"
    async with (
        running("api", "worker", environment=environment, cwd=tmp_path) as (api, worker),
        httpx.AsyncClient(base_url=base_url, timeout=10) as client,
    ):
        await wait_until(lambda: responds(client), what="the API responds", within=STARTS_WITHIN)
        task = await create(client, f"{target.url}/hook")
        await wait_until(lambda: results(client, task), what="the task has run", within=STARTS_WITHIN)
        assert len(target.calls_of("/hook")) == 1
        assert (await client.get("/health")).status_code == 503
        # arq tries again each second.
        await asyncio.sleep(2.5)
        for process in (api, worker):
            text = process.log.read_text()
            assert text.count("action=redis_away_at_start") == 1, text
            assert text.count("action=redis_lost") <= 1, text
            assert "password" not in text
            assert not url.password or url.password not in text

        server = await forward(proxy)

        async def healthy() -> bool:
            return (await client.get("/health")).status_code == 200

        await wait_until(healthy, what="the API uses Redis", within=STARTS_WITHIN)
        server.close()
        await proxy.close()


@pytest.mark.parametrize("command", ["api", "worker", "migrate"])
async def test_a_postgres_that_comes_later_is_waited_for(
    command: str, tmp_path: Path, database: DatabaseSettings, redis_url: str
) -> None:
    """The log says so after two seconds, and the command goes on by itself."""
    url = parse_database_url(str(database.database_url))
    proxy = Proxy(url.port or 5432)
    proxy.port = free_port()
    away = f"postgresql://{url.username}:{url.password}@127.0.0.1:{proxy.port}/{url.database}?sslmode=disable"
    environment = {"PORT": str(free_port()), "DATABASE_URL": away, "REDIS_URL": redis_url}
    process = ServiceProcess(command, environment=environment, cwd=tmp_path, name=command)
    process.start()

    def says(text: str) -> bool:
        assert process.alive or "Redis" not in process.log.read_text(), process.log_tail()
        return text in process.log.read_text()

    await wait_until(lambda: says("action=waiting_for_postgres"), what="the log says so", within=STARTS_WITHIN)
    assert f"server=127.0.0.1:{proxy.port}/{url.database}" in process.log.read_text()
    assert str(url.password) not in process.log.read_text()
    server = await forward(proxy)
    try:
        if command == "migrate":
            await wait_until(lambda: says("The database is already at revision"), what="it is migrated")
            await wait_until(lambda: not process.alive, what="it has ended")
        elif command == "api":
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{environment['PORT']}") as client:
                await wait_until(lambda: responds(client), what="the API responds", within=STARTS_WITHIN)
        else:

            def checked() -> bool:
                return duetime_in_process("worker", "--check", cwd=tmp_path, environment=environment).returncode == 0

            await wait_until(lambda: asyncio.to_thread(checked), what="the worker works", within=STARTS_WITHIN)
        assert await process.stop() == 0
    finally:
        server.close()
        await proxy.close()


async def test_a_worker_that_waits_for_postgres_can_be_stopped(tmp_path: Path, redis_url: str) -> None:
    """A stop does not have to wait until the command gives up."""
    database_url = f"postgresql://u:p@127.0.0.1:{free_port()}/d"
    process = ServiceProcess(
        "worker", environment={"DATABASE_URL": database_url, "REDIS_URL": redis_url}, cwd=tmp_path, name="worker"
    )
    process.start()
    await wait_until(
        lambda: "action=waiting_for_postgres" in process.log.read_text(), what="it waits", within=STARTS_WITHIN
    )

    assert await process.stop() == 0


def test_the_wait_for_postgres_has_an_end(tmp_path: Path) -> None:
    """The last line is the error, and names what cannot be reached."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        environment = {
            "DATABASE_URL": f"postgresql://u:hidden@127.0.0.1:{port}/d?connect_timeout=1",
            "DUETIME_WAIT_SECONDS": "3",
        }
        result = duetime_in_process("migrate", cwd=tmp_path, environment=environment)

    *waiting, last = result.stderr.splitlines()
    assert result.returncode == 1
    assert len(waiting) == 1
    assert "Waiting for Postgres. action=waiting_for_postgres" in waiting[0]
    assert last.startswith(f"duetime: Postgres at 127.0.0.1:{port}/d cannot be reached (no response)")
    assert "hidden" not in result.stderr


def test_the_variables_of_the_old_service_never_start_an_embedded_database(tmp_path: Path) -> None:
    """Any of them means a server, and the log says which one."""
    for variable, name in (("DB_USER", "task_scheduler"), ("DB_NAME", "other")):
        environment = {variable: "other", "DB_PORT": str(free_port()), "DB_PASSWORD": "hidden", "GIN_MODE": "release"}
        environment |= {"PORT": str(free_port()), "DUETIME_WAIT_SECONDS": "0", "REDIS_URL": "redis://127.0.0.1:1"}
        server = f"localhost:{environment['DB_PORT']}/{name}"
        result = duetime_in_process("up", cwd=tmp_path, environment=environment)

        assert result.returncode == 1
        assert f"server={server}" in result.stderr
        assert result.stderr.count("GIN_MODE") == 1
        assert f"duetime: Postgres at {server} cannot be reached" in result.stderr
        assert "hidden" not in result.stderr
        assert not list(tmp_path.iterdir())


async def test_the_start_names_parameters_that_it_does_not_use(
    tmp_path: Path, database: DatabaseSettings, redis_url: str
) -> None:
    """What libpq takes is no reason to refuse the connection, and the requirement that is not met is said."""
    environment = {
        "PORT": str(free_port()),
        "DATABASE_URL": f"{database.database_url}&channel_binding=require&connect_timeout=10",
        "REDIS_URL": redis_url,
        "DB_HOST": "elsewhere",
        "GIN_MODE": "release",
    }
    async with (
        running("api", environment=environment, cwd=tmp_path) as [api],
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{environment['PORT']}") as client,
    ):
        await wait_until(lambda: responds(client), what="the API responds", within=STARTS_WITHIN)
    text = api.log.read_text()
    assert "action=parameters_unused parameters=channel_binding\n" in text
    assert text.count("GIN_MODE") == 1
    assert "action=database_url_preferred not_used=DB_HOST" in text
