"""The API as clients see it: a real server in the test's process, HTTP, and a hand-written WebSocket client."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any, Self

import httpx
import uvicorn
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from db.settings import DatabaseSettings
from duetime.api import configuration
from duetime.compat import BoundedWebSocketProtocol, SignalFreeServer, TimeoutHttpProtocol
from duetime.listener import listen
from graphql_api import request_body
from graphql_api.app import create_app
from graphql_api.context import Services
from graphql_api.settings import ApiSettings
from jobs.http.resolver import Lookup
from jobs.settings import JobsSettings
from jobs.tracing_settings import TracingSettings
from tests.support.engine import opened
from tests.support.names import no_names
from tests.support.waiting import wait_until

WITHIN = 10
POLL_INTERVAL = 0.01


async def sleep_briefly(_seconds: float) -> None:
    """Sleep for a hundredth of a second."""
    await asyncio.sleep(POLL_INTERVAL)


# uvicorn polls every tenth of a second for the end of its connections.
vars(uvicorn.server)["asyncio"] = SimpleNamespace(**vars(asyncio) | {"sleep": sleep_briefly})


class Subscription:
    """One operation on a WebSocket."""

    def __init__(self, conversation: "WebSocketHandler", name: str) -> None:
        self._conversation = conversation
        self._name = name

    async def message(self) -> dict[str, Any]:
        """Return the next message of this operation, as the protocol defines it."""
        found = await self._conversation.receive()
        assert found.get("id") == self._name, found
        return found

    async def next(self) -> dict[str, Any]:
        """Return what the next message has for the subscription's one field."""
        message = await self.message()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        [value] = message["payload"]["data"].values()
        assert isinstance(value, dict)
        return value

    async def take(self, count: int) -> list[dict[str, Any]]:
        """Return the next `count` of them."""
        return [await self.next() for _ in range(count)]


class WebSocketHandler:
    """A WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._names = count(1)

    async def send(self, message: Any) -> None:
        """Send JSON, or text as it is."""
        await self.connection.send(message if isinstance(message, str) else json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        """Return the next message."""
        message = json.loads(await asyncio.wait_for(self.connection.recv(), WITHIN))
        assert isinstance(message, dict)
        return message

    async def begin(self) -> Self:
        """Send connection_init and wait for connection_ack."""
        await self.send({"type": "connection_init"})
        assert await self.receive() == {"type": "connection_ack"}
        return self

    async def subscribe(self, query: str, **variables: Any) -> Subscription:
        """Start an operation. It has certainly started only when its first message has arrived."""
        name = str(next(self._names))
        await self.send({"id": name, "type": "subscribe", "payload": {"query": query, "variables": variables}})
        return Subscription(self, name)

    async def close_code(self) -> int | None:
        """Wait until the server has closed the socket, and return the close code."""
        await asyncio.wait_for(self.connection.wait_closed(), WITHIN)
        return self.connection.close_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """A running API, and its database."""

    url: str
    http: httpx.AsyncClient
    engine: AsyncEngine
    server: SignalFreeServer
    app: Starlette

    @property
    def port(self) -> int:
        """Return the port on which the API listens."""
        return int(self.url.rsplit(":", 1)[1])

    @property
    def services(self) -> Services:
        """Return the services that the API itself uses."""
        found: Services = self.app.state.services
        return found

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Execute an operation and return the whole response."""
        answer = await self.http.post("/graphql", json={"query": query, "variables": variables})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def data(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return the data of an operation that must have no errors."""
        answer = await self.ask(query, **variables)
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    async def code(self, query: str, **variables: Any) -> str:
        """Return the code of an operation's one error."""
        [error] = (await self.ask(query, **variables))["errors"]
        code: str = error["extensions"]["code"]
        return code

    @asynccontextmanager
    async def socket(
        self, *, begun: bool = True, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[WebSocketHandler]:
        """Open a WebSocket that speaks graphql-transport-ws, with these headers in the request."""
        address = f"{self.url.replace('http', 'ws', 1)}/graphql"
        # With a bounded queue, a client that leaves messages unread would not read the server's goodbye either.
        protocols = [Subprotocol("graphql-transport-ws")]
        async with connect(
            address, subprotocols=protocols, max_queue=None, additional_headers=headers, proxy=None
        ) as connection:
            conversation = WebSocketHandler(connection)
            yield await conversation.begin() if begun else conversation


@asynccontextmanager
async def serving(
    database: DatabaseSettings,
    jobs: JobsSettings,
    *,
    lookup: Lookup = no_names,
    settings: ApiSettings | None = None,
    protocol: type[TimeoutHttpProtocol] = TimeoutHttpProtocol,
    websocket_protocol: type[BoundedWebSocketProtocol] = BoundedWebSocketProtocol,
    body_within: timedelta = request_body.WITHIN,
    tracing: TracingSettings | None = None,
) -> AsyncIterator[Api]:
    """Serve the API on a free port until the block ends. `lookup` finds the addresses of targets' names."""
    with listen(ApiSettings.model_construct(port=0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = settings or ApiSettings()
        app = create_app(database, jobs, settings, lookup=lookup, body_within=body_within, tracing=tracing)
        grace = timedelta(seconds=5)
        server = SignalFreeServer(
            configuration(
                app,
                grace=grace,
                proxies=settings.proxies,
                keep_alive=timedelta(seconds=settings.keep_alive_seconds),
                protocol=protocol,
                websocket_protocol=websocket_protocol,
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await wait_until(lambda: server.started or serving.done(), what="the API has started")
            # The clients here never use TLS, and loading all certificate authorities for each of them takes long.
            async with (
                opened(database) as engine,
                httpx.AsyncClient(base_url=url, timeout=WITHIN, verify=False) as http,
            ):
                yield Api(url=url, http=http, engine=engine, server=server, app=app)
        finally:
            server.stop()
            await serving
