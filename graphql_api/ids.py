"""Ids as text."""

import re
from uuid import UUID

from graphql_api.errors import invalid_id

CANONICAL = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def read(text: str) -> UUID | None:
    """Return the id, or None if the text is not a UUID."""
    return UUID(text) if CANONICAL.fullmatch(text) else None


def parse(text: str) -> UUID:
    """Return the id. Raises GraphQL's INVALID_ID."""
    found = read(text)
    if found is None:
        raise invalid_id(text)
    return found
