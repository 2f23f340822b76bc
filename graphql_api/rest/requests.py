"""Requests of the old service's form, read into what the use cases take. Unknown members are ignored."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from db.models import Task
from db.states import LostPolicy, MisfirePolicy, OverlapPolicy
from graphql_api import instants
from jobs import json_value
from jobs.errors import InvalidInput, Problem
from jobs.http.request import MAX_REDIRECTS, NO_VALUE, ActionDraft, HeaderDraft
from jobs.legacy import cron_text
from jobs.security.secret_headers import MASK
from jobs.tasks.draft import RetryDraft, TaskChanges, TaskDraft
from jobs.triggers.columns import trigger_of
from jobs.triggers.schedule import Cron, Interval, OneOff, Trigger

Kind = TypeVar("Kind")
Choice = TypeVar("Choice", bound=StrEnum)


class BadRequest(Exception):
    """The request's form is wrong; the text says where."""


@dataclass(frozen=True, slots=True)
class Members:
    """A JSON object of a request. A member that is null counts as absent."""

    given: Mapping[str, Any]
    path: str = ""

    def take(self, name: str, kind: type[Kind], words: str) -> Kind | None:
        """A member of a kind. Raises `BadRequest` when it is of another."""
        value = self.given.get(name)
        if value is None or isinstance(value, kind):
            return value
        raise BadRequest(f"{self.path}{name} must be {words}")

    def number(self, name: str, words: str = "a number") -> float | None:
        """A member that is a number, whole or not."""
        value = self.given.get(name)
        # JSON's true is no number, though Python's is.
        if isinstance(value, int) and not isinstance(value, bool):
            return float(value) if abs(value) < 2**53 else math.inf
        return self.take(name, float, words)

    def whole(self, name: str) -> int | None:
        """A member that is a whole number; 5.0 is one too."""
        value = self.given.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        number = self.number(name, "a whole number")
        if number is None or number.is_integer():
            return None if number is None else int(number)
        raise BadRequest(f"{self.path}{name} must be a whole number")

    def required(self, name: str, kind: type[Kind], words: str) -> Kind:
        """A member that has to be there, and not be empty."""
        value = self.take(name, kind, words)
        if value is None or value == "":
            raise BadRequest(f"{self.path}{name} is required")
        return value

    def object(self, name: str) -> "Members | None":
        """A member that is an object itself."""
        value = self.take(name, dict, "an object")
        return None if value is None else Members(value, f"{self.path}{name}.")

    def choice(self, name: str, choices: type[Choice]) -> Choice | None:
        """A member that is one of a few words, in any case."""
        words = f"one of {', '.join(choices)}"
        text = self.take(name, str, words)
        if text is None:
            return None
        try:
            return choices(text.lower())
        except ValueError as error:
            raise BadRequest(f"{self.path}{name} must be {words}") from error

    def instant(self, name: str) -> datetime | None:
        """A member that is an instant."""
        text = self.take(name, str, f"an RFC 3339 instant with an offset, such as {instants.EXAMPLE}")
        if not text:
            return None
        try:
            return instants.parse(text)
        except ValueError as error:
            raise BadRequest(f"{self.path}{name}: {error}") from error


def task_draft(body: Any) -> TaskDraft:
    """The task that a request asks for. Raises `BadRequest`."""
    members = members_of(body)
    name = members.required("name", str, "a string")
    trigger, action = members.object("trigger"), members.object("action")
    if trigger is None:
        raise BadRequest("trigger is required")
    if action is None:
        raise BadRequest("action is required")
    retry = members.object("retry")
    return TaskDraft(
        name=name,
        trigger=requested_trigger(trigger),
        action=ActionDraft(**{"redirects": MAX_REDIRECTS} | action_members(action)),
        retry=RetryDraft() if retry is None else retry_draft(retry),
        **policies(members),
    )


def task_changes(body: Any, *, of: Task) -> TaskChanges:
    """What a request wants changed in a task. Raises `BadRequest`.

    A trigger or an action that is given replaces the old one whole, but for what the old service did not know: that
    stays when it is not given, since a client that sends back what it was shown must change nothing.
    """
    members = members_of(body)
    trigger, action, retry = members.object("trigger"), members.object("action"), members.object("retry")
    wanted = None if trigger is None else requested_trigger(trigger)
    return TaskChanges(
        name=members.take("name", str, "a string"),
        trigger=None if wanted is None or is_that_of(of, wanted) else wanted,
        action={} if action is None else action_members(action),
        retry={} if retry is None else asdict(retry_draft(retry)),
        **policies(members),
    )


def url_of(body: bytes) -> str | None:
    """The URL that a body asks for, if it is in its place; whatever else is wrong with the body is found later."""
    try:
        url = json_value.parse(body)["action"]["url"]
    except (json_value.NotJson, LookupError, TypeError):
        return None
    return url if isinstance(url, str) else None


def members_of(body: Any) -> Members:
    """The members of a request's body. Raises `BadRequest`."""
    if not isinstance(body, dict):
        raise BadRequest("The request body must be a JSON object")
    return Members(body)


def policies(members: Members) -> dict[str, Any]:
    """Duetime's additional members of a task, as far as they were given."""
    tags = members.take("tags", list, "an array of strings")
    if tags is not None and not all(isinstance(tag, str) for tag in tags):
        raise BadRequest("tags must be an array of strings")
    chosen = {
        "overlap": members.choice("overlap", OverlapPolicy),
        "misfire": members.choice("misfire", MisfirePolicy),
        "on_lost": members.choice("on_lost", LostPolicy),
        "tags": tags,
    }
    return given_of(chosen)


def is_that_of(task: Task, wanted: Trigger) -> bool:
    """Whether a task has this trigger, as far as this API shows triggers; also that of a one-off that has run."""
    match trigger_of(task):
        case OneOff(at=at):
            return wanted == OneOff(at=at)
        case Cron(expression=expression, timezone=timezone):
            return wanted == Cron(expression=expression, timezone=timezone)
        case Interval(every_ms=every_ms):
            return wanted == Interval(every_ms=every_ms)


def requested_trigger(members: Members) -> Trigger:
    """One of the old service's two triggers, with Duetime's additional `timezone`."""
    match members.required("type", str, "a string"):
        case "one-off":
            at = members.instant("datetime")
            if at is None:
                raise BadRequest("datetime is required for one-off triggers")
            return OneOff(at=at)
        case "cron":
            cron = members.take("cron", str, "a string")
            if not cron or not cron.strip():
                raise BadRequest("cron expression is required for cron triggers")
            return cron_trigger(cron.strip(), timezone=members.take("timezone", str, "an IANA time zone"))
        case other:
            raise BadRequest(f'invalid trigger type: {other[:50]!r} is neither "one-off" nor "cron"')


def cron_trigger(text: str, *, timezone: str | None) -> Trigger:
    """A cron text as the old service took it. Raises `BadRequest`."""
    try:
        trigger, zone = cron_text.parse(text)
    except ValueError as error:
        raise BadRequest(f"invalid cron expression: {error}") from error
    if None not in {timezone, zone} and timezone != zone:
        raise BadRequest("the time zone is given twice: in trigger.cron and in trigger.timezone")
    return replace(trigger, timezone=timezone) if isinstance(trigger, Cron) and timezone else trigger


def action_members(members: Members) -> dict[str, Any]:
    """A request to make, whole; and what Duetime adds to it, as far as it was given."""
    given = members.take("headers", dict, "an object of strings") or {}
    if not all(isinstance(value, str) for value in given.values()):
        raise BadRequest(f"{members.path}headers must be an object of strings")
    chosen = {
        "timeout_ms": members.whole("timeout_ms"),
        "redirects": members.whole("redirects"),
    }
    return {
        "method": members.required("method", str, "a string"),
        "url": members.required("url", str, "a string"),
        "headers": [HeaderDraft(name, None if value == MASK else value) for name, value in given.items()],
        "payload": members.given.get("payload"),
    } | given_of(chosen)


def retry_draft(members: Members) -> RetryDraft:
    """A retry policy, in the names of Duetime's columns."""
    chosen = {
        "max_attempts": members.whole("max_attempts"),
        "initial_delay_ms": members.whole("initial_delay_ms"),
        "factor": members.number("factor"),
        "max_delay_ms": members.whole("max_delay_ms"),
    }
    return RetryDraft(**given_of(chosen))


def given_of(chosen: dict[str, Any]) -> dict[str, Any]:
    """The members that were given; the draft has defaults for the others."""
    return {name: value for name, value in chosen.items() if value is not None}


def refused(error: InvalidInput, *, trigger: Trigger | None, headers: Sequence[HeaderDraft], now: datetime) -> str:
    """The domain's problems in the words that clients match on; `trigger` and `headers` are what was asked for."""
    past = isinstance(trigger, OneOff) and trigger.at <= now
    return "; ".join(words(problem, past=past, headers=headers) for problem in error.problems)


def words(problem: Problem, *, past: bool, headers: Sequence[HeaderDraft]) -> str:
    """One problem, by the names of this API's members."""
    match problem.path:
        case ("trigger", "oneOff", "at") if past:
            return "datetime must be in the future"
        case ("trigger", "oneOff", "at"):
            where = "trigger.datetime"
        case ("trigger", "cron", "expression"):
            where = "invalid cron expression"
        case ("trigger", "cron", member):
            where = f"trigger.{member}"
        case ("trigger", "interval", *_):
            where = "invalid cron expression: @every"
        case ("action", "headers", place, _) if problem.message == NO_VALUE:
            return (
                f"action.headers.{headers[int(place)].name[:100]}: {MASK} stands for a stored value, and none is "
                "stored; send the value itself"
            )
        case ("action", "headers", place, _):
            where = f"action.headers.{headers[int(place)].name[:100]}"
        case _:
            where = ".".join(snake(step) for step in problem.path)
    return f"{where}: {problem.message}"


def snake(name: str) -> str:
    """timeoutMs as timeout_ms."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: f"_{found.group().lower()}", name)
