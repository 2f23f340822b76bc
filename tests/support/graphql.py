"""The API as clients see it: a real server in the test's own process, HTTP, and graphql-transport-ws spoken by hand."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any, Self

import httpx
import uvicorn
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from db.settings import DatabaseSettings
from duetime.api import configuration, listen
from duetime.compat import TimeoutHttpProtocol
from graphql_api import request_body
from graphql_api.app import create_app
from graphql_api.context import Services
from graphql_api.settings import ApiSettings
from jobs.http.resolver import Lookup
from jobs.settings import JobsSettings
from tests.support.engine import opened
from tests.support.names import no_names
from tests.support.waiting import wait_until

WITHIN = 10


class Server(uvicorn.Server):
    """uvicorn's server without its signals, which belong to the tests."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves them alone."""
        yield


class Subscription:
    """One operation on a websocket."""

    def __init__(self, conversation: "WebSocketHandler", name: str) -> None:
        self._conversation = conversation
        self._name = name

    async def message(self) -> dict[str, Any]:
        """The next message of this operation, as the protocol has it."""
        found = await self._conversation.receive()
        assert found.get("id") == self._name, found
        return found

    async def next(self) -> dict[str, Any]:
        """What the next message says of the subscription's one field."""
        message = await self.message()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        [value] = message["payload"]["data"].values()
        assert isinstance(value, dict)
        return value

    async def take(self, number: int) -> list[dict[str, Any]]:
        """The next so many of them."""
        return [await self.next() for _ in range(number)]


class WebSocketHandler:
    """A websocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._names = count(1)

    async def send(self, message: Any) -> None:
        """Sends JSON, or text as it is."""
        await self.connection.send(message if isinstance(message, str) else json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        """The next message."""
        message = json.loads(await asyncio.wait_for(self.connection.recv(), WITHIN))
        assert isinstance(message, dict)
        return message

    async def begin(self) -> Self:
        """The protocol's greeting."""
        await self.send({"type": "connection_init"})
        assert await self.receive() == {"type": "connection_ack"}
        return self

    async def subscribe(self, query: str, **variables: Any) -> Subscription:
        """Starts an operation. What it does at once is only known to be done when its first message is there."""
        name = str(next(self._names))
        await self.send({"id": name, "type": "subscribe", "payload": {"query": query, "variables": variables}})
        return Subscription(self, name)

    async def close_code(self) -> int | None:
        """Waits until the server has closed the socket, and tells how."""
        await asyncio.wait_for(self.connection.wait_closed(), WITHIN)
        return self.connection.close_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """A running API, and the database behind it."""

    url: str
    http: httpx.AsyncClient
    engine: AsyncEngine
    server: Server
    app: Starlette

    @property
    def services(self) -> Services:
        """What the API itself works with."""
        found: Services = self.app.state.services
        return found

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The whole answer to an operation."""
        answer = await self.http.post("/graphql", json={"query": query, "variables": variables})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def data(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of an operation that has no errors."""
        answer = await self.ask(query, **variables)
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    async def code(self, query: str, **variables: Any) -> str:
        """The code of the one error of an operation."""
        [error] = (await self.ask(query, **variables))["errors"]
        code: str = error["extensions"]["code"]
        return code

    @asynccontextmanager
    async def socket(
        self, *, begun: bool = True, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[WebSocketHandler]:
        """A websocket that speaks graphql-transport-ws, asked for with these headers besides."""
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
    body_within: timedelta = request_body.WITHIN,
) -> AsyncIterator[Api]:
    """The API on a free port until the block ends. `lookup` finds the addresses of targets' names."""
    with listen(ApiSettings.model_construct(port=0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = settings or ApiSettings()
        app = create_app(database, jobs, settings, lookup=lookup, body_within=body_within)
        grace = timedelta(seconds=5)
        server = Server(configuration(app, grace=grace, proxies=settings.proxies, protocol=protocol))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await wait_until(lambda: server.started or serving.done(), what="the API has started")
            # Nothing here speaks TLS, for which each client would read all authorities anew.
            async with (
                opened(database) as engine,
                httpx.AsyncClient(base_url=url, timeout=WITHIN, verify=False) as http,
            ):
                yield Api(url=url, http=http, engine=engine, server=server, app=app)
        finally:
            server.should_exit = True
            await serving
