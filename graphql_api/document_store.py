"""Stores GraphQL documents in Redis by their SHA-256, for automatic persisted queries."""

import asyncio
import logging
from datetime import timedelta
from hashlib import sha256
from typing import Self

from redis.asyncio import Redis

from jobs.queue import REDIS_ERRORS

logger = logging.getLogger(__name__)

KEY = "duetime:apq:"
STORED_FOR = timedelta(hours=24)
"""How long a document is stored after its last use."""
REDIS_WITHIN = timedelta(milliseconds=500)
"""How long a Redis that hangs may delay an operation."""


class DocumentStore:
    """The documents in Redis, by their hashes. Without Redis it stores nothing, and finds nothing."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @classmethod
    def open(cls, redis_url: str) -> Self:
        """Return a store that connects when it is first used."""
        seconds = REDIS_WITHIN.total_seconds()
        return cls(Redis.from_url(redis_url, socket_connect_timeout=seconds, socket_timeout=seconds))

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose()

    async def find(self, digest: str) -> str | None:
        """Return the document with a hash. A text that others have written to Redis counts only if its hash fits."""
        try:
            async with asyncio.timeout(REDIS_WITHIN.total_seconds()):
                stored: bytes | None = await self._redis.getex(KEY + digest, ex=STORED_FOR)
        except REDIS_ERRORS as error:
            logger.debug("A document cannot be read.", extra={"action": "document_not_read", "error": str(error)})
            return None
        found = None if stored is None else stored.decode(errors="replace")
        return found if found is not None and hashed(found) == digest else None

    async def store(self, digest: str, query: str) -> None:
        """Store a document, or extend the time for which it is stored."""
        try:
            async with asyncio.timeout(REDIS_WITHIN.total_seconds()):
                await self._redis.set(KEY + digest, query.encode(), ex=STORED_FOR)
        except REDIS_ERRORS as error:
            logger.debug("A document cannot be stored.", extra={"action": "document_not_stored", "error": str(error)})


def hashed(query: str) -> str:
    """Return the hash of a document."""
    return sha256(query.encode(errors="surrogatepass")).hexdigest()
