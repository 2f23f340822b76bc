"""Ports for servers that tests start. Each process of pytest-xdist has its own range, in each checkout."""

import socket
from itertools import cycle
from pathlib import Path
from zlib import crc32

from tests.support.xdist_worker import PROCESS

FIRST = 20_000
"""Below the ephemeral ports, which the system could give to a connection before the server listens."""
CHECKOUTS = 8
PROCESSES = 8
EACH = 180
CHECKOUT = crc32(str(Path(__file__).resolve()).encode()) % CHECKOUTS
"""Suites of two checkouts that run at once rarely meet."""
START = FIRST + (CHECKOUT * PROCESSES + PROCESS) * EACH
PORTS = cycle(range(START, START + EACH))


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
