"""API keys, as admin keys see them, and the caller, as everybody sees himself."""

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry import UNSET

from db import models
from db.models import utc_now
from db.states import KeyScope
from graphql_api.types import enums  # noqa: F401 (describes the enums)
from graphql_api.types.refusals import Conflict, InvalidInput, NotFound
from jobs.security.api_keys import Caller, valid


@strawberry.type(description="An API key. The key itself is not stored, only its hash.")
class ApiKey:
    """A key without its token."""

    id: strawberry.ID = strawberry.field(description="The key's id, a UUID; `keyId` in the audit log.")
    name: str = strawberry.field(description="The name, unique among valid keys; `keyName` in the audit log.")
    scope: KeyScope = strawberry.field(description="What its holder may do.")
    created_at: datetime = strawberry.field(description="When the key was created.")
    expires_at: datetime | None = strawberry.field(description="When the key expires; null means never.")
    last_used_at: datetime | None = strawberry.field(
        description="When the key was last used, to the minute; null if it never was."
    )
    revoked_at: datetime | None = strawberry.field(description="When the key was revoked; null if it was not.")
    active: bool = strawberry.field(description="Whether the key is valid: neither revoked nor expired.")

    @staticmethod
    def of(row: models.ApiKey) -> "ApiKey":
        """Return a key from its row."""
        return ApiKey(
            id=strawberry.ID(str(row.id)),
            name=row.name,
            scope=row.scope,
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
            active=valid(row, utc_now()),
        )


@strawberry.type(description="A new API key.")
class CreatedApiKey:
    """A key with its token."""

    api_key: ApiKey = strawberry.field(description="The key as it is listed.")
    key: str = strawberry.field(
        description="The token that its holder sends as `Authorization: Bearer …`. It is shown only here, and cannot "
        "be shown again."
    )


@strawberry.input(description="A new API key.")
class CreateApiKeyInput:
    """A key to create."""

    name: str = strawberry.field(
        description="The name, which no other valid key has: 1 to 64 letters, digits, or . _ @ -, with spaces in "
        "between only. It cannot be changed."
    )
    scope: KeyScope = strawberry.field(description="What its holder may do. It cannot be changed.")
    expires_at: datetime | None = strawberry.field(
        default=UNSET, description="When the key expires; absent or null means never."
    )


@strawberry.type(description="Who makes this request.")
class Viewer:
    """The caller."""

    keys_required: bool = strawberry.field(
        description="Whether requests need an API key. If not, everyone has the scope ADMIN."
    )
    key_name: str | None = strawberry.field(description="The name of the caller's key; null if no key is required.")
    scope: KeyScope = strawberry.field(description="What the caller may do.")
    expires_at: datetime | None = strawberry.field(description="When the caller's key expires; null means never.")

    @staticmethod
    def of(caller: Caller, *, keys_required: bool) -> "Viewer":
        """Return the viewer from the caller."""
        return Viewer(
            keys_required=keys_required,
            key_name=caller.name if keys_required else None,
            scope=caller.scope,
            expires_at=caller.expires_at,
        )


CreateApiKeyResult = Annotated[
    CreatedApiKey | InvalidInput | Conflict,
    strawberry.union("CreateApiKeyResult", description="The new key, or why it was not created."),
]
RevokeApiKeyResult = Annotated[
    ApiKey | NotFound | Conflict,
    strawberry.union("RevokeApiKeyResult", description="The key, which is no longer valid, or why it was not revoked."),
]
