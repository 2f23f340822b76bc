"""Stores GraphQL documents in Redis by their SHA-256, for automatic persisted queries.

The number of documents of an owner, which is an API key, is limited. Documents and lists of owners expire, so a full
Redis with the policy volatile-lru evicts the least recently used ones.
"""

import asyncio
import logging
from datetime import timedelta
from hashlib import sha256
from typing import Self

from redis.asyncio import Redis

from db.connection import message_of
from jobs.queue import REDIS_ERRORS
from jobs.redis_pool import open_client

logger = logging.getLogger(__name__)

KEY = "duetime:apq:"
OWNER_KEY = "duetime:persisted-by:"
"""A sorted set for each owner: the hashes of its documents, by the second in which they expire."""
STORED_FOR = timedelta(hours=24)
"""How long a document is stored after its last use."""
SECONDS = int(STORED_FOR.total_seconds())
REDIS_WITHIN = timedelta(milliseconds=500)
"""How long a Redis that hangs may delay an operation."""
# KEYS: the document, its owner's list. ARGV: the hash, seconds until both expire.
FIND = """
local found = redis.call('GETEX', KEYS[1], 'EX', ARGV[2])
if found and redis.call('ZSCORE', KEYS[2], ARGV[1]) then
    redis.call('ZADD', KEYS[2], redis.call('TIME')[1] + ARGV[2], ARGV[1])
    redis.call('EXPIRE', KEYS[2], ARGV[2])
end
return found
"""
# The same, and then the document and the quota. A document that another owner has stored does not count.
STORE = """
local now = redis.call('TIME')[1]
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local counted = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not counted and redis.call('EXISTS', KEYS[1]) == 0 then
    if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[4]) then
        return 0
    end
    counted = true
end
if counted then
    redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])
    redis.call('EXPIRE', KEYS[2], ARGV[2])
end
redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[2])
return 1
"""


class QuotaExceeded(Exception):
    """An owner has stored as many documents as it may."""


class DocumentStore:
    """The documents in Redis, by their hashes. Without Redis it stores nothing, and finds nothing."""

    def __init__(self, redis: Redis, *, quota: int) -> None:
        self.quota = quota
        self._redis = redis
        self._find = redis.register_script(FIND)
        self._store = redis.register_script(STORE)

    @classmethod
    def open(cls, redis_url: str, *, quota: int) -> Self:
        """Return a store that connects when it is first used. An owner can have `quota` documents in it."""
        return cls(open_client(redis_url, connect_within=REDIS_WITHIN, answers_within=REDIS_WITHIN), quota=quota)

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose()

    async def find(self, digest: str, *, owner: str) -> str | None:
        """Return the document with a hash. A text that others have written to Redis counts only if its hash fits."""
        try:
            async with asyncio.timeout(REDIS_WITHIN.total_seconds()):
                stored: bytes | None = await self._find(keys=keys_of(digest, owner), args=[digest, SECONDS])
        except REDIS_ERRORS as error:
            logger.debug(
                "A document cannot be read.", extra={"action": "document_not_read", "error": message_of(error)}
            )
            return None
        found = None if stored is None else stored.decode(errors="replace")
        return found if found is not None and hashed(found) == digest else None

    async def store(self, digest: str, query: str, *, owner: str) -> None:
        """Store a document, or extend the time for which it is stored. Raises `QuotaExceeded`."""
        arguments: list[str | bytes | int] = [digest, SECONDS, query.encode(), self.quota]
        try:
            async with asyncio.timeout(REDIS_WITHIN.total_seconds()):
                accepted = await self._store(keys=keys_of(digest, owner), args=arguments)
        except REDIS_ERRORS as error:
            logger.debug(
                "A document cannot be stored.", extra={"action": "document_not_stored", "error": message_of(error)}
            )
            return
        if not accepted:
            raise QuotaExceeded


def keys_of(digest: str, owner: str) -> list[str]:
    """Return the keys of a document and of its owner's list."""
    return [KEY + digest, OWNER_KEY + owner]


def hashed(query: str) -> str:
    """Return the hash of a document."""
    return sha256(query.encode(errors="surrogatepass")).hexdigest()
