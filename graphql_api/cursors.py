"""Cursors: the place of a row in a list, as opaque text."""

import base64
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from db.postgres_text import is_postgres_text
from db.reads.keyset import Key
from db.reads.tasks import TaskOrder
from graphql_api import instants
from graphql_api.errors import invalid_cursor

RUNS = "runs"
EVENTS = "events"
AUDIT = "audit"
DELIVERIES = "deliveries"
VERSIONS = "versions"
NUMBERED = {AUDIT, VERSIONS}
"""Lists whose rows have numbers in place of UUIDs."""
MAX_SEQ = 2**63 - 1


def read_text(value: Any) -> str:
    """Return a name from a cursor. Raises `ValueError`."""
    if not isinstance(value, str) or not is_postgres_text(value):
        raise ValueError("no name")
    return value


def read_instant(value: Any) -> datetime:
    """Return an instant from a cursor. Raises `ValueError`."""
    return instants.parse(read_text(value))


def read_instant_or_null(value: Any) -> datetime | None:
    """Return an instant from a cursor, or None. Raises `ValueError`."""
    return None if value is None else read_instant(value)


def read_number(value: Any) -> int:
    """Return the number of a row from a cursor. Raises `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEQ:
        raise ValueError("no number")
    return value


READERS: dict[str, Callable[[Any], Any]] = {
    RUNS: read_instant,
    AUDIT: read_instant,
    DELIVERIES: read_instant,
    VERSIONS: read_number,
    TaskOrder.CREATED_AT_DESC: read_instant,
    TaskOrder.CREATED_AT_ASC: read_instant,
    TaskOrder.NEXT_RUN_AT_ASC: read_instant_or_null,
    TaskOrder.NAME_ASC: read_text,
}


def encode(listing: str, *parts: Any) -> str:
    """Return a cursor of one of the lists."""
    text = json.dumps([listing, *parts], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, listing: str, *, length: int) -> list[Any]:
    """Return the parts of a cursor of this list. Raises GraphQL's INVALID_CURSOR."""
    try:
        found = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars="-_", validate=True))
    except (ValueError, RecursionError):
        raise invalid_cursor("it is not one of this service's") from None
    if not isinstance(found, list) or len(found) != length + 1:
        raise invalid_cursor("it is not one of this service's")
    if found[0] != listing:
        raise invalid_cursor("it belongs to another list or order")
    return found[1:]


def of_row(listing: str, key: Key) -> str:
    """Return the cursor of a row."""
    value, row_id = key
    written = instants.write(value) if isinstance(value, datetime) else value
    return encode(listing, written, row_id.hex if isinstance(row_id, UUID) else row_id)


def key_of(cursor: str, listing: str) -> Key:
    """Return the key of the row that a cursor belongs to. Raises GraphQL's INVALID_CURSOR."""
    value, row_id = decode(cursor, listing, length=2)
    try:
        return READERS[listing](value), read_number(row_id) if listing in NUMBERED else UUID(hex=read_text(row_id))
    except ValueError:
        raise invalid_cursor("it is not one of this service's") from None


def of_event(seq: int) -> str:
    """Return the cursor of an event."""
    return encode(EVENTS, seq)


def seq_of(cursor: str) -> int:
    """Return the number of the event that a cursor belongs to. Raises GraphQL's INVALID_CURSOR."""
    [seq] = decode(cursor, EVENTS, length=1)
    try:
        return read_number(seq)
    except ValueError:
        raise invalid_cursor("it is not one of this service's") from None
