"""What the importers of YAML and JSON share."""

from typing import Any

from duetime.client.apply import reading
from duetime.client.errors import UsageError
from duetime.client.importers.result import CannotTake


def documents(text: str, *, name: str) -> list[Any]:
    """Return the documents of a text, in which ${…} is nothing special. Raises `UsageError`."""
    return [each for each in reading.documents(text, name=name, substitutes=False) if each is not None]


def objects(value: Any, what: str) -> list[dict[str, Any]]:
    """Return a list of objects. Raises `UsageError` for anything else."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise UsageError(f"{what} must be a list of objects")
    return value


def mapping(members: Any, name: str) -> dict[str, Any]:
    """Return a member that must be an object, or an empty one without it. Raises `CannotTake`."""
    value = members.get(name) if isinstance(members, dict) else None
    if value is not None and not isinstance(value, dict):
        raise CannotTake(f"its {name} is no object")
    return value or {}


def items(members: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a member that must be a list of objects, or an empty one without it. Raises `CannotTake`."""
    value = members.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise CannotTake(f"its {name} is no list of objects")
    return value


def words(members: dict[str, Any], name: str) -> list[str]:
    """Return a member that must be a list of texts and numbers, or an empty one without it. Raises `CannotTake`."""
    value = members.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, str | int | float) for each in value):
        raise CannotTake(f"its {name} is no list of texts")
    return [str(each) for each in value]


def whole(members: dict[str, Any], name: str) -> int | None:
    """Return a member that must be a whole number, or None without it. Raises `CannotTake`."""
    value = members.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise CannotTake(f"its {name} is no whole number")
    return value


def text(members: Any, name: str) -> str:
    """Return a member that must be a text. Raises `CannotTake`."""
    value = members.get(name) if isinstance(members, dict) else None
    if not isinstance(value, str) or not value:
        raise CannotTake(f"it has no {name}")
    return value
