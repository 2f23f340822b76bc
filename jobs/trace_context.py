"""The trace of the request that is being handled, in the form of the header `traceparent` (W3C Trace Context).

It is set only where tracing is on, so nothing here knows OpenTelemetry.
"""

from contextvars import ContextVar

current_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
