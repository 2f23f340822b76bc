"""Authenticates callers by their API keys, before anything else looks at a request.

While authentication is off, everyone has full access. A WebSocket may send its key in its first message instead,
because browsers cannot add headers to a WebSocket.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from db.connection import CONNECTION_ERRORS, message_of
from db.models import utc_now
from db.security import api_keys
from graphql_api.middleware.key_lookup import KeyLookup, LookupFailed
from jobs.cancellation import cancel_and_wait
from jobs.security.api_keys import ANYBODY, Caller, digest
from jobs.ticks import until_tick

logger = logging.getLogger(__name__)

KNOWN_FOR = timedelta(seconds=2)
"""How long a valid key is cached. A revoked key is refused after that."""
MAX_KNOWN = 10_000
FAILURES = 10
FAILURES_WITHIN = timedelta(minutes=1)
DELAY = timedelta(seconds=1)
"""How long the answer to a further wrong key is delayed."""
MAX_DELAYED = 100
"""Largest number of answers that are delayed at the same time."""
MAX_ADDRESSES = 10_000
LOOK_EVERY = timedelta(seconds=2)
KEY_NEEDED = "A key is needed: send the header Authorization: Bearer <key>"


class AuthenticationFailed(Exception):
    """The caller is not authenticated; `status` is 401, 429 or, while keys cannot be looked up, 503.

    `retry_after` is in seconds.
    """

    def __init__(self, status: int, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Failures:
    """Counts wrong keys by address, so that guessing is slow. Kept in memory, bounded."""

    def __init__(self) -> None:
        self._since: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._delayed = 0

    async def delay(self) -> None:
        """Wait for a while, unless many do already: each of them costs memory and a connection."""
        if self._delayed >= MAX_DELAYED:
            return
        self._delayed += 1
        try:
            await asyncio.sleep(DELAY.total_seconds())
        finally:
            self._delayed -= 1

    def wait_of(self, address: str) -> int | None:
        """Return how many seconds an address has to wait with further keys, or None if it has not failed too often."""
        begun, count = self._since.get(address, (0.0, 0))
        left = begun + FAILURES_WITHIN.total_seconds() - time.monotonic()
        return int(left) + 1 if count >= FAILURES and left > 0 else None

    def note(self, address: str) -> None:
        """Count a failure."""
        now = time.monotonic()
        begun, count = self._since.pop(address, (now, 0))
        fresh = now - begun < FAILURES_WITHIN.total_seconds()
        self._since[address] = (begun, count + 1) if fresh else (now, 1)
        if len(self._since) > MAX_ADDRESSES:
            self._since.popitem(last=False)


class Authenticator:
    """Authenticates callers, and closes connections whose key is no longer valid. `watching` belongs to the
    app.
    """

    def __init__(self, engine: AsyncEngine, *, keys_wanted: bool) -> None:
        self._engine = engine
        self._lookup = KeyLookup(engine)
        self.keys_wanted = keys_wanted
        self._known: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()
        self._failures = Failures()
        self._open: dict[object, tuple[Caller, Callable[[], object]]] = {}

    async def admit(self, authorization: str | None, *, address: str) -> Caller:
        """Return the caller with this Authorization value. Raises `AuthenticationFailed`.

        Every key is looked up, so wrong keys of an address do not lock out its valid ones.
        """
        if not self.keys_wanted:
            return ANYBODY
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise AuthenticationFailed(401, KEY_NEEDED)
        was_valid = digest(token) in self._known
        caller = await self._caller(token)
        if caller is not None:
            return caller
        logger.warning("A key was refused.", extra={"action": "key_refused", "address": address})
        if not was_valid and (wait := self._failures.wait_of(address)) is not None:
            await self._failures.delay()
            raise AuthenticationFailed(
                429, f"Too many keys from {address} were refused; try again in {wait} s", retry_after=wait
            )
        self._failures.note(address)
        raise AuthenticationFailed(401, "The key is unknown, revoked or expired")

    async def _caller(self, token: str) -> Caller | None:
        key = digest(token)
        seen, caller = self._known.get(key, (0.0, None))
        if caller is not None and time.monotonic() - seen < KNOWN_FOR.total_seconds() and not caller.expired(utc_now()):
            return caller
        try:
            caller = await self._lookup.find(token)
        except LookupFailed as error:
            logger.warning(
                "A key cannot be looked up.", extra={"action": "key_not_looked_up", "error": message_of(error)}
            )
            raise AuthenticationFailed(
                503, "The key cannot be checked: the database is unavailable", retry_after=1
            ) from None
        self._known.pop(key, None)
        if caller is not None:
            self._known[key] = (time.monotonic(), caller)
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return caller

    @contextmanager
    def holding(self, caller: Caller, close: Callable[[], object]) -> Iterator[None]:
        """Call `close` as soon as the caller's key becomes invalid while the block lasts."""
        token = object()
        self._open[token] = (caller, close)
        try:
            yield
        finally:
            del self._open[token]

    def forget(self, key_id: UUID) -> None:
        """Refuse a revoked key, and close its connections in this process."""
        self._known = OrderedDict((key, known) for key, known in self._known.items() if known[1].key_id != key_id)
        for caller, close in list(self._open.values()):
            if caller.key_id == key_id:
                close()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Check every two seconds, while the block lasts, whether the keys of open connections are still valid."""
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            await cancel_and_wait(watch)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(until_tick(LOOK_EVERY).total_seconds())
            wanted = {caller.key_id for caller, _ in self._open.values() if caller.key_id is not None}
            if not wanted:
                continue
            now, holding = utc_now(), wanted
            try:
                async with AsyncSession(self._engine) as session:
                    holding = await api_keys.still_in_force(session, key_ids=wanted, now=now)
            except CONNECTION_ERRORS as error:
                logger.warning(
                    "Keys cannot be checked.", extra={"action": "keys_unwatched", "error": message_of(error)}
                )
            for caller, close in list(self._open.values()):
                if caller.key_id is not None and (caller.key_id not in holding or caller.expired(now)):
                    close()


def address_of(connection: HTTPConnection) -> str:
    """Return the address of the client."""
    return connection.client.host if connection.client is not None else "unknown"


def authorization_of(connection: HTTPConnection) -> str | None:
    """Return the Authorization header."""
    return Headers(scope=connection.scope).get("authorization")
