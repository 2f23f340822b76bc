"""What an importer finds: tasks as `apply` reads them, and what it cannot take."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from duetime.client.apply.files import FROM_ENV
from duetime.client.apply.writing import variable_name

ALWAYS_SECRET = {"authorization", "cookie", "proxy-authorization", "x-api-key"}
NOT_IN_IDS = re.compile(r"[^a-z0-9]+")
LONGEST_ID = 80

Task = dict[str, Any]


class CannotTake(ValueError):
    """Something that Duetime cannot do, or that would not mean the same; the message says why."""


class Note(NamedTuple):
    """Where something stands, and why it was not taken, or what to know about it."""

    place: str
    text: str


@dataclass(slots=True)
class Imported:
    """Tasks, what was not taken, and what to know about what was."""

    tasks: list[Task] = field(default_factory=list)
    untaken: list[Note] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def add(self, task: Task, *, place: str) -> None:
        """Add a task with an external id of its own. Its secrets become references, and are not repeated."""
        taken = {each["externalId"] for each in self.tasks}
        external_id = unique(task["externalId"], taken)
        action = dict(task["action"])
        if headers := action.get("headers"):
            action["headers"] = [self.without_secret(header, external_id, place) for header in headers]
        self.tasks.append(task | {"externalId": external_id, "action": action})

    def without_secret(self, header: dict[str, Any], external_id: str, place: str) -> dict[str, Any]:
        """Return a header whose value, if it is a secret, is a reference to a variable."""
        if header["name"].lower() not in ALWAYS_SECRET or isinstance(header["value"], dict):
            return header
        variable = f"DUETIME_SECRET_{variable_name(external_id)}_{variable_name(header['name'])}"
        self.notes.append(Note(place, f"set {variable} to the value of {header['name']}, which is not repeated here"))
        return {"name": header["name"], "value": {FROM_ENV: variable}}


def slug(text: str) -> str:
    """Return a text as an external id."""
    return NOT_IN_IDS.sub("-", text.lower()).strip("-")[:LONGEST_ID].rstrip("-") or "task"


def unique(wanted: str, taken: Iterable[str]) -> str:
    """Return a name that is not taken yet."""
    names = set(taken)
    number, name = 1, wanted
    while name in names:
        number += 1
        name = f"{wanted}-{number}"
    return name
