"""The access log, and the log of slow statements."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from db.settings import DatabaseSettings
from duetime.logs import with_request_id
from graphql_api.settings import ApiSettings
from jobs.settings import JobsSettings
from tests.support.graphql import Api, serving
from tests.support.logs import logged
from tests.support.waiting import wait_until


@pytest.fixture
async def api(
    database: DatabaseSettings, jobs_settings: JobsSettings, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Api]:
    """Run an API that logs requests, and statements that take longer than 100 ms."""
    caplog.set_level(logging.INFO)
    slow = database.model_copy(update={"slow_statement_ms": 100})
    async with serving(slow, jobs_settings, settings=ApiSettings(access_log=True, auth="keys")) as running:
        yield running


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields that do not differ from one time to another."""
    return {name: vars(record)[name] for name in ("method", "path", "status", "client")}


async def test_every_request_is_a_line(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Refusals by status, host and key, pages, and WebSockets count as well; nothing secret is in a line."""
    await api.http.get("/health/live?secret=s3cret")
    await api.http.post("/graphql", json={"query": "{ __typename }"}, headers={"Authorization": "Bearer s3cret"})
    await api.http.get("/api/v1/nothing", headers={"Origin": "http://elsewhere.example"})
    async with api.socket(begun=False):
        pass
    await wait_until(lambda: len(logged(caplog, "request")) == 4, what="all have been logged")
    lines = logged(caplog, "request")

    assert [fields(line) for line in lines] == [
        {"method": "GET", "path": "/health/live", "status": 200, "client": "127.0.0.1"},
        {"method": "POST", "path": "/graphql", "status": 401, "client": "127.0.0.1"},
        {"method": "GET", "path": "/api/v1/nothing", "status": 403, "client": "127.0.0.1"},
        {"method": "GET", "path": "/graphql", "status": 101, "client": "127.0.0.1"},
    ]
    assert all(vars(line)["ms"] >= 0 for line in lines)
    assert [vars(line)["bytes"] > 0 for line in lines] == [True, True, True, False]
    assert "s3cret" not in str([vars(line) for line in lines])


async def test_a_line_has_the_id_of_its_request(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """It is the one that the client has sent, so that a line can be found again."""
    caplog.handler.addFilter(with_request_id)
    await api.http.get("/health/live", headers={"X-Request-ID": "of-the-client"})
    await wait_until(lambda: logged(caplog, "request"), what="the request has been logged")
    assert vars(logged(caplog, "request")[0])["request_id"] == "of-the-client"


async def test_a_slow_statement_is_a_line(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """It has the statement in one line, how long it took, and none of its parameters."""
    async with api.services.engine.connect() as connection:
        await connection.execute(
            text("SELECT pg_sleep(:seconds),\n  'a' || :value"), {"seconds": 0.15, "value": "s3cret"}
        )
        await connection.execute(text("SELECT 1"))
    [line] = [line for line in logged(caplog, "slow_statement") if "pg_sleep" in vars(line)["statement"]]

    assert vars(line)["ms"] >= 150
    assert vars(line)["statement"].startswith("SELECT pg_sleep($1")
    assert "\n" not in vars(line)["statement"]
    assert "s3cret" not in str(vars(line))
