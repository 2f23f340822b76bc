"""A target on a raw socket: a test decides which bytes it sends, and when. It keeps a log of every request."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count

LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as received. `connection` numbers the connections of the target; header names are in lower case.

    `lines` are the lines of its head as they arrived.
    """

    connection: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    lines: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The run that made the request."""
        return self.headers["idempotency-key"]


@dataclass(slots=True)
class RawTarget:
    """A running target: its address, the requests in the order of their arrival, and the connections that ended."""

    scheme: str = "http"
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    opened: int = 0
    ended: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The URL of the target."""
        return f"{self.scheme}://127.0.0.1:{self.port}/"

    @property
    def keys(self) -> list[str]:
        """The runs that made the requests."""
        return [request.key for request in self.requests]


Respond = Callable[[Request, asyncio.StreamWriter], Awaitable[None] | None]
"""Sends the response to a request, and whatever else the test wants to send."""


def answer(request: Request, *headers: str, status: int = 200) -> bytes:
    """Return a response that names the request to which it belongs."""
    body = f"answer to {request.key}"
    lines = (f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", f"X-Answers: {request.key}", *headers)
    return ("".join(f"{line}\r\n" for line in lines) + "\r\n" + body).encode()


@asynccontextmanager
async def raw_target(
    respond: Respond, *, reads_body: bool = True, greeting: bytes = b"", tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawTarget]:
    """Run a target until the block ends. It sends the greeting on every new connection.

    Without `reads_body` it responds to the head of a request before it reads on, and its kernel buffers little.
    """
    target = RawTarget("http" if tls is None else "https")
    listening = socket.create_server(("127.0.0.1", 0))
    # Connections inherit it. Otherwise the kernel holds small pieces back until the caller has confirmed earlier ones.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not reads_body:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    target.port = listening.getsockname()[1]
    numbers = count()
    serve = partial(_serve, target, numbers, respond, reads_body, greeting)
    server = await asyncio.start_server(serve, sock=listening, ssl=tls, limit=64 * 1024 if reads_body else 4096)
    async with AsyncExitStack() as stack:
        stack.callback(server.close)
        yield target


async def _serve(
    target: RawTarget,
    numbers: "count[int]",
    respond: Respond,
    reads_body: bool,  # noqa: FBT001 (partial)
    greeting: bytes,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    number = next(numbers)
    target.opened += 1
    writer.write(greeting)
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            found = LENGTH.search(head)
            body = await reader.readexactly(int(found[1])) if found and reads_body else b""
            first, *lines = head.decode("latin-1").split("\r\n")[:-2]
            method, path, _ = first.split(" ")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            request = Request(number, method, path, headers, body, (first, *lines))
            target.requests.append(request)
            sending = respond(request, writer)
            if sending is not None:
                await sending
            if not reads_body:
                await asyncio.sleep(0.1)
                await reader.read()
                return
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        target.ended.append(number)
        writer.close()
