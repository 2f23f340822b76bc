"""Reads a crontab whose lines run curl or wget."""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

from duetime.client.importers import shell
from duetime.client.importers.commands import Taken, taken
from duetime.client.importers.result import CannotTake, Imported, Note, Task, slug
from duetime.client.importers.triggers import cron_trigger

SETTING = re.compile(r"""\s*(?P<quote>["']?)([A-Za-z_]\w*)(?P=quote)\s*=\s*(.*?)\s*$""", re.ASCII)
FIELD = re.compile(r"[0-9A-Za-z*,/-]+")
ZONE = "CRON_TZ"
PERCENT = re.compile(r"(?<!\\)%")
OF_USER = re.compile(r"(?:root|www-data|nobody|apache|nginx|http)\s")
"""The names of users that many systems have, and that are no programs."""
WAITING = "curl and wget wait without an end for a response, and a task for 30 s; timeoutMs is up to an hour"


@dataclass(slots=True)
class Settings:
    """What the lines above say about a line."""

    zone: str | None
    has_users: bool
    variables: dict[str, str] = field(default_factory=dict)
    comment: str = ""


class Read(NamedTuple):
    """A line with its task."""

    place: str
    task: Task
    found: Taken


def read(text: str, *, timezone: str | None = None, has_users: bool = False) -> Imported:
    """Return the tasks of a crontab. Lines above any CRON_TZ are in `timezone`, or else in UTC.

    With `has_users`, each line names a user after its fields, as in /etc/crontab.
    """
    found, lines = Imported(), list[Read]()
    settings = Settings(timezone, has_users)
    for number, line in enumerate(text.splitlines(), 1):
        place, stripped = f"line {number}", line.strip()
        if not stripped or stripped.startswith("#"):
            settings.comment = stripped.lstrip("#").strip()
        elif setting := SETTING.fullmatch(line):
            found.notes += set_variable(settings, setting[2], unquoted(setting[3]), place)
        else:
            try:
                lines.append(Read(place, *task_of(stripped, settings)))
            except CannotTake as error:
                found.untaken.append(Note(place, str(error)))
            settings.comment = ""
    users = Counter(each.found.lock for each in lines)
    for place, task, (_, notes, lock) in lines:
        if lock and users[lock] > 1:
            found.untaken.append(Note(place, f"another line has the lock {lock}, too; a task keeps its own runs apart"))
        else:
            found.add(task, place=place, notes=notes)
    found.notes += notes_on_all(found, has_zone=settings.zone is not None)
    return found


def set_variable(settings: Settings, name: str, value: str, place: str) -> list[Note]:
    """Set a variable of the lines below, and return what to know about it."""
    settings.variables[name] = value
    if name == ZONE:
        settings.zone = value or None
    if name == "MAILTO" and value:
        return [Note(place, "MAILTO is not taken; a notification rule of Duetime can send mail")]
    return []


def notes_on_all(found: Imported, *, has_zone: bool) -> list[Note]:
    """Return what to know about all lines."""
    notes = []
    if found.tasks and not has_zone:
        notes.append(Note("all lines", "the times are taken as UTC, because there is no CRON_TZ; see --timezone"))
    if not all("timeoutMs" in task["action"] for task in found.tasks):
        notes.append(Note("lines without --max-time", WAITING))
    return notes


def unquoted(value: str) -> str:
    """Return the value of a setting without its quotes."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def task_of(line: str, settings: Settings) -> tuple[Task, Taken]:
    """Return the task of a line. Raises `CannotTake`."""
    count = 1 if line.startswith("@") else 5
    parts = line.split(None, count + settings.has_users)
    if len(parts) <= count + settings.has_users:
        raise CannotTake("it has too few fields")
    expression = checked_expression(parts[:count])
    if not settings.has_users and OF_USER.match(parts[-1]):
        raise CannotTake(f"it runs {parts[-1].split()[0]}; if that is a user, as in /etc/crontab, add --users")
    found = call_of(parts[-1], settings)
    trigger = cron_trigger(expression, settings.zone)
    name = name_of(found.members["action"]["url"])
    described = {"description": settings.comment} if settings.comment else {}
    task = {"externalId": slug(name), "name": name[:255], **described, "trigger": trigger, **found.members}
    return task, found


def checked_expression(fields: list[str]) -> str:
    """Return a cron expression. Raises `CannotTake` for what only some programs read.

    A minus before the minute says that cron writes no log for the line.
    """
    expression = " ".join(fields).removeprefix("-")
    if expression == "@reboot":
        raise CannotTake("@reboot has no time")
    for each in fields:
        if "~" in each:
            raise CannotTake(f"{each} is a random time; take one, or use jitterMs")
        if not each.startswith("@") and not FIELD.fullmatch(each):
            raise CannotTake(f"{each} is no field of a cron expression")
    return expression


def call_of(line: str, settings: Settings) -> Taken:
    """Return what becomes of a command, whose standard input follows a %. Raises `CannotTake`."""
    given, *stdin = PERCENT.split(line)
    body = "\n".join(stdin).replace("\\%", "%") + "\n" if stdin else None
    try:
        command = shell.command(given.replace("\\%", "%"), settings.variables)
    except CannotTake as error:
        raise (
            CannotTake("what follows % is its standard input, and not part of its words") if stdin else error
        ) from None
    return taken(command, settings.variables, stdin=body)


def name_of(url: str) -> str:
    """Return the name of a task that calls a URL."""
    parts = urlsplit(url)
    return parts.netloc + parts.path.rstrip("/")
