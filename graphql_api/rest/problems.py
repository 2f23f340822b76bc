"""The domain's refusals in the words that clients of the old service match on."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from graphql_api.rest.form import BadRequest
from jobs.errors import InvalidInput
from jobs.http.request import NO_VALUE, HeaderDraft
from jobs.problems import Problem
from jobs.security.secret_headers import MASK
from jobs.triggers.schedule import OneOff, Requested


@contextmanager
def in_old_words(*, at: datetime | None, headers: Sequence[HeaderDraft], now: datetime) -> Iterator[None]:
    """Raise `BadRequest` with all problems in the old service's words where the block raises `InvalidInput`.

    `headers`, and `at` of a one-off, are those of the request.
    """
    try:
        yield
    except InvalidInput as error:
        past = at is not None and at <= now
        raise BadRequest("; ".join(words(problem, past=past, headers=headers) for problem in error.problems)) from error


def instant_of(trigger: Requested) -> datetime | None:
    """Return the instant of a one-off."""
    return trigger.at if isinstance(trigger, OneOff) else None


def words(problem: Problem, *, past: bool, headers: Sequence[HeaderDraft]) -> str:
    """Return one problem, by the names of this API's members."""
    match problem.path:
        case ("trigger", "oneOff", "at") if past:
            return "datetime must be in the future"
        case ("trigger", "oneOff", "at"):
            where = "trigger.datetime"
        case ("trigger", "cron", "expression"):
            where = "invalid cron expression"
        case ("trigger", "interval", "everyMs"):
            where = "invalid cron expression: @every"
        case ("trigger", _, member):
            message = problem.message.replace("startAt", "start_at").replace("everyMs", "the duration of @every in ms")
            return f"trigger.{snake(member)}: {message}"
        case ("action", "headers", place, _) if problem.message == NO_VALUE:
            return (
                f"action.headers.{headers[int(place)].name[:100]}: {MASK} stands for a stored value, and none is "
                "stored; send the value itself"
            )
        case ("action", "headers", place, _):
            where = f"action.headers.{headers[int(place)].name[:100]}"
        case ("headers", place, _):
            where = f"headers.{headers[int(place)].name[:100]}"
        case _:
            where = ".".join(snake(step) for step in problem.path)
    return f"{where}: {problem.message}"


def snake(name: str) -> str:
    """Return timeoutMs as timeout_ms."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: f"_{found.group().lower()}", name)
