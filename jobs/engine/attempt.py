"""One attempt, from the claim to its outcome, as a pipeline::

open secrets ──▶ sign ──▶ call ──▶ redact ──▶ outcome
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

from db.engine.finishes import Finish
from jobs.engine.claimed import Attempt
from jobs.engine.outcome import finish_of
from jobs.http.client import Response
from jobs.http.redaction import redacted
from jobs.http.request import Action, origin_of
from jobs.security.encryption import NoSecretKey, SecretKeys
from jobs.security.secret_headers import is_sealed, open_headers
from jobs.security.signatures import signature_headers


class Caller(Protocol):
    """Makes HTTP calls; `jobs.http.client.HttpCaller` does."""

    async def call(self, action: Action, *, headers: Mapping[str, str]) -> Response:
        """Make the call and return the response. Raises nothing but cancellation."""


async def make_attempt(
    attempt: Attempt, *, caller: Caller, secrets: SecretKeys, now: datetime, randomness: float
) -> Finish:
    """Make the call of an attempt and return how it ended.

    `now` dates the signature; `randomness`, from 0 to 1, spreads retries. Raises nothing but cancellation.
    """
    try:
        action = with_open_secrets(attempt.action, secrets=secrets)
        headers = duetime_headers(attempt) | signature_of(attempt, secrets=secrets, at=now)
    except NoSecretKey as error:
        response = Response(started_at=now, duration=timedelta(), error=str(error), refused=True)
    else:
        response = await caller.call(action, headers=headers)
        if action.secret_names:
            response = redacted(response, [action.headers[name] for name in action.secret_names])
    return finish_of(attempt, response, randomness=randomness)


def with_open_secrets(action: Action, *, secrets: SecretKeys) -> Action:
    """Return the action with its secret headers decrypted. Raises `NoSecretKey`."""
    names = [name for name, value in action.headers.items() if is_sealed(value)]
    if not names:
        return action
    opened = open_headers(action.headers, origin=origin_of(action.url), keys=secrets)
    return action._replace(headers=opened, secret_names=names)


def signature_of(attempt: Attempt, *, secrets: SecretKeys, at: datetime) -> dict[str, str]:
    """Return the headers that sign the call, or none where the task has no signing secrets. Raises `NoSecretKey`."""
    sealed = attempt.action.signing_secrets
    if not sealed:
        return {}
    body = attempt.action.content.data
    return signature_headers(sealed, keys=secrets, run_id=attempt.run_id, at=at, body=body)


def duetime_headers(attempt: Attempt) -> dict[str, str]:
    """Return the headers of every call, unless the task sets them itself. All attempts of a run share the key."""
    return {
        "Idempotency-Key": str(attempt.run_id),
        "X-Duetime-Scheduled-For": attempt.scheduled_for.isoformat().replace("+00:00", "Z"),
        "X-Duetime-Attempt": str(attempt.number),
    }
