"""`duetime doctor`: what it finds in a set-up, and what it advises."""

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.models import utc_now
from db.reads import inspection
from db.reads.inspection import Server
from db.settings import DatabaseSettings
from duetime import doctor
from duetime.doctor import Finding
from duetime.settings import DuetimeSettings
from graphql_api.settings import ApiSettings
from jobs.clock import Clock
from jobs.engine.lease import Lease
from jobs.maintenance.partitions import create_partitions
from jobs.settings import JobsSettings
from tests.support.command import duetime_in_process
from tests.support.engine import one_off, save
from tests.support.graphql import serving
from tests.support.keys import make_key
from tests.support.ports import free_port
from tests.support.target import CannedResponse, Target

DAY = timedelta(days=1)


@pytest.fixture
def api_settings() -> Iterator[ApiSettings]:
    """Yield the settings of an API that does not run. Nothing else can listen on its port meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield ApiSettings.model_construct(port=taken.getsockname()[1])


async def examined(
    database: DatabaseSettings, jobs: JobsSettings, api: ApiSettings, settings: DuetimeSettings | None = None
) -> dict[str, Finding]:
    """Return the findings by the names of their checks."""
    settings = settings or DuetimeSettings.model_construct()
    return {finding.check: finding async for finding in doctor.examine(settings, database, jobs, api)}


def statuses(findings: dict[str, Finding]) -> dict[str, str]:
    """Return what is not as it should be, by the names of the checks."""
    return {check: finding.status for check, finding in findings.items() if finding.status != "ok"}


async def test_a_set_up_with_nothing_wrong(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine
) -> None:
    """With a worker and an API there is nothing to be done; the servers of the tests are quick, and not durable."""
    async with serving(database, jobs_settings) as api:
        host, port = api.url.removeprefix("http://").split(":")
        await Lease(engine=engine, clock=Clock(), slots=10).renew()
        await create_partitions(engine, Clock())
        findings = await examined(database, jobs_settings, ApiSettings.model_construct(host=host, port=int(port)))

    assert set(statuses(findings)) <= {"durability", "redis", "network"}
    assert findings["postgres"].found.endswith(" MiB")
    assert findings["workers"].found == "1 alive"
    assert findings["keys"].found == "not required; 0 valid"
    assert findings["api"].found == f"answers at {api.url}"


async def test_what_is_wrong_in_the_tables(
    database: DatabaseSettings, jobs_settings: JobsSettings, api_settings: ApiSettings, engine: AsyncEngine
) -> None:
    """Each finding says what to do."""
    now = utc_now()
    await make_key(engine, "ends soon", expires_at=now + 2 * DAY)
    await make_key(engine, "ends late", expires_at=now + 200 * DAY)
    task = one_off("http://localhost/", now - 3 * DAY, headers={"Authorization": {"sealed": "x"}})
    await save(engine, task)
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO zone_rules (version) VALUES ('1999a')"))
    findings = await examined(database, jobs_settings, api_settings)

    assert {check: findings[check].status for check in ("workers", "lateness", "secrets", "keys", "api")} == {
        "workers": "error",
        "lateness": "warning",
        "secrets": "error",
        "keys": "warning",
        "api": "warning",
    }
    assert "DUETIME_SECRET_KEY is not set here" in findings["secrets"].found
    assert findings["keys"].found.startswith("the key 'ends soon' ends at ")
    assert "1999a" in findings["time zones"].found
    assert all(finding.advice for finding in findings.values() if finding.status != "ok")


async def test_keys_that_are_missing(
    database: DatabaseSettings, jobs_settings: JobsSettings, api_settings: ApiSettings
) -> None:
    """An API that requires a key is of no use without one."""
    required = api_settings.model_copy(update={"auth": "keys"})
    assert (await examined(database, jobs_settings, required))["keys"].status == "error"


async def test_a_database_that_was_not_migrated(
    empty_database: DatabaseSettings, jobs_settings: JobsSettings, api_settings: ApiSettings
) -> None:
    """Nothing is read from tables that may not be there."""
    findings = await examined(empty_database, jobs_settings, api_settings)
    assert findings["migrations"].status == "error"
    assert "duetime migrate" in findings["migrations"].advice
    assert "workers" not in findings


async def test_servers_that_are_away(api_settings: ApiSettings, tmp_path: Path) -> None:
    """Each of them is a finding, and the passwords are in none."""
    database = DatabaseSettings.model_construct(database_url=f"postgresql://u:s3cret@127.0.0.1:{free_port()}/d")
    jobs = JobsSettings.model_construct(redis_url=f"redis://:s3cret@127.0.0.1:{free_port()}/0")
    findings = await examined(database, jobs, api_settings)
    assert statuses(findings) == {"postgres": "error", "redis": "error", "api": "warning"}
    assert "s3cret" not in str(findings)
    no_server = DuetimeSettings.model_construct(data_dir=tmp_path / "nothing")
    findings = await examined(
        DatabaseSettings.model_construct(), JobsSettings.model_construct(), api_settings, no_server
    )
    assert findings["postgres"].advice.endswith("duetime up")


@pytest.mark.parametrize(
    ("changes", "check", "status"),
    [
        ({"number": 130_004}, "postgres", "error"),
        ({"is_standby": True}, "postgres", "error"),
        ({"is_durable": False}, "durability", "error"),
        ({"cleans_up": False}, "autovacuum", "error"),
        ({"connections": 95}, "connections", "warning"),
        ({}, "postgres", "ok"),
    ],
)
def test_servers(changes: dict[str, Any], check: str, status: str) -> None:
    """What a server says of itself is judged."""
    server = Server(
        version="18.1", number=180_001, now=utc_now(), is_standby=False, is_durable=True, cleans_up=True,
        most_connections=100, connections=5, size=10**8,
    )._replace(**changes)  # fmt: skip
    findings = {each.check: each for each in doctor.of_server(server, "18.1 at db", clock_ahead=timedelta())}
    assert findings[check].status == status
    [late] = [
        each
        for each in doctor.of_server(server, "18.1 at db", clock_ahead=timedelta(seconds=-2))
        if each.check == "clock"
    ]
    assert late.found.startswith("Postgres's clock is -2.0 s from this machine's")


async def test_what_postgres_would_rarely_say(
    database: DatabaseSettings, jobs_settings: JobsSettings, api_settings: ApiSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is far away, behind a pooler, or whose tables are not cleaned up, is told with what to do."""

    def answers(name: str, *, answer: object) -> None:
        async def answered(*_: object, **__: object) -> object:
            return answer

        monkeypatch.setattr(inspection, name, answered)

    answers("round_trip", answer=timedelta(milliseconds=9))
    answers("shares_connections_by_transaction", answer=True)
    answers("bloated_tables", answer=["tasks"])
    findings = await examined(database, jobs_settings, api_settings)
    expected = {
        "network": "Postgres answers in 9.0 ms",
        "pooler": "each transaction gets another session",
        "bloat": "more dead rows than live ones: tasks",
    }
    assert {check: findings[check].found for check in expected} == expected
    assert all(findings[check].advice for check in expected)
    said = database.model_copy(update={"database_pooler": "transaction"})
    assert (await examined(said, jobs_settings, api_settings))["pooler"].status == "ok"


async def test_the_database_of_a_data_folder(
    database: DatabaseSettings, jobs_settings: JobsSettings, api_settings: ApiSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a URL, the Postgres that runs on the data folder is examined."""
    url = str(database.database_url)
    monkeypatch.setattr(doctor, "running_database", lambda _: (url, url))
    findings = await examined(DatabaseSettings.model_construct(), jobs_settings, api_settings)
    assert findings["migrations"].status == "ok"


async def test_another_program_on_the_port(target: Target) -> None:
    """Whatever answers there is not the API."""
    target.responds("/health/live", CannedResponse(status=404))
    host, port = target.url.removeprefix("http://").split(":")
    api = ApiSettings.model_construct(host=host, port=int(port))
    finding = await asyncio.to_thread(doctor.of_api, api)
    assert (finding.status, finding.advice) == ("warning", "another program may be listening there")
    assert finding.found == f"{target.url}/health/live answers 404"


async def test_days_without_a_partition(
    database: DatabaseSettings, jobs_settings: JobsSettings, api_settings: ApiSettings, engine: AsyncEngine
) -> None:
    """The worker should have made them; without one they are no surprise."""
    async with engine.begin() as connection:
        for day in range(4):
            await connection.execute(text(f"DROP TABLE IF EXISTS task_results_{utc_now() + day * DAY:%Y%m%d}"))
    assert (await examined(database, jobs_settings, api_settings))["partitions"].status == "ok"
    await Lease(engine=engine, clock=Clock(), slots=10).renew()
    assert (await examined(database, jobs_settings, api_settings))["partitions"].status == "warning"


async def test_tables_that_refuse(
    database: DatabaseSettings, jobs_settings: JobsSettings, api_settings: ApiSettings, engine: AsyncEngine
) -> None:
    """A server that answers is not told to be away."""
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE workers RENAME TO labourers"))
    finding = (await examined(database, jobs_settings, api_settings))["postgres"]
    assert finding.status == "error"
    assert finding.found == 'it refuses to be checked (relation "workers" does not exist)'


def test_variables() -> None:
    """A name that no setting has is told, with the one that it resembles."""
    finding = doctor.variables({"DUETIME_TARGET_ALLOWED": "x", "DUETIME_XYZ": "x", "DUETIME_SLOTS": "5", "OTHER": ""})
    assert finding.status == "warning"
    assert finding.found.endswith("DUETIME_TARGET_ALLOWED (did you mean DUETIME_TARGETS_ALLOWED?), DUETIME_XYZ")
    assert doctor.variables({"DUETIME_SLOTS": "5", "DUETIME_LISTENER": "3"}).status == "ok"


async def test_redis(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that expire must be what is evicted, and some versions are too old."""
    with Redis.from_url(redis_url) as client:
        before = {name: client.config_get(name)[name] for name in ("maxmemory", "maxmemory-policy")}
        try:
            for memory, policy, status in (
                ("0", "noeviction", "warning"),
                ("100mb", "allkeys-lru", "warning"),
                ("100mb", "volatile-lru", "ok"),
            ):
                client.config_set("maxmemory", memory)
                client.config_set("maxmemory-policy", policy)
                assert (await doctor.of_redis(redis_url)).status == status
            monkeypatch.setattr(doctor, "OLDEST_REDIS", (999, 1))
            assert (await doctor.of_redis(redis_url)).advice == "use Redis 999.1 or newer, or Valkey"
        finally:
            for name, value in before.items():
                client.config_set(name, value)


def test_the_command(database: DatabaseSettings, redis_url: str, tmp_path: Path) -> None:
    """Its exit status says whether something does not work; the table is for people, and JSON for programs."""
    environment = {"DATABASE_URL": str(database.database_url), "REDIS_URL": redis_url, "PORT": str(free_port())}
    (tmp_path / ".env").write_text("DUETIME_SLOT=5\n")
    result = duetime_in_process("doctor", cwd=tmp_path, environment=environment)
    assert (result.returncode, result.stderr) == (1, "")
    assert "(did you mean DUETIME_SLOTS?)" in result.stdout
    assert re.search(
        r"^error +workers +no worker renewed its lease recently\n +→ start one", result.stdout, re.MULTILINE
    )
    result = duetime_in_process("doctor", "--json", cwd=tmp_path, environment=environment)
    found = json.loads(result.stdout)
    assert (result.returncode, found["status"]) == (1, "error")
    assert {check["check"]: check["status"] for check in found["checks"]}["migrations"] == "ok"
