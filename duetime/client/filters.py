"""`--where`: the filters of the API, as key=value or as JSON."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from duetime.client import choices, digits
from duetime.client.errors import UsageError


def texts(value: str) -> list[str]:
    """Return the values between commas."""
    return [part.strip() for part in value.split(",") if part.strip()]


def some_of(known: tuple[str, ...]) -> Callable[[str], list[str]]:
    """Return a function that returns the values of an enumeration between commas, and raises `ValueError` for one that
    does not exist."""
    return lambda value: [choices.one_of(part, known) for part in texts(value)]


def truth(value: str) -> bool:
    """Return true or false. Raises `ValueError`."""
    if value not in {"true", "false"}:
        raise ValueError("must be true or false")
    return value == "true"


def number(value: str) -> int:
    """Return a whole number. Raises `ValueError`."""
    if not value.isdecimal():
        raise ValueError("must be a whole number")
    return int(value)


Kinds = Mapping[str, Callable[[str], Any]]

TASKS: Kinds = {
    "externalIds": texts,
    "statuses": some_of(choices.TASK_STATUSES),
    "nameContains": str,
    "tags": texts,
    "urlContains": str,
    "nextRunAfter": str,
    "nextRunBefore": str,
    "lastRunStates": some_of(choices.RUN_STATES),
}
"""The members of TaskFilter, with the function that converts a text to their value."""
RUNS: Kinds = {
    "taskId": str,
    "states": some_of(choices.RUN_STATES),
    "causes": some_of(choices.RUN_CAUSES),
    "success": truth,
    "scheduledAfter": str,
    "scheduledBefore": str,
    "tags": texts,
    "statusCode": number,
    "host": str,
    "errorContains": str,
}
"""The members of RunFilter."""

STATISTICS: Kinds = {"taskId": str, "tags": texts, "host": str}
"""The members of StatisticsFilter."""


def filter_of(given: Sequence[str], kinds: Kinds) -> dict[str, Any]:
    """Return the filter that the `--where` options of a command form together. Raises `UsageError`."""
    found: dict[str, Any] = {}
    for text in given:
        found |= members_of(text, kinds)
    return found


def members_of(text: str, kinds: Kinds) -> dict[str, Any]:
    """Return the members of one `--where`. JSON is passed to the API unchanged. Raises `UsageError`."""
    if text.lstrip().startswith("{"):
        try:
            members: dict[str, Any] = digits.read(text)
        except ValueError as error:
            raise UsageError(f"--where {text!r} is not JSON: {error}") from None
        return members
    name, equals, value = text.partition("=")
    if not equals or name not in kinds:
        raise UsageError(f"--where {text!r} must be NAME=VALUE, or a filter as JSON; the names are {', '.join(kinds)}")
    try:
        return {name: kinds[name](value)}
    except ValueError as error:
        raise UsageError(f"--where {text!r}: {error}") from None
