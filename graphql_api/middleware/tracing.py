"""Traces HTTP requests. Only imported while tracing is on.

A request with the header `traceparent` continues that trace.
"""

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobs.trace_context import current_traceparent
from jobs.tracing import context_of, traceparent_of


class TracingMiddleware:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, tracer: Tracer) -> None:
        self.app = app
        self.tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on within a span. What it creates remembers the span, if that is sampled."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with self.tracer.start_as_current_span(
            scope["method"],
            context=context_of(Headers(scope=scope).get("traceparent")),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": scope["method"],
                "url.path": scope["path"],
                "url.scheme": scope["scheme"],
            },
        ) as span:

            async def noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    note_status(span, message["status"])
                await send(message)

            token = current_traceparent.set(traceparent_of(span) if span.is_recording() else None)
            try:
                await self.app(scope, receive, noted)
            finally:
                current_traceparent.reset(token)
                if (route := route_of(scope)) is not None:
                    span.update_name(f"{scope['method']} {route}")
                    span.set_attribute("http.route", route)


def note_status(span: Span, status: int) -> None:
    """Note the status of the response; an error that the client caused is not an error of the server."""
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))


def route_of(scope: Scope) -> str | None:
    """Return the path with the names of its parameters, or None where no route has been found."""
    if "endpoint" not in scope:
        return None
    values = {str(value): name for name, value in scope.get("path_params", {}).items()}
    return "/".join(f"{{{values[part]}}}" if part in values else part for part in scope["path"].split("/"))
