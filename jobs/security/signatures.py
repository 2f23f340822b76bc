"""Signatures of calls, by Standard Webhooks: a target with the secret can verify that a call is genuine and recent.

Each of a task's secrets signs, so that a secret can be replaced while the target always knows one of them:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hmac
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from jobs.problems import Problem
from jobs.security.encryption import NoSecretKey, SecretKeys

PREFIX = "whsec_"
MIN_BYTES, MAX_BYTES = 24, 64
MAX_SECRETS = 4
SHAPE = f"{PREFIX} and {MIN_BYTES} to {MAX_BYTES} random bytes in base64, as in {PREFIX}$(openssl rand -base64 32)"
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
CONTEXT = b"signing secret"


def problems_of(secrets: Sequence[str]) -> Iterator[Problem]:
    """Yield what is wrong with a task's secrets, without repeating one."""
    if len(secrets) > MAX_SECRETS:
        yield Problem(("signingSecrets",), f"has {len(secrets):,} secrets; at most {MAX_SECRETS} are accepted")
        return
    for place, secret in enumerate(secrets):
        at = ("signingSecrets", str(place))
        try:
            size = len(base64.b64decode(secret.removeprefix(PREFIX), validate=True))
        except (binascii.Error, ValueError):
            yield Problem(at, f"is not base64; write {SHAPE}")
            continue
        if not MIN_BYTES <= size <= MAX_BYTES:
            yield Problem(at, f"has {size:,} bytes; write {SHAPE}")
        elif secret in secrets[:place]:
            yield Problem(at, "is given twice")


def sealed(secrets: Sequence[str] | None, *, kept: Sequence[str], keys: SecretKeys) -> list[str] | None:
    """Return valid secrets in their stored form. With None, the `kept` ones stay.

    A secret that is stored already keeps its seal. Raises `NoSecretKey`.
    """
    if secrets is None:
        return list(kept) or None
    before = {}
    for seal in kept:
        with suppress(NoSecretKey):
            before[keys.open(seal, context=CONTEXT)] = seal
    return [before.get(secret) or keys.seal(secret, context=CONTEXT) for secret in secrets] or None


def signature_headers(
    seals: Sequence[str], *, keys: SecretKeys, run_id: UUID, at: datetime, body: bytes
) -> dict[str, str]:
    """Return the headers that sign a call at an instant. Retries have the same id. Raises `NoSecretKey`."""
    timestamp = str(int(at.timestamp()))
    signed = f"{run_id}.{timestamp}.".encode() + body
    signatures = [signature(keys.open(seal, context=CONTEXT), signed) for seal in seals]
    return dict(zip(HEADERS, (str(run_id), timestamp, " ".join(signatures)), strict=True))


def signature(secret: str, signed: bytes) -> str:
    """Return the signature of the bytes by a secret. The specification's library signs nothing but text."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}"
