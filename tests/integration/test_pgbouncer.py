"""Duetime behind a real PgBouncer, under load, in both modes."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from db.connection import autocommit, open_engine
from db.connection_strings import Pooler, parse_database_url
from db.settings import DatabaseSettings
from duetime import doctor
from duetime.preflight import migrate_database
from graphql_api.settings import ApiSettings
from jobs.security.encryption import SecretKeys
from jobs.settings import JobsSettings
from tests.support.pgbouncer import CONSOLE, PROGRAM, PgBouncer, running_pgbouncer
from tests.support.ports import free_port
from tests.support.processes import ServiceProcess
from tests.support.servers import Servers
from tests.support.target import Target
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(
    PROGRAM is None or CONSOLE is None,
    reason="there is no PgBouncer here (on Debian: apt-get install pgbouncer postgresql-client)",
)
MODES: list[Pooler] = ["session", "transaction"]
SIZES = {"session": 40, "transaction": 3}
"""Sessions keep a connection each; transactions have to share them, which is what this is about."""
TASKS = 40
STARTS_WITHIN = 60


@pytest.fixture(params=MODES)
def pgbouncer(request: pytest.FixtureRequest, servers: Servers) -> Iterator[PgBouncer]:
    """Run a PgBouncer in each mode, in front of an empty database."""
    mode: str = request.param
    with servers.empty_database() as database:
        url = parse_database_url(str(database.database_url))
        with running_pgbouncer(url, mode=mode, size=SIZES[mode]) as pgbouncer:
            yield pgbouncer


async def test_api_and_worker_under_load(
    pgbouncer: PgBouncer, request: pytest.FixtureRequest, tmp_path: Path, redis_url: str, target: Target
) -> None:
    """Each task runs once while clients read, and transactions share a few connections of the server."""
    mode = request.node.callspec.params["pgbouncer"]
    environment = {
        "DATABASE_URL": pgbouncer.url,
        "DATABASE_POOLER": mode,
        "REDIS_URL": redis_url,
        "PORT": str(free_port()),
    }
    through = DatabaseSettings.model_construct(database_url=pgbouncer.url, database_pooler=mode)
    await migrate_database(through, secrets=SecretKeys())
    processes = [
        ServiceProcess(command, environment=environment, cwd=tmp_path, name=f"{command}-{number}")
        for number, command in enumerate(("api", "worker"))
    ]
    for process in processes:
        process.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{environment['PORT']}", timeout=30) as client:

        async def workers() -> bool:
            assert all(process.alive for process in processes), [process.log_tail() for process in processes]
            try:
                health = await client.get("/health")
            except httpx.TransportError:
                return False
            return health.status_code == 200 and health.json()["workers"] == 1

        await wait_until(workers, what="the API and the worker are ready", within=STARTS_WITHIN)
        start = datetime.now(UTC) + timedelta(seconds=3)

        async def create(number: int) -> None:
            trigger = {"type": "one-off", "datetime": (start + timedelta(milliseconds=20 * number)).isoformat()}
            body = {
                "name": f"{number}",
                "trigger": trigger,
                "action": {"method": "GET", "url": f"{target.url}/{number}"},
            }
            created = await client.post("/api/v1/tasks", json=body)
            assert created.status_code == 201, created.text

        pools: list[dict[str, int]] = []

        async def total() -> int:
            answers = await asyncio.gather(*(client.get("/api/v1/results?limit=10") for _ in range(6)))
            pools.append(await pgbouncer.pool())
            assert {answer.status_code for answer in answers} == {200}
            return int(answers[0].json()["pagination"]["total"])

        await asyncio.gather(*(create(number) for number in range(TASKS)))
        await wait_until(lambda: datetime.now(UTC) > start, what="the first task is due")

        async def done() -> bool:
            return await total() == TASKS

        await wait_until(done, what="all tasks have run", within=STARTS_WITHIN)
    statuses = [await process.stop() for process in processes]
    logs = "\n".join(process.log.read_text() for process in processes)
    assert statuses == [0, 0], logs
    assert sorted(call.path for call in target.calls) == sorted(f"/{number}" for number in range(TASKS))
    for complaint in ("prepared statement", "does not exist", "already exists", "unsupported startup parameter"):
        assert complaint not in logs + pgbouncer.log.read_text()
    clients = max(pool["cl_active"] + pool["cl_waiting"] for pool in pools)
    connections = max(pool["sv_active"] + pool["sv_idle"] + pool["sv_used"] for pool in pools)
    assert connections <= SIZES[mode]
    if mode == "transaction":
        assert clients > connections, pools


async def test_the_doctor_sees_how_connections_are_shared(pgbouncer: PgBouncer, request: pytest.FixtureRequest) -> None:
    """It compares that with the setting, which may say too much but not too little."""
    mode: Pooler = request.node.callspec.params["pgbouncer"]
    found = {}
    for said in MODES:
        settings = DatabaseSettings.model_construct(database_url=pgbouncer.url, database_pooler=said)
        findings = doctor.of_postgres(settings, JobsSettings.model_construct(), ApiSettings.model_construct())
        found[said] = {finding.check: finding async for finding in findings}["pooler"]
    assert found["session"].status == ("ok" if mode == "session" else "error")
    assert found["transaction"].status == "ok"
    assert found["session"].advice == ("" if mode == "session" else "set DATABASE_POOLER=transaction")


async def test_every_transaction_has_the_settings(pgbouncer: PgBouncer, request: pytest.FixtureRequest) -> None:
    """They end with the transaction, so that nothing stays in a connection that others use."""
    mode: Pooler = request.node.callspec.params["pgbouncer"]
    names = ("jit", "statement_timeout", "idle_in_transaction_session_timeout", "timezone")
    expected = ("off", "30s", "5s", "UTC")
    read = text("SELECT " + ", ".join(f"current_setting('{name}')" for name in names))
    engine = open_engine(parse_database_url(pgbouncer.url), pool_size=5, application_name="duetime test", pooler=mode)
    try:

        async def settings(connections: int) -> set[tuple[str, ...]]:
            async def one() -> tuple[str, ...]:
                async with engine.connect() as connection:
                    return tuple((await connection.execute(read)).one())

            return set(await asyncio.gather(*(one() for _ in range(connections))))

        assert await settings(20) == {expected}
        async with autocommit(engine).connect() as connection:
            alone = tuple((await connection.execute(read)).one())
            statements = await connection.execute(text("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"))
            left = statements.scalar_one()
        if mode == "transaction":
            assert alone[1:3] == ("0", "0")
            assert left == 0
        else:
            assert alone == expected
    finally:
        await engine.dispose()


async def test_migrations_use_their_own_url(database: DatabaseSettings) -> None:
    """It leads past the pooler, which is not needed for a migration."""
    closed = parse_database_url(str(database.database_url)).set(drivername="postgresql", port=free_port())
    direct = DatabaseSettings.model_construct(
        database_url=closed.render_as_string(hide_password=False),
        migrate_database_url=database.database_url,
        database_pooler="transaction",
        wait_seconds=0,
    )

    before, after = await migrate_database(direct, secrets=SecretKeys())

    assert before == after
