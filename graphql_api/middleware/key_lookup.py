"""Looks up keys in Postgres with one statement at a time, however many requests bring keys.

The keys that arrive during a statement are looked up together by the next one, in the order of their arrival. So wrong
keys, however many, keep one connection busy, and a valid key waits for at most one statement before its own.
"""

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from db.connection import CONNECTION_ERRORS
from db.models import utc_now
from jobs.security.api_keys import Caller, digest, has_form_of_key, use_keys

TOGETHER = 500
"""Largest number of keys in one statement."""
MAX_WAITING = 2_000
"""Maximum number of keys that wait. It is only reached when Postgres answers very slowly."""


class LookupFailed(Exception):
    """The key cannot be looked up; the message says why."""


class KeyLookup:
    """Finds the callers of keys."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: dict[bytes, asyncio.Future[Caller | None]] = {}
        self._running: asyncio.Task[None] | None = None

    async def find(self, token: str) -> Caller | None:
        """Return the caller with this key, or None if it is unknown, revoked or expired. Raises `LookupFailed`.

        The statement begins after the call, so a key that has just been created is found.
        """
        if not has_form_of_key(token):
            return None
        key = digest(token)
        found = self._waiting.get(key)
        if found is None:
            if len(self._waiting) >= MAX_WAITING:
                raise LookupFailed("Postgres does not answer in time")
            found = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        # Several requests may wait for one key, so the end of one of them must not cancel the future.
        return await asyncio.shield(found)

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = {key: self._waiting.pop(key) for key in list(self._waiting)[:TOGETHER]}
                await self._look_up(batch)
        finally:
            self._running = None

    async def _look_up(self, batch: dict[bytes, asyncio.Future[Caller | None]]) -> None:
        try:
            async with AsyncSession(self._engine) as session, session.begin():
                callers = await use_keys(session, batch.keys(), now=utc_now())
        except Exception as error:
            failure = LookupFailed(str(error)) if isinstance(error, CONNECTION_ERRORS) else error
            for found in batch.values():
                found.set_exception(failure)
                # Without this, asyncio would log the exception if the request has ended meanwhile.
                found.exception()
        else:
            for key, found in batch.items():
                found.set_result(callers.get(key))
