"""Persisted documents: the holder of a key cannot fill Redis with them."""

from hashlib import sha256
from typing import Any

import pytest
from redis.asyncio import Redis

from db.settings import DatabaseSettings
from graphql_api.settings import ApiSettings
from jobs.settings import JobsSettings
from tests.support.engine import opened
from tests.support.graphql import Api
from tests.support.keys import bearer, guarded, make_key

QUOTA = 3
SETTINGS = ApiSettings.model_construct(auth="keys", max_persisted=QUOTA)


def document(number: int) -> str:
    """Return one of as many documents as an attacker wants."""
    return f"{{ a{number}: __typename }}"


async def send(api: Api, number: int, token: str, *, alone: bool = False) -> Any:
    """Send a document with its hash, or its hash alone, and return the code of the error, or None."""
    extension = {"version": 1, "sha256Hash": sha256(document(number).encode()).hexdigest()}
    request: dict[str, Any] = {"extensions": {"persistedQuery": extension}}
    if not alone:
        request["query"] = document(number)
    response = (await api.http.post("/graphql", json=request, headers=bearer(token))).json()
    return response["errors"][0]["extensions"]["code"] if "errors" in response else None


@pytest.fixture
async def tokens(database: DatabaseSettings) -> tuple[str, str]:
    """Return two keys."""
    async with opened(database) as engine:
        return await make_key(engine, "attacker"), await make_key(engine, "other")


async def test_a_key_has_a_quota_of_persisted_documents(
    database: DatabaseSettings, jobs_settings: JobsSettings, redis_url: str, tokens: tuple[str, str]
) -> None:
    """Beyond its quota a key gets an error of its own. What it has stored, and other keys, go on working."""
    attacker, other = tokens
    async with guarded(database, jobs_settings, settings=SETTINGS) as api, Redis.from_url(redis_url) as redis:
        codes = [await send(api, number, attacker) for number in range(20)]
        assert codes == [None] * QUOTA + ["PERSISTED_QUERY_QUOTA_EXCEEDED"] * (20 - QUOTA)
        assert len(await redis.keys("duetime:apq:*")) == QUOTA
        assert await send(api, 0, attacker, alone=True) is None
        assert await send(api, 0, attacker) is None
        assert await send(api, QUOTA, attacker, alone=True) == "PERSISTED_QUERY_NOT_FOUND"

        assert await send(api, QUOTA, other) is None
        # What another key has stored takes no room of this one's.
        assert await send(api, QUOTA, attacker) is None
        assert min([await redis.ttl(key) for key in await redis.keys("*persisted-by*")]) > 86_000


async def test_documents_that_have_expired_make_room(
    database: DatabaseSettings, jobs_settings: JobsSettings, redis_url: str, tokens: tuple[str, str]
) -> None:
    """The quota counts the documents of a day. Using one does not make room for more."""
    attacker, _ = tokens
    async with guarded(database, jobs_settings, settings=SETTINGS) as api, Redis.from_url(redis_url) as redis:
        for number in range(QUOTA):
            assert await send(api, number, attacker) is None
        [owned] = await redis.keys("*persisted-by*")
        for member in await redis.zrange(owned, 0, -1):
            await redis.zadd(owned, {member: 1})
        assert await send(api, 0, attacker, alone=True) is None
        assert [await send(api, number, attacker) for number in (QUOTA, QUOTA + 1, QUOTA + 2)] == [
            None,
            None,
            "PERSISTED_QUERY_QUOTA_EXCEEDED",
        ]
