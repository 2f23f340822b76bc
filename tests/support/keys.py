"""API keys for tests, and APIs that require them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from db.models import utc_now
from db.settings import DatabaseSettings
from db.states import KeyScope
from graphql_api.settings import ApiSettings
from jobs.security.api_keys import create_key, revoke_key
from jobs.settings import JobsSettings
from tests.support.graphql import Api, serving

KEYS_WANTED = ApiSettings.model_construct(auth="keys")
BEHIND_A_PROXY = ApiSettings.model_construct(auth="keys", proxies="127.0.0.1")


async def make_key(
    engine: AsyncEngine, name: str, *, scope: KeyScope = KeyScope.ADMIN, expires_at: datetime | None = None
) -> str:
    """Create a key and return its token."""
    async with AsyncSession(engine) as session, session.begin():
        _, token = await create_key(session, name=name, scope=scope, now=utc_now(), expires_at=expires_at)
    return token


async def revoke(engine: AsyncEngine, name: str) -> None:
    """Revoke the key with that name."""
    async with AsyncSession(engine) as session, session.begin():
        await revoke_key(session, name, now=utc_now())


def bearer(token: str) -> dict[str, str]:
    """Return the header that contains a key."""
    return {"authorization": f"Bearer {token}"}


@asynccontextmanager
async def guarded(
    database: DatabaseSettings, jobs: JobsSettings, *, settings: ApiSettings = KEYS_WANTED
) -> AsyncIterator[Api]:
    """Serve an API that requires keys, with a client that sends none."""
    async with serving(database, jobs, settings=settings) as api:
        yield api
