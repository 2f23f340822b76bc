"""Reads a crontab whose lines run curl or wget."""

import re
from urllib.parse import urlsplit

from duetime.client.importers.commands import call_of
from duetime.client.importers.result import CannotTake, Imported, Note, Task, slug
from duetime.client.importers.shell import words

SETTING = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$")
MACROS = {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
ZONE = "CRON_TZ"
OF_CRON = {ZONE, "MAILTO", "MAILFROM", "SHELL", "PATH", "HOME", "LOGNAME", "RANDOM_DELAY", "TZ"}
"""Settings that are no variables of the commands."""
UNESCAPED_PERCENT = re.compile(r"(?<!\\)%")


def read(text: str, *, timezone: str | None = None, has_users: bool = False) -> Imported:
    """Return the tasks of a crontab. Lines above any CRON_TZ are in `timezone`, or else in UTC.

    With `has_users`, each line names a user after its fields, as in /etc/crontab.
    """
    found, variables, comment = Imported(), dict[str, str](), ""
    zone = timezone
    for number, line in enumerate(text.splitlines(), 1):
        place, stripped = f"line {number}", line.strip()
        if not stripped or stripped.startswith("#"):
            comment = stripped.lstrip("#").strip()
            continue
        if setting := SETTING.fullmatch(line):
            name, value = setting[1], unquoted(setting[2])
            if name == ZONE:
                zone = value
            elif name == "MAILTO" and value:
                found.notes.append(Note(place, "MAILTO is not taken; a notification rule of Duetime can send mail"))
            elif name not in OF_CRON:
                variables[name] = value
            continue
        try:
            found.add(task_of(stripped, variables, zone, comment, has_users=has_users), place=place)
        except CannotTake as error:
            found.untaken.append(Note(place, str(error)))
        comment = ""
    if found.tasks and zone is None:
        found.notes.append(Note("all lines", "the times are taken as UTC, because there is no CRON_TZ; see --timezone"))
    return found


def unquoted(value: str) -> str:
    """Return the value of a setting without its quotes."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def task_of(line: str, variables: dict[str, str], zone: str | None, comment: str, *, has_users: bool) -> Task:
    """Return the task of a line. Raises `CannotTake`."""
    count = 1 if line.startswith("@") else 5
    parts = line.split(None, count + has_users)
    if len(parts) <= count + has_users:
        raise CannotTake("it has too few fields")
    expression, command = " ".join(parts[:count]), parts[-1]
    if expression == "@reboot":
        raise CannotTake("@reboot has no time")
    if expression.startswith("@") and expression not in MACROS:
        raise CannotTake(f"{expression} is not known here")
    if UNESCAPED_PERCENT.search(command):
        raise CannotTake("what follows % is the standard input of the command")
    members = call_of(words(command.replace("\\%", "%"), variables))
    cron = {"expression": expression} | ({} if zone in {None, "UTC"} else {"timezone": zone})
    name = name_of(members["action"]["url"])
    described = {"description": comment} if comment else {}
    return {"externalId": slug(name), "name": name[:255], **described, "trigger": {"cron": cron}, **members}


def name_of(url: str) -> str:
    """Return the name of a task that calls a URL."""
    parts = urlsplit(url)
    return parts.netloc + parts.path.rstrip("/")
