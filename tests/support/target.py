"""What tasks call in tests: a real HTTP server that notes each call, and answers as a test tells it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as it came in; names of headers in lower case, as they are told apart in HTTP."""

    at: datetime
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How to answer. `drops`: close the connection without a word."""

    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    delay: timedelta = timedelta()
    drops: bool = False


class Target:
    """`calls` in the order in which they came in, whether or not they have been answered.

    `broken_off`: how many were given up by the caller before they were answered.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.calls: list[Call] = []
        self.broken_off = 0
        self._answers: dict[str, list[Answer]] = {}

    def answers(self, path: str, *answers: Answer) -> str:
        """Gives these answers to calls of `path`, one after another, the last one from then on. Returns the URL."""
        self._answers[path] = list(answers)
        return f"{self.url}{path}"

    def calls_of(self, path: str) -> Sequence[Call]:
        """The calls of one path."""
        return [call for call in self.calls if call.path == path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Notes a call and answers it."""
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
        answers = self._answers.get(request.path, [Answer()])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        try:
            await asyncio.sleep(answer.delay.total_seconds())
        except asyncio.CancelledError:
            self.broken_off += 1
            raise
        if answer.drops and request.transport is not None:
            request.transport.abort()
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


@asynccontextmanager
async def running_target() -> AsyncIterator[Target]:
    """A target on a free port of the loopback address."""
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
