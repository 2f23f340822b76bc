"""Everything stored in Postgres and Redis, as text, to search it for what must not be stored."""

from collections.abc import AsyncIterator
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"


async def dump(engine: AsyncEngine, redis_url: str) -> str:
    """Return every row of every table and partition, and every key of Redis with its value."""
    lines = [line async for line in rows(engine)]
    async with Redis.from_url(redis_url) as client:
        for key in await client.keys("*"):
            kind, kept = await client.type(key), await client.dump(key)
            # A key that has expired since the keys were listed has the type none.
            if kind != b"none":
                lines.append(f"{key!r} {kept!r} {await texts_of(client, key, kind)!r}")
    return "\n".join(lines)


async def texts_of(client: Any, key: bytes, kind: bytes) -> object:
    """Return the value of a key, uncompressed."""
    match kind:
        case b"string":
            return await client.get(key)
        case b"hash":
            return await client.hgetall(key)
        case b"zset":
            return await client.zrange(key, 0, -1, withscores=True)
        case b"list":
            return await client.lrange(key, 0, -1)
        case b"set":
            return await client.smembers(key)
        case b"stream":
            return await client.xrange(key)
        case other:
            raise AssertionError(f"{key!r} is a {other!r}")


async def rows(engine: AsyncEngine) -> AsyncIterator[str]:
    """Yield every row as JSON."""
    async with engine.connect() as connection:
        for table in (await connection.execute(text(TABLES))).scalars().all():
            for row in (await connection.execute(text(f"SELECT to_jsonb(t)::text FROM {table} AS t"))).scalars():
                yield f"{table} {row}"
