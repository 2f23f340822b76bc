"""Results as server-sent events, by graphql-sse's "distinct connections mode": one operation, one response.

    event: next            for each result, with the result as data
    event: complete        at the end

Errors of the operation itself are sent as a result as well, because browsers do not show the body of a response that is
not a stream. (https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md)

The `id` of an event is its cursor. A browser's EventSource that reconnects sends it back as `Last-Event-ID`.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from graphql_api import cursors
from graphql_api.broadcast import EventResult
from graphql_api.transport.streaming import Format

COMMENT = b":\n\n"
EVENTS = Format(
    content_type=b"text/event-stream; charset=utf-8",
    opening=COMMENT,
    silence=COMMENT,
    end=b"event: complete\ndata:\n\n",
)
"""A stream of events of one operation."""


async def frames(
    results: AsyncGenerator[list[Any], None], *, encode: Callable[[Any], str]
) -> AsyncGenerator[bytes, None]:
    """Yield each result as an event, those that come together in one piece."""
    async with aclosing(results):
        async for together in results:
            yield b"".join([event("next", encode(result), cursor=cursor_of(result)) for result in together])


def cursor_of(result: Any) -> str | None:
    """Return the cursor after which the results that follow this one can be had, if there is one."""
    return cursors.of_event(result.seq) if isinstance(result, EventResult) else None


def event(name: str, data: str, *, cursor: str | None = None) -> bytes:
    """Return an event. JSON has no line breaks, and neither does a cursor."""
    identified = "" if cursor is None else f"id: {cursor}\n"
    return f"event: {name}\n{identified}data: {data}\n\n".encode()
