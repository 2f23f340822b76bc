"""Headers whose values are secrets: sealed when a task is saved, opened when it calls, and shown to nobody.

A task's headers are kept as JSON, a plain value as text and a secret one as `{"sealed": …}`. What is sealed belongs to
the header's name and the URL's origin: copied to a task that calls somebody else, it does not open.
"""

from collections.abc import Mapping
from typing import Any

from db.models import Task, TaskVersion
from jobs.security.encryption import SecretKeys

SECRET_NAMES = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})
"""Headers that are secret whether or not anybody says so."""
SEALED = "sealed"
MASK = "********"
"""What stands for a secret where it cannot be left out; in REST, sent back, it keeps the secret that is stored."""

Headers = Mapping[str, Any]
"""The headers of a task as they are kept: by name, text or `{"sealed": text}`."""


def in_order(task: Task | TaskVersion) -> Headers:
    """The headers of a task in the order in which they were given; those of the old service in no certain one."""
    kept = task.headers or {}
    return {name: kept[name] for name in task.header_order or () if name in kept} | kept


def is_secret_name(name: str) -> bool:
    """Whether a header of this name is a secret by itself."""
    return name.lower() in SECRET_NAMES


def is_sealed(value: Any) -> bool:
    """Whether a kept value is a secret."""
    return isinstance(value, dict)


def sealed_values(headers: Headers | None) -> dict[str, str]:
    """The sealed texts of a task's secret headers, by name in lower case."""
    return {name.lower(): value[SEALED] for name, value in (headers or {}).items() if is_sealed(value)}


def seal(value: str, *, name: str, origin: str, keys: SecretKeys) -> dict[str, str]:
    """A secret value as it is kept. Raises `NoSecretKey`."""
    return {SEALED: keys.seal(value, context=context(name, origin))}


def open_headers(headers: Headers, *, origin: str, keys: SecretKeys) -> dict[str, str]:
    """The headers with their secrets, for a call to that origin. Raises `NoSecretKey`."""
    return {
        name: keys.open(value[SEALED], context=context(name, origin)) if is_sealed(value) else value
        for name, value in headers.items()
    }


def context(name: str, origin: str) -> bytes:
    """What a sealed value belongs to."""
    return f"header {name.lower()} to {origin}".encode()
