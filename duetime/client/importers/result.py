"""What an importer finds: tasks as `apply` reads them, and what it cannot take."""

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from duetime.client.apply import reading
from duetime.client.apply.files import FROM_ENV
from duetime.client.apply.writing import new_variable, secret_variable

SECRET_NAME = re.compile(
    r"(?:^|[-_])(?:auth|authorization|cookie|token|secret|password|passwd|signature|api-?key|access-?key)(?:$|[-_])",
    re.IGNORECASE,
)
"""The names of headers whose values are taken for secrets."""
ONLY_REFERENCE = re.compile(r"(?:[A-Za-z]+ )?\$\{[A-Za-z_]\w*\}", re.ASCII)
"""A value that is nothing but a reference, perhaps after a scheme such as Bearer, so that it can be repeated."""
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
    """Tasks, what was not taken, what is missing in what was, and what to know about it."""

    tasks: list[Task] = field(default_factory=list)
    untaken: list[Note] = field(default_factory=list)
    incomplete: list[Note] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    variables: dict[str, None] = field(default_factory=dict)
    """The variables that stand for secrets and URLs, in order."""

    def add(self, task: Task, *, place: str, notes: Iterable[str] = (), told: Container[str] = ()) -> None:
        """Add a task with an external id of its own. Its secrets become references, and are not repeated.

        `told` are the variables of the task about which a note says more already.
        """
        self.notes += [Note(place, text) for text in notes]
        taken = {each["externalId"] for each in self.tasks}
        external_id = unique(task["externalId"], taken)
        action = dict(task["action"])
        if headers := action.get("headers"):
            action["headers"] = [self.without_secret(header, external_id, place) for header in headers]
        for name in unknown(action):
            if name not in told:
                self.notes.append(Note(place, f"set {name}, whose value is not known here"))
        self.tasks.append(task | {"externalId": external_id, "action": action})

    def add_without_url(self, task: Task, *, place: str, target: str) -> None:
        """Add a task whose URL is not known: it is a variable, which has to be set."""
        variable = new_variable("URL", task["name"], variables=self.variables)
        message = f"its target, {target}, is no URL; set {variable} to the URL to call"
        self.incomplete.append(Note(place, message))
        self.add(task | {"action": {"url": f"${{{variable}}}"} | task["action"]}, place=place, told={variable})

    def without_secret(self, header: dict[str, Any], external_id: str, place: str) -> dict[str, Any]:
        """Return a header whose value, if it is a secret, is a reference to a variable."""
        name, value = header["name"], header["value"]
        if isinstance(value, dict) or not SECRET_NAME.search(name):
            return header
        if ONLY_REFERENCE.fullmatch(value):
            return header | {"secret": True}
        variable = secret_variable(external_id, name, self.variables)
        form = ", Basic and user:password in base64" if value.startswith("Basic ") else ""
        self.notes.append(Note(place, f"set {variable} to the value of {name}{form}, which is not repeated here"))
        return {"name": name, "value": {FROM_ENV: variable}}


def unknown(value: Any) -> list[str]:
    """Return the variables without a default whose values `apply` reads, each once."""
    match value:
        case str():
            return [name for escape, name, default in reading.REFERENCE.findall(value) if not escape and not default]
        case dict():
            return list(dict.fromkeys(name for each in value.values() for name in unknown(each)))
        case list():
            return list(dict.fromkeys(name for each in value for name in unknown(each)))
        case _:
            return []


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
