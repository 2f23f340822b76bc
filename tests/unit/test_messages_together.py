"""Messages of a WebSocket under a server that can only send them one by one."""

from typing import Any

from starlette.websockets import WebSocket

from graphql_api.transport import messages_together


async def test_a_server_without_the_extension_sends_each_message_alone() -> None:
    """Each text becomes a message of its own, in order."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    websocket = WebSocket({"type": "websocket", "extensions": {}}, receive, send)
    await websocket.accept()
    await messages_together.send(websocket, ["one", "two"])
    assert [message.get("text") for message in sent] == [None, "one", "two"]
