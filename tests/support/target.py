"""The target of tasks in tests: a real HTTP server that records each call and sends canned responses."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as received. Header names are in lower case, because HTTP does not distinguish their case."""

    at: datetime
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CannedResponse:
    """A response to send after `delay`. With `drops`, the target closes the connection instead."""

    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    delay: timedelta = timedelta()
    drops: bool = False


class Target:
    """A target and what it has seen.

    `calls` are the requests in the order of their arrival, with or without a response; `aborted` counts those whose
    caller closed the connection before the response.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.calls: list[Call] = []
        self.aborted = 0
        self._responses: dict[str, list[CannedResponse]] = {}

    def responds(self, path: str, *responses: CannedResponse) -> str:
        """Send these responses to calls of `path`, one after another, and repeat the last one. Return the URL."""
        self._responses[path] = list(responses)
        return f"{self.url}{path}"

    def calls_of(self, path: str) -> Sequence[Call]:
        """Return the calls of one path."""
        return [call for call in self.calls if call.path == path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Record a call and send its response."""
        at = datetime.now(UTC)
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.calls.append(
            Call(
                at=at,
                method=request.method,
                path=request.path,
                query=request.query_string,
                headers=headers,
                body=body,
            )
        )
        responses = self._responses.get(request.path, [CannedResponse()])
        response = responses.pop(0) if len(responses) > 1 else responses[0]
        try:
            await asyncio.sleep(response.delay.total_seconds())
        except asyncio.CancelledError:
            self.aborted += 1
            raise
        if response.drops and request.transport is not None:
            request.transport.abort()
        return web.Response(status=response.status, body=response.body, headers=response.headers)


@asynccontextmanager
async def running_target() -> AsyncIterator[Target]:
    """Run a target on a free loopback port until the block ends."""
    target: Target

    async def handle(request: web.Request) -> web.StreamResponse:
        return await target.handle(request)

    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        target = Target(f"http://{host}:{port}")
        yield target
    finally:
        await runner.cleanup()
