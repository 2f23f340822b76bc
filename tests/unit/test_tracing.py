"""Spans of requests and calls, kept in memory."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer
from starlette.types import Message, Receive, Scope, Send

from graphql_api.middleware.tracing import TracingMiddleware
from jobs.engine.traced import TracedCaller
from jobs.http.body import NO_CONTENT
from jobs.http.client import Response
from jobs.http.request import Action
from jobs.trace_context import current_traceparent

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def spans() -> InMemorySpanExporter:
    """Return what keeps the spans."""
    return InMemorySpanExporter()


@pytest.fixture
def tracer(spans: InMemorySpanExporter) -> Iterator[Tracer]:
    """Yield a tracer whose spans are kept."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    yield provider.get_tracer("tests")
    provider.shutdown()


class App:
    """An application that answers with a status, from a route if it is given its path parameters."""

    def __init__(self, status: int, **parameters: str) -> None:
        self.status = status
        self.parameters = parameters
        self.traceparents: list[str | None] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        self.traceparents.append(current_traceparent.get())
        if scope["type"] != "http":
            return
        if self.parameters:
            scope.update(endpoint=self, path_params=self.parameters)
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def request(app: TracingMiddleware, path: str, *, kind: str = "http") -> list[Message]:
    """Make a request, and return what was sent."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError

    scope = {"type": kind, "method": "GET", "path": path, "scheme": "http", "headers": []}
    await app(scope, receive, send)
    return sent


async def test_requests(tracer: Tracer, spans: InMemorySpanExporter) -> None:
    """A span has the route if one was found, and is an error if the server failed. What is no request has none."""
    found, missing = App(503, id="7"), App(404)
    assert [message["type"] for message in await request(TracingMiddleware(found, tracer=tracer), "/tasks/7")] == [
        "http.response.start",
        "http.response.body",
    ]
    await request(TracingMiddleware(missing, tracer=tracer), "/nothing")
    await request(TracingMiddleware(missing, tracer=tracer), "/", kind="lifespan")
    shown = [(span.name, span.status.is_ok or span.status.is_unset) for span in spans.get_finished_spans()]
    assert shown == [("GET /tasks/{id}", False), ("GET", True)]
    [own] = found.traceparents
    assert own is not None
    assert own.startswith("00-")
    assert missing.traceparents[1] is None


class Caller:
    """Makes calls that end as the test says."""

    def __init__(self, status_code: int | None, error: str | None) -> None:
        self.response = Response(started_at=NOW, duration=timedelta(), status_code=status_code, error=error)
        self.headers: Mapping[str, str] = {}

    async def call(self, action: Action, *, headers: Mapping[str, str]) -> Response:
        """Return the response."""
        self.headers = headers
        return self.response


@pytest.mark.parametrize(("status", "is_ok"), [(200, True), (404, False), (None, False)])
async def test_calls(status: int | None, is_ok: bool, tracer: Tracer, spans: InMemorySpanExporter) -> None:  # noqa: FBT001
    """A span has the status, and is an error without a success. The call carries it on."""
    caller = Caller(status, None if is_ok else "no success")
    action = Action("GET", "https://host.example/secret?key=1", {}, NO_CONTENT, timedelta(seconds=1), 0)
    await TracedCaller(tracer, caller).call(action, headers={"X": "1"})
    [span] = spans.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes.get("http.response.status_code") == status
    assert (span.attributes["server.address"], span.attributes["server.port"]) == ("host.example", 443)
    assert "secret" not in str(span.attributes)
    assert span.status.is_unset == is_ok
    assert span.context is not None
    assert f"{span.context.span_id:016x}" in caller.headers["traceparent"]
