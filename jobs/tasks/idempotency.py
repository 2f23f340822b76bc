"""Idempotency keys: a request with a key creates one thing, however often it is sent."""

import dataclasses
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

from jobs import json_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A client's key within a scope, which is the mutation and what it acts on. Stored as a SHA-256: any text is valid.

    `input_digest` is that of the input, which has to be the same each time. The input may contain secrets, so only the
    fingerprint of this digest is stored (see `SecretKeys.fingerprint`).
    """

    scope: str
    digest: str
    input_digest: str = ""

    @classmethod
    def of(cls, key: str, *, scope: str, input_digest: str = "") -> Self:
        """Return the key that a client sent."""
        digest = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        return cls(scope=scope, digest=digest, input_digest=input_digest)


def digest_of(draft: Any) -> str:
    """Return the SHA-256 of a draft as JSON with sorted members, so that equal drafts have the same digest.

    Members of the draft that are None were not given. They do not count, so that a draft keeps its digest when a later
    version adds such a member.
    """
    compared = {each.name for each in dataclasses.fields(draft) if each.compare}
    given = dataclasses.asdict(draft).items()
    members = {name: value for name, value in given if name in compared and value is not None}
    return sha256(json_value.sorted_text(members).encode()).hexdigest()
