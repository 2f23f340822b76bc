"""The socket on which the API listens."""

import errno
import os
import socket
from datetime import timedelta

from duetime.errors import CannotStart
from graphql_api.settings import ApiSettings

LISTENER_VARIABLE = "DUETIME_LISTENER"
# How long a stopping API waits for responses and subscriptions to end by themselves.
GRACE = timedelta(seconds=10)


def inherited_listener() -> socket.socket | None:
    """Return the listening socket that `up` passed to this process, or None if `up` did not start it.

    `up` holds the port from its first moment to its last, so no other program receives requests meant for Duetime.
    """
    descriptor = os.environ.pop(LISTENER_VARIABLE, "")
    return socket.socket(fileno=int(descriptor)) if descriptor else None


def listen(api: ApiSettings) -> socket.socket:
    """Return a socket that listens on the API's address. Raise CannotStart if the address is wrong or in use."""
    unknown_host = f"HOST={api.host}: is no address of this machine; 127.0.0.1 and 0.0.0.0 are common values"
    try:
        family, _, _, _, address = socket.getaddrinfo(
            api.host, api.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address[:2], family=family, backlog=2048)
    except socket.gaierror:
        raise CannotStart(unknown_host) from None
    except PermissionError:
        raise CannotStart(f"PORT={api.port}: needs more privileges than this user has; use one above 1023") from None
    except OSError as error:
        if error.errno in {errno.EADDRNOTAVAIL, errno.EINVAL}:
            raise CannotStart(unknown_host) from None
        raise CannotStart(
            f"PORT={api.port}: is in use by another program on {api.host} ({error.strerror}); stop that program, or "
            "use another port"
        ) from None
    # Accepted connections inherit this option. asyncio sets it only on sockets that were created with an explicit
    # protocol, and without it the body of a response waits until the client acknowledges the head, which takes 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
