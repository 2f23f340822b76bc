"""Groups of options that several commands share, and the API input that they describe."""

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from duetime.client import choices
from duetime.client.commands import options
from duetime.client.commands.options import (
    At,
    Attempts,
    Cron,
    Data,
    Description,
    Every,
    ExternalId,
    FlowKey,
    Header,
    In,
    Method,
    Misfire,
    Name,
    Overlap,
    Payload,
    SecretHeader,
    Tag,
    Timeout,
    Timezone,
    Url,
)
from duetime.client.errors import UsageError

Command = Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NameOptions:
    """The name and the URL of a task."""

    name: Name = None
    url: Url = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerOptions:
    """When a task is due."""

    cron: Cron = None
    timezone: Timezone = None
    every: Every = None
    at: At = None
    delay: In = None

    def input(self) -> dict[str, Any] | None:
        """Return the trigger, or None if no option is given. Raises `UsageError`."""
        if sum(value is not None for value in (self.cron, self.every, self.at, self.delay)) > 1:
            raise UsageError("give one of --cron, --every, --at and --in")
        if self.timezone is not None and self.cron is None:
            raise UsageError("--timezone requires --cron")
        if self.cron is not None:
            zone = {} if self.timezone is None else {"timezone": self.timezone}
            return {"cron": {"expression": self.cron} | zone}
        if self.every is not None:
            return {"interval": {"everyMs": options.duration("--every", self.every)}}
        if self.at is not None:
            return {"oneOff": {"at": self.at}}
        if self.delay is not None:
            return {"oneOff": {"delayMs": options.duration("--in", self.delay)}}
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOptions:
    """The request of a task, without its URL."""

    method: Method = None
    header: Header = None
    secret_header: SecretHeader = None
    payload: Payload = None
    data: Data = None
    timeout: Timeout = None

    def input(self, url: str | None) -> dict[str, Any]:
        """Return the members of an action. Raises `UsageError`."""
        headers = [
            *map(options.header_of, self.header or ()),
            *map(options.secret_header_of, self.secret_header or ()),
        ]
        members: dict[str, Any] = {
            "url": url,
            "method": options.choice("--method", self.method, choices.METHODS),
            "headers": headers or None,
            "timeoutMs": None if self.timeout is None else options.duration("--timeout", self.timeout),
        }
        return without_none(members) | options.body_input(payload=self.payload, data=self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOptions:
    """The other members of a task."""

    max_attempts: Attempts = None
    overlap: Overlap = None
    misfire: Misfire = None
    external_id: ExternalId = None
    tag: Tag = None
    description: Description = None
    flow_key: FlowKey = None

    def input(self) -> dict[str, Any]:
        """Return the members of a task. Raises `UsageError`."""
        members: dict[str, Any] = {
            "retry": None if self.max_attempts is None else {"maxAttempts": self.max_attempts},
            "overlap": options.choice("--overlap", self.overlap, choices.OVERLAP_POLICIES),
            "misfire": options.choice("--misfire", self.misfire, choices.MISFIRE_POLICIES),
            "externalId": self.external_id,
            "tags": self.tag or None,
            "description": self.description,
            "flowKey": self.flow_key,
        }
        return without_none(members)


def without_none(members: dict[str, Any]) -> dict[str, Any]:
    """Return the members that have a value."""
    return {name: value for name, value in members.items() if value is not None}


def with_groups(command: Command) -> Command:
    """Return a command for Typer, with the groups replaced by their options."""
    parameters = inspect.signature(command).parameters
    groups: dict[str, Any] = {
        name: each.annotation for name, each in parameters.items() if is_dataclass(each.annotation)
    }

    @functools.wraps(command)
    def run(**given: Any) -> None:
        made = {
            name: group(**{each.name: given.pop(each.name) for each in fields(group)}) for name, group in groups.items()
        }
        command(**given, **made)

    flat = [each for parameter in parameters.values() for each in options_of(parameter)]
    vars(run).update(__signature__=inspect.Signature(flat))
    run.__annotations__ = {each.name: each.annotation for each in flat}
    return run


def options_of(parameter: inspect.Parameter) -> Iterator[inspect.Parameter]:
    """Yield the options of a group, or the parameter itself if it is not a group."""
    if not is_dataclass(parameter.annotation):
        yield parameter
        return
    for each in fields(parameter.annotation):
        yield inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=each.type)
