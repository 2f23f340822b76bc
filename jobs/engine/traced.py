"""Traces attempts and their calls. Only imported while tracing is on.

The attempt of a run that a request asked for belongs to the trace of that request. Any other one begins a trace, with a
link to the request that created the task.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple
from uuid import UUID

from opentelemetry.trace import Link, SpanKind, Status, StatusCode, Tracer
from sqlalchemy.ext.asyncio import AsyncEngine
from yarl import URL

from db import trace_contexts
from db.connection import CONNECTION_ERRORS, autocommit
from db.engine.finishes import Finish
from db.states import RunState
from jobs.engine.attempt import Caller
from jobs.engine.claimed import Attempt
from jobs.gathering import Gatherer
from jobs.http.client import Response
from jobs.http.request import Action
from jobs.tracing import context_of, remote_span, traceparent_of

LOOK_UP_WITHIN = 0.5
"""Seconds that an attempt waits for its trace before it begins without one."""
LOOKED_UP_AT_ONCE = 100


class Lookup(NamedTuple):
    """An attempt whose trace is requested, and the future for the result."""

    attempt: Attempt
    found: dict[UUID, str]


class TracedAttempts:
    """Makes a span for each attempt of a worker."""

    def __init__(self, tracer: Tracer, *, engine: AsyncEngine) -> None:
        self._tracer = tracer
        self._engine = autocommit(engine)
        self._lookups = Gatherer(self._look_up, most=LOOKED_UP_AT_ONCE)

    @asynccontextmanager
    async def attempt(self, attempt: Attempt) -> AsyncIterator[Callable[[Finish], None]]:
        """Trace an attempt until the block ends. Yield a function that records its outcome."""
        lookup = Lookup(attempt, {})
        try:
            async with asyncio.timeout(LOOK_UP_WITHIN):
                await self._lookups.add(lookup)
        except CONNECTION_ERRORS:
            pass  # The attempt matters more than its trace.
        of_run, of_task = lookup.found.get(attempt.run_id), lookup.found.get(attempt.task_id)
        with self._tracer.start_as_current_span(
            "attempt",
            context=context_of(of_run),
            kind=SpanKind.CONSUMER,
            links=[] if of_run is not None or of_task is None else [Link(remote_span(of_task))],
            attributes={
                "duetime.task.id": str(attempt.task_id),
                "duetime.task.name": attempt.task_name,
                "duetime.run.id": str(attempt.run_id),
                "duetime.run.scheduled_for": attempt.scheduled_for.isoformat(),
                "duetime.attempt": attempt.number,
            },
        ) as span:

            def ended(finish: Finish) -> None:
                span.set_attribute("duetime.run.state", finish.state.value)
                if finish.state is not RunState.SUCCEEDED:
                    span.set_status(Status(StatusCode.ERROR, finish.error_message))

            yield ended

    async def _look_up(self, batch: Sequence[Lookup]) -> None:
        ids = {each for lookup in batch for each in (lookup.attempt.run_id, lookup.attempt.task_id)}
        async with self._engine.connect() as connection:
            found = await trace_contexts.of(connection, ids)
        for lookup in batch:
            lookup.found.update(found)


class TracedCaller:
    """Makes a span for each call, and sends its `traceparent`."""

    def __init__(self, tracer: Tracer, caller: Caller) -> None:
        self._tracer = tracer
        self._caller = caller

    async def call(self, action: Action, *, headers: Mapping[str, str]) -> Response:
        """Make the call and return the response. The URL is not traced, because its path and query may be secret."""
        url = URL(action.url)
        with self._tracer.start_as_current_span(
            action.method,
            kind=SpanKind.CLIENT,
            attributes={
                "http.request.method": action.method,
                "url.scheme": url.scheme,
                "server.address": url.raw_host or "",
                "server.port": url.port or 0,
            },
        ) as span:
            response = await self._caller.call(action, headers={**headers, "traceparent": traceparent_of(span)})
            if response.status_code is not None:
                span.set_attribute("http.response.status_code", response.status_code)
            if response.status_code is None or response.status_code >= 400:
                span.set_status(Status(StatusCode.ERROR, response.error))
            return response
