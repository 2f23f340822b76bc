"""What the end of an attempt makes of its run: pure, so `now` and randomness are arguments."""

import json
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from db.engine.finishes import Finish
from db.states import RunState
from jobs.http.client import Action, Response
from jobs.retry import RetryPolicy, parse_retry_after

GONE = 410
"""The target says that it is gone for good, so no further attempt is made (RFC 9110, 15.5.11)."""


class Attempt(NamedTuple):
    """One attempt that this worker has claimed: which run it is of, what to send, and how often to try."""

    run_id: UUID
    task_id: UUID
    task_name: str
    epoch: int
    number: int
    scheduled_for: datetime
    host: str
    one_off: bool
    releases: bool
    action: Action
    retry: RetryPolicy

    @property
    def key(self) -> tuple[UUID, int]:
        """The run, and the claim of it."""
        return self.run_id, self.epoch


def finish_of(attempt: Attempt, answer: Response, *, randomness: float) -> Finish:
    """Success is any 2xx. Everything else is tried again while the task's retry policy has attempts left."""
    ended_at = answer.started_at + answer.duration
    succeeded = answer.status_code is not None and 200 <= answer.status_code < 300
    delay = None if succeeded else delay_before_next(attempt, answer, ended_at=ended_at, randomness=randomness)
    state = RunState.SUCCEEDED if succeeded else RunState.FAILED if delay is None else RunState.RETRYING
    return Finish(
        run_id=attempt.run_id,
        task_id=attempt.task_id,
        epoch=attempt.epoch,
        one_off=attempt.one_off,
        releases=attempt.releases,
        state=state,
        started_at=answer.started_at,
        ended_at=ended_at,
        next_attempt_at=None if delay is None else ended_at + delay,
        duration_ms=round(answer.duration / timedelta(milliseconds=1)),
        status_code=answer.status_code,
        response_headers=None if answer.headers is None else json.dumps(answer.headers),
        response_body=answer.body,
        body_encoding=answer.encoding,
        body_truncated=answer.truncated,
        error_message=None if succeeded else answer.error or f"the target answered {answer.status_code}",
    )


def delay_before_next(attempt: Attempt, answer: Response, *, ended_at: datetime, randomness: float) -> timedelta | None:
    """How long after a failed attempt the next one starts; None when there is none."""
    if answer.refused or answer.status_code == GONE:
        return None
    wish = answer.header("retry-after")
    retry_after = None if wish is None else parse_retry_after(wish, now=ended_at)
    return attempt.retry.delay_after(attempt.number, randomness=randomness, retry_after=retry_after)


def unwritable(finish: Finish) -> Finish:
    """The same end without what came back, for an answer that the database will not take."""
    return finish._replace(
        state=RunState.FAILED,
        next_attempt_at=None,
        response_headers=None,
        response_body=None,
        body_truncated=True,
        error_message="the answer holds something that cannot be stored",
    )
