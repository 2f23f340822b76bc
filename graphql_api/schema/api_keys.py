"""The part of the root types that concerns API keys. All of it but `viewer` needs an admin key."""

from typing import Annotated

import strawberry

from db.models import utc_now
from db.security import api_keys
from db.states import KeyScope
from graphql_api import ids
from graphql_api.context import Info
from graphql_api.schema.admin import admin_session
from graphql_api.types.api_keys import (
    ApiKey,
    CreateApiKeyInput,
    CreateApiKeyResult,
    CreatedApiKey,
    RevokeApiKeyResult,
    Viewer,
)
from graphql_api.types.scalars import given_or_none
from jobs.security.api_keys import create_key, revoke_key_of_another


@strawberry.type
class ApiKeyQueries:
    """What can be read."""

    @strawberry.field(description="Returns the caller of this request, and what the caller may do.")
    async def viewer(self, info: Info) -> Viewer:
        """Return the caller."""
        caller = info.context.need(KeyScope.READ)
        return Viewer.of(caller, keys_required=info.context.services.authenticator.keys_wanted)

    @strawberry.field(
        description="Lists all API keys, also those that are no longer valid, oldest first. Needs an admin key."
    )
    async def api_keys(self, info: Info) -> list[ApiKey]:
        """Return all keys."""
        async with admin_session(info) as session:
            return [ApiKey.of(row) for row in await api_keys.everything(session)]


@strawberry.type
class ApiKeyMutations:
    """What can be changed."""

    @strawberry.mutation(description="Creates an API key, which is valid at once. Needs an admin key.")
    async def create_api_key(
        self,
        info: Info,
        input: Annotated[CreateApiKeyInput, strawberry.argument(description="The key.")],  # noqa: A002
    ) -> CreateApiKeyResult:
        """Create a key, or return every problem at once."""
        caller = info.context.need(KeyScope.ADMIN)
        async with info.context.services.transaction(caller) as work:
            row, token = await create_key(
                work.session,
                name=input.name,
                scope=input.scope,
                now=utc_now(),
                expires_at=given_or_none(input.expires_at),
                caller=caller,
            )
        return CreatedApiKey(api_key=ApiKey.of(row), key=token)

    @strawberry.mutation(
        description="Revokes an API key. Its open connections are closed within seconds. The caller's own key and the "
        "last valid admin key are not revoked, which is a Conflict; a key that is already revoked is returned "
        "unchanged. Needs an admin key."
    )
    async def revoke_api_key(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The key's id, a UUID.")],  # noqa: A002
    ) -> RevokeApiKeyResult:
        """Revoke a key. Repeating the call has no further effect."""
        caller = info.context.need(KeyScope.ADMIN)
        key_id = ids.parse(id)
        async with info.context.services.transaction(caller) as work:
            row = await revoke_key_of_another(work.session, key_id, now=utc_now(), caller=caller)
        info.context.services.authenticator.forget(key_id)
        return ApiKey.of(row)
