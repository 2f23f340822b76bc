"""Reads schedules of Amazon EventBridge, as the AWS CLI prints them: get-schedule, list-schedules or list-rules."""

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from duetime.client import digits
from duetime.client.apply import reading
from duetime.client.importers.result import CannotTake, Imported, Note, Task, slug
from duetime.client.importers.structured import documents, mapping, objects, text, whole
from duetime.client.importers.triggers import DAYS, checked_zone, cron_trigger

RATE = re.compile(r"rate\(\s*(\d+)\s+(minute|hour|day)s?\s*\)")
AT = re.compile(r"at\(\s*(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\s*\)")
CRON = re.compile(r"cron\((.*)\)")
UNITS = {"minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
LAST = (59, 23, 31, 12)
"""The largest values of the fields before the day of week."""
NUMBER_OF_DAY = re.compile(r"(?<![#/\d])[1-7](?!\d)")
MOST_ATTEMPTS = 100


def read(source: str) -> Imported:
    """Return the tasks of schedules. Raises `UsageError` if the text is not JSON."""
    found = Imported()
    for document in documents(source, name="schedules.json"):
        for schedule in schedules_in(document):
            place = str(schedule.get("Name"))
            try:
                target = mapping(schedule, "Target").get("Arn", "which list-rules leaves out")
                found.add_without_url(task_of(schedule), place=place, target=target)
            except CannotTake as error:
                found.untaken.append(Note(place, str(error)))
                continue
            if schedule.get("State") == "DISABLED":
                found.notes.append(Note(place, "it is disabled; pause the task after apply"))
    return found


def schedules_in(document: Any) -> list[dict[str, Any]]:
    """Return the schedules of what a command of the AWS CLI prints."""
    if isinstance(document, dict):
        for name in ("Schedules", "Rules"):
            if name in document:
                return objects(document[name], name)
        return [document]
    return objects(document, "the file")


def task_of(schedule: dict[str, Any]) -> Task:
    """Return the task of a schedule, without a URL. Raises `CannotTake`."""
    name, target = text(schedule, "Name"), mapping(schedule, "Target")
    if not schedule.get("ScheduleExpression"):
        raise CannotTake("it has no ScheduleExpression; list-schedules leaves it out, and get-schedule prints it")
    zone = checked_zone(schedule.get("ScheduleExpressionTimezone") or "UTC")
    trigger = trigger_of(text(schedule, "ScheduleExpression"), zone)
    if "oneOff" not in trigger:
        [members] = trigger.values()
        for name_there, name_here in (("StartDate", "startAt"), ("EndDate", "endAt")):
            if schedule.get(name_there) is not None:
                members[name_here] = instant_of(schedule[name_there], name_there)
        if window := whole(mapping(schedule, "FlexibleTimeWindow"), "MaximumWindowInMinutes"):
            members["jitterMs"] = min(window * UNITS["minute"], members.get("everyMs", UNITS["day"]))
    action: dict[str, Any] = {"method": "POST"} | body_of(text(target, "Input") if target.get("Input") else None)
    task: Task = {"externalId": slug(name), "name": name, "trigger": trigger, "action": action}
    if schedule.get("Description"):
        task["description"] = text(schedule, "Description")
    retries = whole(mapping(target, "RetryPolicy"), "MaximumRetryAttempts")
    if retries is not None:
        task["retry"] = {"maxAttempts": min(retries + 1, MOST_ATTEMPTS)}
    return task


def body_of(given: str | None) -> dict[str, Any]:
    """Return the body of a target's input."""
    if given is None:
        return {}
    try:
        return {"payload": digits.read(given)}
    except ValueError:
        return {"body": reading.escaped(given)}


def trigger_of(expression: str, timezone: str) -> dict[str, Any]:
    """Return a trigger for a schedule expression. Raises `CannotTake`."""
    if found := RATE.fullmatch(expression):
        if not int(found[1]):
            raise CannotTake(f"{expression} is no interval")
        return {"interval": {"everyMs": int(found[1]) * UNITS[found[2]]}}
    if found := AT.fullmatch(expression):
        return {"oneOff": {"at": once_at(found[1], timezone)}}
    if found := CRON.fullmatch(expression):
        return cron_trigger(cron_of(found[1].split()), timezone)
    raise CannotTake(f"{expression} is no rate(), cron() or at()")


def once_at(text: str, timezone: str) -> str:
    """Return the instant of at(). Raises `CannotTake` if it is no date, or has passed."""
    try:
        found = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(timezone))
    except ValueError:
        raise CannotTake(f"{text} is no date") from None
    if found <= datetime.now(UTC):
        raise CannotTake(f"{text} has passed")
    return found.isoformat()


def instant_of(given: Any, name: str) -> str:
    """Return an instant, which the AWS CLI prints as a text or as seconds. Raises `CannotTake`."""
    try:
        found = datetime.fromisoformat(given) if isinstance(given, str) else datetime.fromtimestamp(given, UTC)
    except (OSError, OverflowError, TypeError, ValueError):
        raise CannotTake(f"its {name} is no date") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()


def cron_of(fields: list[str]) -> str:
    """Return five fields for the six of EventBridge. Raises `CannotTake`."""
    if len(fields) != 6:
        raise CannotTake(f"cron() has {len(fields)} fields instead of six")
    *dates, day_of_week, year = fields
    if year != "*":
        raise CannotTake(f"the year {year} cannot be said; give the task an endAt")
    if "W" in dates[2].upper():
        raise CannotTake(f"the nearest weekday, {dates[2]}, cannot be said")
    found = [field_of(field, last) for field, last in zip(dates, LAST, strict=True)]
    # L alone is the last day of the week, Saturday.
    days = (
        "*"
        if day_of_week == "?"
        else DAYS[-1]
        if day_of_week.upper() == "L"
        else NUMBER_OF_DAY.sub(lambda day: DAYS[int(day[0]) - 1], day_of_week)
    )
    return " ".join([*found, days])


def field_of(field: str, last: int) -> str:
    """Return a field whose parts FROM/STEP have the end that crontab wants."""
    if field == "?":
        return "*"
    return ",".join(
        f"{start}-{last}/{step}" if step and start.isdecimal() else part
        for part in field.split(",")
        for start, _, step in [part.partition("/")]
    )
