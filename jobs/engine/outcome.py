"""The outcome of an attempt: what its response means for the run. Pure, so `now` and randomness are arguments."""

import json
from datetime import datetime, timedelta
from typing import Any

from db.engine.finishes import Finish
from db.engine.flow import Pause
from db.states import RunState
from jobs.engine.claimed import Attempt
from jobs.http.client import Response
from jobs.retry import LONGEST_RETRY_AFTER, parse_retry_after

GONE = 410
"""The target is gone permanently, so there is no further attempt (RFC 9110, section 15.5.11)."""

ASKING_FOR_PAUSE = (429, 503)
"""With Retry-After, these apply to the host, not only to the request (RFC 6585, section 4; RFC 9110, section
15.6.4).
"""

KEPT_ERROR_CHARACTERS = 500
"""Secrets are masked before the message is cut, because a cut secret would not be found."""
EXCESS = "the target sent more than its response announces, which was discarded"
KEPT_URL_CHARACTERS = 2_000
"""Characters that are kept of the URL of each redirect, because a run can have 500 of them."""


def finish_of(attempt: Attempt, response: Response, *, randomness: float) -> Finish:
    """Return how the attempt ended.

    The task says which statuses are a success. After any other status the run is retried by its retry policy.
    """
    ended_at = response.started_at + response.duration
    succeeded = response.status_code in attempt.success and not response.incomplete and not response.refused
    delay = None if succeeded else delay_before_next(attempt, response, ended_at=ended_at, randomness=randomness)
    state = RunState.SUCCEEDED if succeeded else RunState.FAILED if delay is None else RunState.RETRYING
    return Finish(
        run_id=attempt.run_id,
        task_id=attempt.task_id,
        epoch=attempt.epoch,
        one_off=attempt.one_off,
        releases=attempt.releases,
        counts_failures=attempt.counts_failures,
        state=state,
        started_at=response.started_at,
        ended_at=ended_at,
        next_attempt_at=None if delay is None else ended_at + delay,
        duration_ms=round(response.duration / timedelta(milliseconds=1)),
        status_code=response.status_code,
        response_headers=None if response.headers is None else json.dumps(response.headers),
        response_body=response.body,
        body_encoding=response.encoding,
        body_truncated=response.truncated,
        error_message=None if succeeded else error_message_of(attempt, response)[:KEPT_ERROR_CHARACTERS],
        details=json.dumps(details) if (details := details_of(response)) else "{}",
        pause=pause_of(attempt, response, ended_at=ended_at),
    )


def error_message_of(attempt: Attempt, response: Response) -> str:
    """Return why an attempt failed: its status, and any further detail."""
    is_wrong_status = response.status_code is not None and response.status_code not in attempt.success
    reasons = [f"the target answered {response.status_code}"] if is_wrong_status else []
    return "; ".join([*reasons, *filter(None, (response.unfollowed, response.error))])


def details_of(response: Response) -> dict[str, Any]:
    """Return further details of an ended attempt, by the names in its record; absent names have no value."""
    details = {
        "response_error": response_error_of(response),
        "headers_truncated": response.headers_truncated,
        "resent": response.resent,
        "redirects": [[hop.status, shown(hop.url), hop.method] for hop in response.redirects],
    }
    return {name: value for name, value in details.items() if value}


def response_error_of(response: Response) -> str | None:
    """Return what is wrong with a response apart from its status, or None if nothing is, or if there is none."""
    if response.status_code is None:
        return None
    return response.error[:KEPT_ERROR_CHARACTERS] if response.error else EXCESS if response.excess else None


def shown(url: str) -> str:
    """Return a URL, or its beginning. Secrets are masked before, for the same reason."""
    size = len(url)
    return url if size <= KEPT_URL_CHARACTERS else f"{url[:KEPT_URL_CHARACTERS]}… ({size:,} characters)"


def delay_before_next(
    attempt: Attempt, response: Response, *, ended_at: datetime, randomness: float
) -> timedelta | None:
    """Return the delay between the end of a failed attempt and the next one, or None when there is no next one."""
    # A success that did not arrive completely is retried like a call without a response.
    is_lost = response.status_code is None or (response.incomplete and response.status_code in attempt.success)
    if response.refused or not is_retried(attempt, None if is_lost else response.status_code):
        return None
    header = response.retry_after
    retry_after = None if header is None else parse_retry_after(header, now=ended_at)
    delay = attempt.retry.delay_after(attempt.number, randomness=randomness, retry_after=retry_after)
    latest = attempt.retry.latest_start(attempt.scheduled_for)
    return None if delay is None or (latest is not None and ended_at + delay > latest) else delay


def pause_of(attempt: Attempt, response: Response, *, ended_at: datetime) -> Pause | None:
    """Return the pause that the host of an attempt asks for, if it does.

    After a redirect the response may come from another host.
    """
    if response.status_code not in ASKING_FOR_PAUSE or response.retry_after is None or response.redirects:
        return None
    asked = parse_retry_after(response.retry_after, now=ended_at)
    if not asked:
        return None
    return Pause(attempt.host, ended_at, ended_at + min(asked, LONGEST_RETRY_AFTER), response.status_code)


def is_retried(attempt: Attempt, status: int | None) -> bool:
    """Return whether the retry policy has another attempt after this status; None stands for a call without one."""
    if status is None:
        return True
    return status != GONE if attempt.retry.statuses is None else status in attempt.retry.statuses


def unwritable(finish: Finish) -> Finish:
    """Return the same outcome without the response, for a response that the database refuses to store."""
    return finish._replace(
        state=RunState.FAILED,
        next_attempt_at=None,
        response_headers=None,
        response_body=None,
        body_truncated=True,
        details="{}",
        error_message="the response contains data that cannot be stored",
    )
