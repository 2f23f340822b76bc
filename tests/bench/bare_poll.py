"""The counterpart of an idle worker: a process that asks Postgres and Redis once a second whether anything is due.

Run it as `python -m tests.bench.bare_poll POSTGRES_URL REDIS_URL`, until it is ended.
"""

import asyncio
import sys

import asyncpg
from redis.asyncio import Redis

from duetime import loop


async def main(postgres_url: str, redis_url: str) -> None:
    """Ask until cancelled."""
    redis = Redis.from_url(redis_url)
    connection = await asyncpg.connect(postgres_url)
    is_due = await connection.prepare("SELECT EXISTS (SELECT FROM tasks WHERE due_at <= clock_timestamp())")
    while True:
        await is_due.fetchval()
        await redis.zcount("bare_poll", "-inf", "+inf")
        await asyncio.sleep(1)


if __name__ == "__main__":
    loop.run(main(sys.argv[1], sys.argv[2]))
