"""Server-sent events by graphql-sse's "single connection mode": one stream for the results of many operations.

    PUT                    reserves a stream; the response is its token
    GET, POST              opens the stream, with the token, for a client that accepts text/event-stream
    POST, GET              starts an operation whose results go to the stream, with the token and an operationId
    DELETE                 ends an operation

A token belongs to the key that reserved it, and to this process. A token whose stream is not opened expires.
(https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md)
"""

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from cross_web import HTTPException
from starlette.requests import Request

from graphql_api.broadcast import failed
from graphql_api.context import Context
from graphql_api.transport import sse
from graphql_api.transport.websocket import MAX_AT_ONCE

TOKEN_HEADER = "x-graphql-event-stream-token"  # noqa: S105 (the name of a header)
TOKEN_PARAMETER = "token"  # noqa: S105 (the name of a parameter)
OPEN_WITHIN = timedelta(seconds=10)
"""How long a token is valid without its stream."""
MAX_STREAMS = 1_000
"""Largest number of streams of one key, those included that are reserved and not open yet."""
MAX_ID = 128
"""Characters of the longest id of an operation."""


@dataclass(slots=True)
class SharedStream:
    """A stream, reserved or open, and its operations."""

    context: Context
    encode: Callable[[Any], str]
    operations: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    is_open: bool = False
    # Of length 1, so that an operation waits until the client has taken the event before.
    _frames: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(maxsize=1))

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """Yield the events of all operations for as long as the client is there."""
        while True:
            yield await self._frames.get()

    def start(self, operation_id: str, results: AsyncGenerator[list[Any], None]) -> None:
        """Send the results of an operation to the stream.

        Raises 409 if the id is in use, and 429 if the stream carries the largest number of operations.
        """
        if operation_id in self.operations:
            raise HTTPException(409, f"An operation with the operationId {operation_id!r} goes on; use another one")
        if len(self.operations) >= MAX_AT_ONCE:
            raise HTTPException(429, f"{MAX_AT_ONCE:,} operations are running; one stream carries no more at once")
        self.operations[operation_id] = asyncio.create_task(self._run(operation_id, results))

    def end(self, operation_id: str) -> None:
        """End an operation if it is running."""
        task = self.operations.pop(operation_id, None)
        if task is not None:
            task.cancel()

    def close(self) -> None:
        """End all operations."""
        for operation_id in list(self.operations):
            self.end(operation_id)

    async def _run(self, operation_id: str, results: AsyncGenerator[list[Any], None]) -> None:
        name = json.dumps(operation_id)
        try:
            async with aclosing(self._without_errors(results)) as sound:
                async for together in sound:
                    events = [
                        sse.event("next", f'{{"id":{name},"payload":{self.encode(result)}}}') for result in together
                    ]
                    await self._frames.put(b"".join(events))
            await self._frames.put(sse.event("complete", f'{{"id":{name}}}'))
        finally:
            if self.operations.get(operation_id) is asyncio.current_task():
                del self.operations[operation_id]

    @staticmethod
    async def _without_errors(results: AsyncGenerator[list[Any], None]) -> AsyncGenerator[list[Any], None]:
        """Yield the results, and an internal error as a result: the other operations continue."""
        try:
            async with aclosing(results):
                async for together in results:
                    yield together
        except Exception as error:
            yield [failed(error)]


class SharedStreams:
    """The streams of this process, by their tokens."""

    def __init__(self) -> None:
        self._streams: dict[str, SharedStream] = {}
        self._counts: Counter[UUID | None] = Counter()

    def reserve(self, context: Context, *, encode: Callable[[Any], str]) -> str:
        """Return the token of a new stream. Raises 429 when the key has the largest number of streams."""
        key_id = key_of(context)
        if self._counts[key_id] >= MAX_STREAMS:
            raise HTTPException(429, f"This key has {MAX_STREAMS:,} streams, and may have no more; close some of them")
        token = secrets.token_urlsafe(24)
        self._streams[token] = SharedStream(context, encode)
        self._counts[key_id] += 1
        asyncio.get_running_loop().call_later(OPEN_WITHIN.total_seconds(), self._expire, token)
        return token

    def find(self, token: str, context: Context) -> SharedStream:
        """Return the stream of a token. Raises 404 if it does not exist, or if another key has reserved it."""
        found = self._streams.get(token)
        if found is None or key_of(found.context) != key_of(context):
            raise HTTPException(
                404,
                "There is no stream with this token; reserve one by PUT. A token is valid for the key that reserved "
                f"it, at one API process, for {OPEN_WITHIN.total_seconds():g} s, and then for as long as its "
                "stream is open",
            )
        return found

    def open(self, token: str, context: Context) -> SharedStream:
        """Return the stream of a token, to be sent. Raises 404, and 409 if it is being sent already."""
        stream = self.find(token, context)
        if stream.is_open:
            raise HTTPException(409, "This stream is open already; reserve another one by PUT")
        stream.is_open = True
        return stream

    def remove(self, token: str) -> None:
        """End a stream and its operations."""
        stream = self._streams.pop(token, None)
        if stream is None:
            return
        stream.close()
        key_id = key_of(stream.context)
        self._counts[key_id] -= 1
        if not self._counts[key_id]:
            del self._counts[key_id]

    def _expire(self, token: str) -> None:
        stream = self._streams.get(token)
        if stream is not None and not stream.is_open:
            self.remove(token)


def key_of(context: Context) -> UUID | None:
    """Return the id of the caller's key, or None while authentication is off."""
    return context.caller.key_id if context.caller else None


def token_of(request: Request) -> str | None:
    """Return the token of a request, if it has one."""
    token = request.headers.get(TOKEN_HEADER)
    # Most requests have no query, and to read it takes longer than to look.
    return token or (request.query_params.get(TOKEN_PARAMETER) if request.scope["query_string"] else None)


def operation_id_of(given: object) -> str:
    """Return the id of an operation. Raises 400 if it is missing, no string, or too long."""
    if not isinstance(given, str) or not 0 < len(given) <= MAX_ID:
        raise HTTPException(400, f"The operation needs an operationId, a string of 1 to {MAX_ID} characters")
    return given
