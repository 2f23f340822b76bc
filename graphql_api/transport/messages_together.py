"""Several messages of a WebSocket in one write: by an ASGI extension, because ASGI sends each message alone.

A write is a call of the system, which costs as much as everything else that a message needs.
"""

from collections.abc import Awaitable, Callable, Sequence

from starlette.websockets import WebSocket

EXTENSION = "duetime.websocket.messages_together"
"""The ASGI extension: an object whose `send` sends texts, each as one message, once the client has read enough."""


def extension(send: Callable[[Sequence[str]], Awaitable[None]]) -> dict[object, object]:
    """Return the extension of a server that sends texts by `send`. It raises `OSError` if the WebSocket is closed."""
    return {"send": send}


async def send(websocket: WebSocket, texts: Sequence[str]) -> None:
    """Send texts, in one write if the server has this extension.

    Raises `OSError` or `WebSocketDisconnect` if the WebSocket is closed.
    """
    offered = websocket.scope.get("extensions", {}).get(EXTENSION)
    if offered is not None:
        await offered["send"](texts)
        return
    for text in texts:
        await websocket.send_text(text)
