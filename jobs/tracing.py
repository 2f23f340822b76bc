"""Sends traces by OpenTelemetry. Only imported while tracing is on, because the library is optional."""

import asyncio
from importlib.metadata import version
from typing import Literal
from uuid import UUID

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from opentelemetry.trace import Span, SpanContext, Tracer, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from db.process_reports import process_name
from jobs.tracing_settings import TracingSettings, export_dotenv

PROPAGATOR = TraceContextTextMapPropagator()


class Tracing:
    """Makes the spans of one process, and sends them in the background. Its owner closes it."""

    def __init__(self, kind: Literal["api", "worker"], *, process_id: UUID, settings: TracingSettings) -> None:
        export_dotenv()
        self._provider = TracerProvider(
            resource=Resource.create(
                {
                    "service.name": settings.service_name,
                    "service.version": version("duetime"),
                    "service.instance.id": process_name(kind, process_id),
                }
            ),
            shutdown_on_exit=False,
        )
        exporter = ConsoleSpanExporter() if settings.exporter == "console" else OTLPSpanExporter()
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self.tracer: Tracer = self._provider.get_tracer("duetime", version("duetime"))

    async def close(self) -> None:
        """Send the last spans."""
        await asyncio.to_thread(self._provider.shutdown)


def context_of(traceparent: str | None) -> Context:
    """Return the context of a remote span, or an empty one where there is none or the header is malformed."""
    return PROPAGATOR.extract({} if traceparent is None else {"traceparent": traceparent}, context=Context())


def remote_span(traceparent: str) -> SpanContext:
    """Return what links to a remote span."""
    return get_current_span(context_of(traceparent)).get_span_context()


def traceparent_of(span: Span) -> str:
    """Return the header that continues a span."""
    carrier: dict[str, str] = {}
    PROPAGATOR.inject(carrier, context=set_span_in_context(span))
    return carrier["traceparent"]
