"""Ports for servers that tests start. Each process of pytest-xdist has its own range."""

import socket
from itertools import cycle

from tests.support.xdist_worker import PROCESS

FIRST = 20_000
"""Below the ephemeral ports, which the system could give to a connection before the server listens."""
EACH = 500
PORTS = cycle(range(FIRST + PROCESS * EACH, FIRST + (PROCESS + 1) * EACH))


def free_port() -> int:
    """Return a port of the loopback address on which nothing listens, and which no other test gets soon."""
    return next(port for port in PORTS if is_free(port))


def is_free(port: int) -> bool:
    """Return whether a server could listen on the port."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
