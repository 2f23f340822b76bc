"""Traces by OpenTelemetry: from the request to the API, over the run, to the outgoing call. Off, they cost nothing."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from db.settings import DatabaseSettings
from jobs.settings import JobsSettings
from jobs.tracing_settings import TracingSettings, export_dotenv
from tests.support.command import duetime_in_process
from tests.support.engine import working
from tests.support.graphql import serving
from tests.support.otlp import Receiver, receiving
from tests.support.ports import free_port
from tests.support.processes import ServiceProcess
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CREATE = "mutation ($input: CreateTaskInput!) { createTask(input: $input) { ... on Task { id } } }"
RUN = "mutation ($id: ID!) { runTask(id: $id) { ... on Run { id } } }"


@asynccontextmanager
async def processes(
    database: DatabaseSettings, redis_url: str, folder: Path, environment: Mapping[str, str]
) -> AsyncIterator[httpx.AsyncClient]:
    """Run an API and a worker with further variables, and yield a client of the API."""
    port = free_port()
    shared = {
        "DATABASE_URL": str(database.database_url),
        "REDIS_URL": redis_url,
        "PORT": str(port),
        "DUETIME_AUTH": "off",
        **environment,
    }
    started = [ServiceProcess(command, environment=shared, cwd=folder, name=command) for command in ("api", "worker")]
    for process in started:
        process.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:

            async def ready() -> bool:
                assert all(process.alive for process in started), [process.log_tail() for process in started]
                try:
                    return bool((await http.get("/health")).json()["workers"])
                except httpx.TransportError:
                    return False

            await wait_until(ready, what="the API and the worker are ready", within=40)
            yield http
    finally:
        for process in started:
            await process.stop()


async def ask(http: httpx.AsyncClient, query: str, **variables: Any) -> Any:
    """Execute an operation within a trace of the client, and return the value of its one field."""
    answer = await http.post("/graphql", json={"query": query, "variables": variables}, headers={"traceparent": CALLER})
    [value] = answer.json()["data"].values()
    return value


def received(receiver: Receiver, target: Target) -> bool:
    """Return whether the spans of all calls have arrived."""
    return len(target.calls) >= 4 and len(receiver.named("attempt")) == len(receiver.named("POST")) == 4


async def create_tasks(http: httpx.AsyncClient, *, asked: str, due: str, own: str) -> None:
    """Create tasks that call these URLs: one whose run is asked for, and which is read by REST, and two that are due
    soon, the last of which sends a trace of its own.
    """
    action = {"method": "POST", "timeoutMs": 5_000}
    task = await ask(
        http,
        CREATE,
        input={
            "name": "asked",
            "trigger": {"oneOff": {"at": "2999-01-01T00:00:00Z"}},
            "action": {**action, "url": f"{asked}?secret=s3"},
            "retry": {"maxAttempts": 2, "initialDelayMs": 10},
        },
    )
    await ask(http, RUN, id=task["id"])
    soon = {"oneOff": {"delayMs": 200}}
    for name, url, headers in (("due", due, []), ("own", own, [{"name": "traceparent", "value": CALLER}])):
        given = {"name": name, "trigger": soon, "action": {**action, "url": url, "headers": headers}}
        await ask(http, CREATE, input=given)
    await http.get(f"/api/v1/tasks/{task['id']}")


async def test_a_trace_leads_from_the_request_over_the_run_to_the_call(
    database: DatabaseSettings, jobs_settings: JobsSettings, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was asked for goes on with the trace of its request; a scheduled one links to its task's creation."""
    # On a busy machine, an attempt that waited no longer would begin without the trace that it belongs to.
    monkeypatch.setattr("jobs.engine.traced.LOOK_UP_WITHIN", 30)
    asked = target.responds("/asked", CannedResponse(status=500), CannedResponse())
    due = target.responds("/due", CannedResponse())
    own = target.responds("/own", CannedResponse())
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "calls")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        tracing = TracingSettings()
        async with (
            serving(database, jobs_settings, tracing=tracing) as api,
            working(database, jobs_settings, tracing=tracing),
        ):
            await create_tasks(api.http, asked=asked, due=due, own=own)
            await wait_until(lambda: received(receiver, target), what="all spans have arrived")
            await wait_until(lambda: receiver.named("GET /api/v1/tasks/{id}"), what="the request by REST has arrived")
    requests = receiver.named("POST /graphql")
    assert len(requests) == 4
    assert {(span.trace_id, span.parent_id) for span in requests} == {(CALLER.split("-")[1], CALLER.split("-")[2])}
    assert all(span.attributes["http.response.status_code"] == 200 for span in requests)
    attempts = {
        (span.attributes["duetime.task.name"], span.attributes["duetime.attempt"]): span
        for span in receiver.named("attempt")
    }
    calls = {span.parent_id: span for span in receiver.named("POST")}
    creations, ran = {span.span_id for span in requests}, set()
    for number in (1, 2):
        span = attempts["asked", number]
        assert span.trace_id == CALLER.split("-")[1]
        assert span.links == []
        assert calls[span.span_id].trace_id == span.trace_id
        ran.add(span.parent_id)
    assert len(ran) == 1
    assert ran < creations
    assert attempts["asked", 1].is_error
    assert calls[attempts["asked", 1].span_id].attributes["http.response.status_code"] == 500
    assert not attempts["asked", 2].is_error
    assert attempts["asked", 2].attributes["duetime.run.state"] == "succeeded"
    scheduled = attempts["due", 1]
    assert scheduled.trace_id != CALLER.split("-")[1]
    assert scheduled.parent_id == ""
    [link] = scheduled.links
    assert link.split("-")[0] == CALLER.split("-")[1]
    assert link.split("-")[1] in creations - ran
    call = calls[scheduled.span_id]
    assert call.attributes["server.address"] == "127.0.0.1"
    assert target.calls_of("/due")[0].headers["traceparent"].startswith(f"00-{call.trace_id}-{call.span_id}-0")
    # A header that the task sets goes out as it is.
    assert target.calls_of("/own")[0].headers["traceparent"] == CALLER
    assert {span.service["service.name"] for span in receiver.spans} == {"calls"}
    assert {span.service["service.instance.id"].split("-")[0] for span in receiver.spans} == {"api", "worker"}
    assert "s3" not in json.dumps(receiver.spans)


@pytest.mark.parametrize(
    "variables",
    [
        # Python lists the imports only of processes that are not forked.
        pytest.param({"PYTHONPROFILEIMPORTTIME": "1"}, id="off"),
        pytest.param({"OTEL_TRACES_EXPORTER": "console"}, id="console"),
    ],
)
async def test_the_library_is_imported_where_tracing_is_on(
    database: DatabaseSettings, redis_url: str, target: Target, tmp_path: Path, variables: dict[str, str]
) -> None:
    """Otherwise neither the API nor the worker loads it, and a trace of the client is not stored and does not go on."""
    is_on = "OTEL_TRACES_EXPORTER" in variables
    async with processes(database, redis_url, tmp_path, variables) as http:
        action = {"url": target.url}
        await ask(http, CREATE, input={"name": "a", "trigger": {"oneOff": {"delayMs": 100}}, "action": action})
        await wait_until(lambda: target.calls, what="the call is made")
    assert ("traceparent" in target.calls[0].headers) == is_on
    for command, module, span in (("api", "graphql_api.app", "POST /graphql"), ("worker", "jobs.worker", "attempt")):
        log = (tmp_path / f"{command}.log").read_text("utf-8")
        assert (module in log) == (not is_on)
        assert ("opentelemetry" in log) == (f'"name": "{span}"' in log) == is_on


def test_where_traces_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the endpoint, unless the variables switch it off."""
    assert TracingSettings().exporter is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1/v1/traces")
    assert TracingSettings().exporter == "otlp"
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    assert TracingSettings().exporter is None
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert TracingSettings().exporter is None


def test_variables_of_the_library_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They reach the library, which reads the environment alone, and do not replace what is set there."""
    (tmp_path / ".env").write_text("OTEL_EXPORTER_OTLP_HEADERS=a=b\nOTEL_SERVICE_NAME=file\nPORT=1\nOTEL_EMPTY=\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "own")
    with patch.dict(os.environ):
        export_dotenv()
        found = {name: value for name, value in os.environ.items() if name.startswith(("OTEL_", "PORT"))}
    assert found == {"OTEL_EXPORTER_OTLP_HEADERS": "a=b", "OTEL_SERVICE_NAME": "own"}


def test_wrong_variables_say_what_would_be_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown protocol or exporter is refused at the start, and so are traces without the optional library."""
    for variables, message in (
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc: must be http/protobuf"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER=zipkin: must be otlp, console or none"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT: must be an address such as"),
    ):
        ended = duetime_in_process("worker", cwd=tmp_path, environment=variables)
        assert ended.returncode == 1
        assert message in ended.stderr
    monkeypatch.setattr("duetime.settings.find_spec", lambda _: None)
    ended = duetime_in_process("worker", cwd=tmp_path, environment={"OTEL_TRACES_EXPORTER": "console"})
    assert ended.returncode == 1
    assert "install duetime[otel]" in ended.stderr
