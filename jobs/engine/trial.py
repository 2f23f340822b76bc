"""Trials of actions: one call now, through the pipeline of attempts, without storing anything."""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from db.engine.finishes import Finish
from jobs.engine.attempt import Caller, make_attempt
from jobs.engine.claimed import Attempt
from jobs.http.body import content_of
from jobs.http.request import Action
from jobs.http.statuses import SUCCESS, statuses
from jobs.retry import RetryPolicy
from jobs.security.encryption import SecretKeys
from jobs.security.secret_headers import ordered

AT_ONCE = 10
"""Maximum number of concurrent trials in one process; each may last as long as an attempt."""
NO_TASK = UUID(int=0)


class TooManyTrials(Exception):
    """The maximum number of trials is in progress."""


class Trials:
    """The trials of one process."""

    def __init__(self, *, caller: Caller, secrets: SecretKeys) -> None:
        self._caller = caller
        self._secrets = secrets
        self._slots = asyncio.Semaphore(AT_ONCE)

    def check(self) -> None:
        """Raise `TooManyTrials` unless a trial may begin."""
        if self._slots.locked():
            raise TooManyTrials

    async def make(self, columns: Mapping[str, Any], *, now: datetime) -> Finish:
        """Make the call of an action, whose columns were checked, and return how it ended. Raises `TooManyTrials`."""
        self.check()
        async with self._slots:
            return await make_attempt(
                attempt_of(columns, now=now), caller=self._caller, secrets=self._secrets, now=now, randomness=0
            )


def attempt_of(columns: Mapping[str, Any], *, now: datetime) -> Attempt:
    """Return the only attempt of a run that does not exist."""
    payload, body = columns["payload"], columns["body"]
    return Attempt(
        run_id=uuid4(),
        task_id=NO_TASK,
        task_name="",
        epoch=1,
        number=1,
        scheduled_for=now,
        host=columns["host"],
        one_off=False,
        releases=False,
        action=Action(
            method=columns["method"],
            url=columns["url"],
            headers=ordered(columns["headers"] or {}, columns["header_order"]),
            content=content_of(None if payload is None else payload.text, None if body is None else json.dumps(body)),
            timeout=timedelta(milliseconds=columns["timeout_ms"]),
            redirects=columns["redirects"],
            signing_secrets=columns["signing_secrets"] or (),
        ),
        retry=RetryPolicy(max_attempts=1),
        success=statuses(SUCCESS if columns["success_statuses"] is None else tuple(columns["success_statuses"])),
    )
