"""The limits of WebSocket messages: small before `connection_ack`, that of HTTP bodies after it.

Only the server can end a message before it has arrived. The ASGI extension lets the application tell the server that
the client has introduced itself.
"""

from collections.abc import Callable

from starlette.types import Scope

MAX_BYTES_BEFORE_ACK = 16 * 1024
"""Largest message before `connection_ack`; the only one of any length is a `connection_init` with a key."""
MAX_BYTES = 4 * 1024 * 1024
"""Largest message after it, which is also the largest body of a GraphQL request."""
MAX_MESSAGES_BEFORE_ACK = 8
"""Largest number of messages before `connection_ack`, which are a `connection_init` and some pings and pongs."""
EXTENSION = "duetime.websocket.message_limit"
"""The ASGI extension: an object whose `set` takes the largest number of bytes of the messages that follow."""


def extension(change: Callable[[int], None]) -> dict[object, object]:
    """Return the extension of a server that changes the limit of a WebSocket by `change`."""
    return {"set": change}


def raise_limit(scope: Scope) -> None:
    """Allow large messages on a WebSocket from now on, if its server limits them by this extension."""
    offered = scope.get("extensions", {}).get(EXTENSION)
    if offered is not None:
        offered["set"](MAX_BYTES)
