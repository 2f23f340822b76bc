"""Secret headers: sealed when a task is saved, opened for its calls, and never shown.

A task's headers are stored as JSON, a plain value as text and a secret one as `{"sealed": …}`. A seal belongs to the
header's name and the URL's origin: copied to a task that calls another origin, it does not open.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from db.models import Task, TaskVersion
from jobs.security.encryption import SecretKeys

SECRET_NAMES = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})
"""Headers that are always secret."""
MIN_LENGTH = 6
"""A shorter secret would occur in every response by chance, so it could not be masked there."""
SCHEME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A scheme of authentication by RFC 9110, section 11.1: a token, which a space separates from the credentials."""
SEALED = "sealed"
MASK = "********"
"""The text shown in place of a secret. When REST sends it back, the stored secret stays."""

Headers = Mapping[str, Any]
"""The headers of a task as they are stored: by name, text or `{"sealed": text}`."""


def in_order(task: Task | TaskVersion) -> Headers:
    """Return the headers of a task in the order in which they were given; imported ones have no defined order."""
    return ordered(task.headers or {}, task.header_order)


def ordered(headers: Headers, order: Sequence[str] | None) -> dict[str, Any]:
    """Return stored headers in an order of their names, and those without a place in it behind the others."""
    return {name: headers[name] for name in order or () if name in headers} | dict(headers)


def is_secret_name(name: str) -> bool:
    """Return whether a header with this name is always secret."""
    return name.lower() in SECRET_NAMES


def is_too_short(value: str) -> bool:
    """Return whether a secret value, or what follows its scheme, is too short to be masked. Nothing is no secret."""
    value = value.strip(" \t")
    scheme, _, credentials = value.partition(" ")
    credentials = credentials.strip()
    return 0 < len(value) < MIN_LENGTH or (SCHEME.fullmatch(scheme) is not None and 0 < len(credentials) < MIN_LENGTH)


def is_sealed(value: Any) -> bool:
    """Return whether a stored value is a secret."""
    return isinstance(value, dict)


def sealed_values(headers: Headers | None) -> dict[str, str]:
    """Return the seals of a task's secret headers, by name in lower case."""
    return {name.lower(): value[SEALED] for name, value in (headers or {}).items() if is_sealed(value)}


def seal(value: str, *, name: str, origin: str, keys: SecretKeys) -> dict[str, str]:
    """Return a secret value in its stored form. Raises `NoSecretKey`."""
    return {SEALED: keys.seal(value, context=context(name, origin))}


def open_headers(headers: Headers, *, origin: str, keys: SecretKeys) -> dict[str, str]:
    """Return the headers with their secrets open, for a call to that origin. Raises `NoSecretKey`."""
    return {
        name: keys.open(value[SEALED], context=context(name, origin)) if is_sealed(value) else value
        for name, value in headers.items()
    }


def context(name: str, origin: str) -> bytes:
    """Return the context to which a seal belongs."""
    return f"header {name.lower()} to {origin}".encode()
