"""Connections that stay open for reading: to take one from the pool and give it back takes longer than most reads.

SQLAlchemy sets each connection up when it is taken, and resets it when it is given back.

Their statements are planned at each execution. A plan from when a table was empty would read all of it once it has
filled, as often as a page has tasks, until autovacuum has analysed it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.compat import has_ended

PLAN_AT_EACH_EXECUTION = text("SET plan_cache_mode = force_custom_plan")
LENT_FOR_LONG = timedelta(milliseconds=50)
"""How long a reader waits for a connection that stays open. Most are lent for a few milliseconds."""


class Readers:
    """At most `kept` connections of an engine whose statements commit by themselves. Its owner closes them."""

    def __init__(self, engine: AsyncEngine, *, kept: int) -> None:
        self._engine = engine
        self._places = asyncio.Semaphore(kept)
        self._idle: list[AsyncConnection] = []
        self._closed = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection, the one that was used last, which has the statements prepared, or one of the pool when all
        are lent for long.

        After any error it is closed, and so are idle ones, because the server may be down. The same happens when the
        server has ended it meanwhile, but then another one is lent.
        """
        if not await self._has_place():
            async with self._engine.connect() as connection:
                yield connection
            return
        try:
            connection = self._idle.pop() if self._idle else await self._open()
            if has_ended(connection):
                await asyncio.shield(self._close(connection))
                connection = await self._open()
            try:
                yield connection
            except BaseException:
                await asyncio.shield(self._close(connection))
                raise
            if self._closed:
                await self._close(connection)
            else:
                self._idle.append(connection)
        finally:
            self._places.release()

    async def _has_place(self) -> bool:
        """Return whether one of the places is taken now, which takes no longer than `LENT_FOR_LONG`."""
        try:
            async with asyncio.timeout(LENT_FOR_LONG.total_seconds()):
                return await self._places.acquire()
        except TimeoutError:
            return False

    async def close(self) -> None:
        """Close the idle connections, and each lent one when it is given back."""
        self._closed = True
        await self._close()

    async def _open(self) -> AsyncConnection:
        connection = await self._engine.connect()
        try:
            await connection.execute(PLAN_AT_EACH_EXECUTION)
        except BaseException:
            await asyncio.shield(connection.close())
            raise
        return connection

    async def _close(self, *connections: AsyncConnection) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()
        for connection in connections:
            if self._closed:
                # The pool may be closed already, and would keep what is given back to it.
                await connection.invalidate()
            await connection.close()
