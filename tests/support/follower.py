"""A client that watches runs and must miss nothing: whenever it loses the API, it resumes where it was."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

PAUSE = 0.05
WATCH = """
subscription ($after: String) {
  runEvents(after: $after) {
    __typename
    ... on RunEvent { cursor type runId attempt }
    ... on RunEventsGap { cursor message }
  }
}
"""


class Seen(NamedTuple):
    """An event as the API sent it."""

    type: str
    run_id: str
    attempt: int


class Follower:
    """The events that a client has seen since `cursor`, and how often it has connected."""

    def __init__(self, url: str, cursor: str) -> None:
        self.seen: list[Seen] = []
        self.gaps: list[str] = []
        self.connections = 0
        self._url = url
        self._cursor = cursor

    async def follow(self) -> None:
        """Follow the events until the task is cancelled."""
        while True:
            try:
                await self._watch()
            except (OSError, TimeoutError, WebSocketException):
                await asyncio.sleep(PAUSE)

    async def _watch(self) -> None:
        async with connect(self._url, subprotocols=[Subprotocol("graphql-transport-ws")], open_timeout=5) as socket:
            await socket.send(json.dumps({"type": "connection_init"}))
            payload = {"query": WATCH, "variables": {"after": self._cursor}}
            await socket.recv()
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            self.connections += 1
            async for text in socket:
                message = json.loads(text)
                if message["type"] != "next":
                    return
                self._take(message["payload"]["data"]["runEvents"])

    def _take(self, event: dict[str, str]) -> None:
        self._cursor = event["cursor"]
        if event["__typename"] == "RunEventsGap":
            self.gaps.append(event["message"])
        else:
            self.seen.append(Seen(event["type"], event["runId"], int(event["attempt"])))


@asynccontextmanager
async def following(url: str, cursor: str) -> AsyncIterator[Follower]:
    """Follow the events from a cursor on until the block ends; `url` is the API's."""
    follower = Follower(f"{url.replace('http', 'ws', 1)}/graphql", cursor)
    task = asyncio.create_task(follower.follow())
    try:
        yield follower
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
