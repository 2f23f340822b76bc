"""Server-sent events as a client reads them."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.support.graphql import WITHIN, Api


class EventReader:
    """An open stream of server-sent events."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.comments = 0
        self.last_id = ""
        self._lines = response.aiter_lines()

    async def event(self) -> tuple[str, str]:
        """Return the next event's name and data. Fail at the end of the stream."""
        name, data = "", ""
        async with asyncio.timeout(WITHIN):
            async for line in self._lines:
                field, _, value = line.partition(":")
                match field:
                    case "event":
                        name = value.strip()
                    case "id":
                        self.last_id = value.strip()
                    case "data":
                        data += value.strip()
                    case "" if value or line:
                        self.comments += 1
                    case "" if name:
                        return name, data
        raise EOFError

    async def payload(self) -> dict[str, Any]:
        """Return the data of the next event, which is a result."""
        name, data = await self.event()
        assert name == "next", (name, data)
        found: dict[str, Any] = json.loads(data)
        return found

    async def next(self) -> dict[str, Any]:
        """Return what the next result has for its one field."""
        payload = await self.payload()
        assert "errors" not in payload, payload
        [value] = payload["data"].values()
        assert isinstance(value, dict)
        return value

    async def take(self, count: int) -> list[dict[str, Any]]:
        """Return the next `count` of them."""
        return [await self.next() for _ in range(count)]


@asynccontextmanager
async def events(
    api: Api, query: str | None, *, method: str = "POST", headers: Mapping[str, str] | None = None, **request: Any
) -> AsyncIterator[EventReader]:
    """Execute an operation and yield its results as events. `request` has the other members of the request."""
    members = {"query": query, **request} if query is not None else request
    sent: dict[str, Any] = {"json": members}
    if method == "GET":
        texts = {name: each if isinstance(each, str) else json.dumps(each) for name, each in members.items()}
        sent = {"params": texts}
    accept = {"accept": "text/event-stream", **(headers or {})}
    async with api.http.stream(method, "/graphql", headers=accept, **sent) as response:
        yield EventReader(response)
