"""Checks targets both when a task is saved and for every connection.

A name is resolved each time, because its addresses may change. For a connection, all addresses of a name are checked,
and the connection goes to one of those, without resolving the name again. TLS still verifies the original name.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from jobs.http.daemon_threads import DaemonThreads
from jobs.http.targets import EgressPolicy, TargetRefused, netloc
from jobs.pacing import paced
from jobs.problems import Problem

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""Resolves a host for a port to numeric addresses. Raises OSError if there are none."""

LOOKS_UP_WITHIN = timedelta(seconds=2)
"""How long saving a task waits for the addresses of a name."""
LOOKUPS_AT_ONCE = 32
RECEIVED_BYTES = 32 * 1024
"""How much of a response the kernel buffers, and so how much is parsed in one turn of the event loop."""
ENDS_IN_NUMBER = re.compile(r"(^|\.)(\d+|0x[0-9a-f]*)\.?$", re.IGNORECASE)
"""No name ends like this (WHATWG URL, section 3.5)."""

threads = DaemonThreads(LOOKUPS_AT_ONCE, name="lookup")
"""Separate threads, so that names whose servers do not answer delay nothing else, and not the end of the process."""

current_url: ContextVar[str] = ContextVar("current_url")
"""The URL of the current request. aiohttp does not pass it to the socket factory."""


async def system_lookup(host: str, port: int) -> Sequence[str]:
    """Resolve a name as every other program on this machine does."""
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(
        threads,
        lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG),
    )
    return [str(address[0]) for _, _, _, _, address in found]


async def addresses_of(host: str, port: int, lookup: Lookup) -> Sequence[str]:
    """Return the numeric addresses of a URL's host. Numbers in any spelling (`127.1`, `0x7f000001`) need no look-up."""
    return numeric(host, port) or await lookup(host, port)


def numeric(host: str, port: int) -> list[str]:
    """Return the address that a host spells, or none for a name."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return []
    return [str(address[0]) for _, _, _, _, address in found]


class CheckedResolver(AbstractResolver):
    """Resolves names for aiohttp's connector, which does not use it for numeric addresses."""

    def __init__(self, policy: EgressPolicy, lookup: Lookup) -> None:
        self._policy = policy
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return all addresses of a name. Raises `TargetRefused` if one of them is not allowed, and OSError."""
        addresses = await addresses_of(host, port, self._lookup)
        if not all(self._policy.permits(address, host=host, port=port) for address in addresses):
            raise TargetRefused(host, port)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Close nothing."""


def checked_socket(policy: EgressPolicy, address_info: tuple[Any, ...]) -> socket.socket:
    """Create a socket for aiohttp's connector, after the last check of its address.

    Raises `TargetRefused`.
    """
    family, kind, proto, _, (address, port, *_) = address_info
    host = URL(current_url.get()).raw_host or ""
    if not policy.permits(address, host=host, port=port):
        raise TargetRefused(host, port)
    made = socket.socket(family, kind, proto)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED_BYTES)
    return made


class TargetChecker:
    """Checks targets when a task is saved."""

    def __init__(self, policy: EgressPolicy, *, lookup: Lookup = system_lookup) -> None:
        self._policy = policy
        self._lookup = lookup
        self._running: dict[tuple[str, int], asyncio.Future[str | None]] = {}

    async def problems_of(self, urls: Sequence[str | None]) -> list[list[Problem]]:
        """Return the problems of calling each URL, in their order; whether a URL is well-formed is checked elsewhere.

        A name without addresses is accepted, because it may have some when the task is due. Each name is resolved
        once, also for several callers at the same time. This waits for at most `LOOKS_UP_WITHIN`, so hold no lock
        meanwhile.
        """
        places = [place_of(url) async for url in paced(urls)]
        distinct = list({place for place in places if place})
        found = dict(zip(distinct, await asyncio.gather(*map(self._check, distinct)), strict=True))
        messages = [found[place] if place else None for place in places]
        return [[Problem(("action", "url"), message)] if message else [] for message in messages]

    def _check(self, place: tuple[str, int]) -> Awaitable[str | None]:
        """Return the check in progress for a target, or a new one. A caller that waits for it can be cancelled
        separately."""
        running = self._running.get(place)
        if running is None:
            running = self._running[place] = asyncio.ensure_future(self._problem_of(place))
            running.add_done_callback(lambda _: self._running.pop(place))
        return asyncio.shield(running)

    async def _problem_of(self, place: tuple[str, int]) -> str | None:
        host, port = place
        try:
            async with asyncio.timeout(LOOKS_UP_WITHIN.total_seconds()):
                addresses = await addresses_of(host, port, self._lookup)
        except (OSError, TimeoutError, UnicodeError):
            addresses = ()
        is_number = ":" not in host and ENDS_IN_NUMBER.search(host)
        if not all(self._policy.permits(address, host=host, port=port) for address in addresses):
            example = netloc(addresses[0] if is_number else host, port)
            return (
                "resolves to an address that tasks may not call; public addresses are allowed, and what this service's "
                f"setting DUETIME_TARGETS_ALLOWED lists, such as {example}"
            )
        if is_number and host not in addresses:
            meant = f"is {addresses[0]} in another spelling; write that" if addresses else "is not an IPv4 address"
            return f"has the host {host}, which {meant}"
        return None


def place_of(url: str | None) -> tuple[str, int] | None:
    """Return the host and port that a URL leads to, or None if the URL is unreadable."""
    try:
        read = URL(url or "")
        host, port = read.raw_host, read.port
    except ValueError:
        return None
    return (host, port) if host and port else None
