"""A request with a key makes one thing, however often it is sent: the first makes it, the others are told of it."""

import dataclasses
import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A client's key within a scope: the mutation and what it acts on. Any text will do, so its SHA-256 is kept.

    The fingerprint is that of the input, which has to be the same each time.
    """

    scope: str
    digest: str
    fingerprint: str = ""

    @classmethod
    def of(cls, key: str, *, scope: str, fingerprint: str = "") -> Self:
        """The key that a client sent."""
        digest = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        return cls(scope=scope, digest=digest, fingerprint=fingerprint)


def fingerprint(draft: Any) -> str:
    """SHA-256 of a draft as JSON with sorted members: equal drafts, and hardly any others, have it in common."""
    text = json.dumps(dataclasses.asdict(draft), sort_keys=True, default=str)
    return sha256(text.encode()).hexdigest()
