"""The pipeline of one attempt: open secrets, sign, call, redact, outcome. No engine, no database, no network."""

import base64
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from standardwebhooks import Webhook

from db.states import RunState
from jobs.engine.attempt import make_attempt
from jobs.engine.claimed import Attempt
from jobs.http.body import Content
from jobs.http.client import Response
from jobs.http.request import Action
from jobs.retry import RetryPolicy
from jobs.security import signatures
from jobs.security.encryption import SecretKeys
from jobs.security.secret_headers import seal

NOW = datetime(2026, 1, 1, 9, tzinfo=UTC)
URL = "https://example.com/hook"
ORIGIN = "https://example.com:443"
RUN_ID = UUID(int=1)
KEYS = SecretKeys([bytes(32)])
SIGNING_SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


class FakeCaller:
    """Records the calls, and answers each with the same response."""

    def __init__(self, response: Response) -> None:
        self.response = response
        self.calls: list[tuple[Action, Mapping[str, str]]] = []

    async def call(self, action: Action, *, headers: Mapping[str, str]) -> Response:
        """Record the call."""
        self.calls.append((action, headers))
        return self.response


def attempt_with(*, number: int = 1, max_attempts: int = 3, **action: object) -> Attempt:
    """Return an attempt whose request has the given members."""
    request: dict[str, object] = {
        "method": "POST",
        "url": URL,
        "headers": {},
        "content": Content(b'{"a": 1}', "application/json"),
        "timeout": timedelta(seconds=1),
        "redirects": 0,
    }
    return Attempt(
        run_id=RUN_ID,
        task_id=UUID(int=2),
        task_name="a task",
        epoch=1,
        number=number,
        scheduled_for=NOW,
        host="example.com:443",
        one_off=True,
        releases=False,
        action=Action(**request | action),  # type: ignore[arg-type]  # the members of an Action, by name
        retry=RetryPolicy(
            max_attempts=max_attempts,
            initial_delay=timedelta(seconds=5),
            factor=2,
            max_delay=timedelta(minutes=5),
        ),
    )


def response(**members: object) -> Response:
    """Return a response that took a second."""
    return Response(started_at=NOW, duration=timedelta(seconds=1), **members)  # type: ignore[arg-type]  # by name


async def test_a_success_is_the_end_of_the_run() -> None:
    """The outcome has what came back, and the call carried Duetime's headers."""
    caller = FakeCaller(response(status_code=200, headers=[("A", "b")], body="done"))
    finish = await make_attempt(attempt_with(), caller=caller, secrets=SecretKeys(), now=NOW, randomness=0.5)
    assert (finish.state, finish.status_code, finish.response_body) == (RunState.SUCCEEDED, 200, "done")
    assert (finish.duration_ms, finish.error_message, finish.next_attempt_at) == (1000, None, None)
    [(action, headers)] = caller.calls
    assert action.content.data == b'{"a": 1}'
    assert headers == {
        "Idempotency-Key": str(RUN_ID),
        "X-Duetime-Scheduled-For": "2026-01-01T09:00:00Z",
        "X-Duetime-Attempt": "1",
    }


@pytest.mark.parametrize(
    ("number", "answer", "state"),
    [
        (1, response(status_code=500), RunState.RETRYING),
        (3, response(status_code=500), RunState.FAILED),
        (1, response(status_code=410), RunState.FAILED),
        (1, response(error="could not connect"), RunState.RETRYING),
        (1, response(error="not allowed", refused=True), RunState.FAILED),
    ],
    ids=["retried", "last attempt", "gone", "no connection", "refused"],
)
async def test_a_failure_is_retried_as_far_as_the_policy_allows(number: int, answer: Response, state: RunState) -> None:
    """A target that is gone, or that may not be called, is not called again."""
    attempt = attempt_with(number=number)
    finish = await make_attempt(attempt, caller=FakeCaller(answer), secrets=SecretKeys(), now=NOW, randomness=0.5)
    assert finish.state is state
    assert (finish.next_attempt_at is not None) == (state is RunState.RETRYING)
    assert finish.error_message


async def test_secret_headers_are_open_for_the_call_only() -> None:
    """The caller gets the value, and a response that repeats it is masked."""
    sealed = seal("Bearer s3cr3t-value", name="Authorization", origin=ORIGIN, keys=KEYS)
    caller = FakeCaller(response(status_code=200, headers=[("X-Echo", "s3cr3t-value")], body="you sent s3cr3t-value"))
    attempt = attempt_with(headers={"Authorization": sealed, "X-Plain": "p"})
    finish = await make_attempt(attempt, caller=caller, secrets=KEYS, now=NOW, randomness=0.5)
    [(action, _)] = caller.calls
    assert action.headers == {"Authorization": "Bearer s3cr3t-value", "X-Plain": "p"}
    assert list(action.secret_names) == ["Authorization"]
    assert "s3cr3t-value" not in f"{finish.response_body} {finish.response_headers}"


async def test_a_signed_call_verifies_with_the_standard_library() -> None:
    """The signature covers the run's id, the instant of the call, and the payload."""
    caller = FakeCaller(response(status_code=204))
    attempt = attempt_with(signing_secrets=[KEYS.seal(SIGNING_SECRET, context=signatures.CONTEXT)])
    now = datetime.now(UTC)
    await make_attempt(attempt, caller=caller, secrets=KEYS, now=now, randomness=0.5)
    [(action, headers)] = caller.calls
    assert Webhook(SIGNING_SECRET).verify(action.content.data, dict(headers)) == {"a": 1}
    assert headers["webhook-id"] == str(RUN_ID)


def test_a_signature_covers_bytes_that_are_no_text() -> None:
    """The specification's library signs text alone, so the signature of other bytes is computed here once more."""
    seal = KEYS.seal(SIGNING_SECRET, context=signatures.CONTEXT)
    run_id, body = UUID(int=1), b"\x00\xff"
    headers = signatures.signature_headers([seal], keys=KEYS, run_id=run_id, at=NOW, body=body)
    key = base64.b64decode(SIGNING_SECRET.removeprefix("whsec_"))
    signed = f"{run_id}.{headers['webhook-timestamp']}.".encode() + body
    assert headers["webhook-signature"] == "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


@pytest.mark.parametrize("secret", ["header", "signature"])
async def test_a_secret_that_no_key_opens_fails_without_a_call(secret: str) -> None:
    """The run fails at once and says why; nothing is sent."""
    caller = FakeCaller(response(status_code=200))
    attempt = (
        attempt_with(headers={"Authorization": seal("Bearer x", name="Authorization", origin=ORIGIN, keys=KEYS)})
        if secret == "header"
        else attempt_with(signing_secrets=[KEYS.seal(SIGNING_SECRET, context=signatures.CONTEXT)])
    )
    finish = await make_attempt(attempt, caller=caller, secrets=SecretKeys(), now=NOW, randomness=0.5)
    assert (finish.state, finish.next_attempt_at, caller.calls) == (RunState.FAILED, None, [])
    assert "DUETIME_SECRET_KEY" in str(finish.error_message)
