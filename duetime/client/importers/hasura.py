"""Reads Hasura's cron triggers: metadata/cron_triggers.yaml."""

import re
from typing import Any

from duetime.client.apply import reading
from duetime.client.apply.files import FROM_ENV
from duetime.client.importers.request import LONGEST_INITIAL_DELAY, LONGEST_TIMEOUT, MOST_ATTEMPTS
from duetime.client.importers.result import CannotTake, Imported, Note, Task, slug
from duetime.client.importers.structured import documents, items, mapping, objects, text, whole
from duetime.client.importers.triggers import cron_trigger

TEMPLATE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
"""Hasura's way to name an environment variable."""
TIMEOUT, INTERVAL = 60, 10
"""Hasura's defaults, in seconds."""


def read(source: str) -> Imported:
    """Return the tasks of a file. Raises `UsageError` if it is no list of triggers."""
    found = Imported()
    for document in documents(source, name="cron_triggers.yaml"):
        for trigger in objects(document, "cron_triggers.yaml"):
            place = str(trigger.get("name"))
            try:
                found.add(task_of(trigger), place=place)
            except CannotTake as error:
                found.untaken.append(Note(place, str(error)))
    if found.tasks:
        message = "the body is the payload alone; Hasura sends it in an object, with the name and the scheduled time"
        found.notes.append(Note("all triggers", message))
    return found


def task_of(trigger: dict[str, Any]) -> Task:
    """Return the task of a trigger. Raises `CannotTake`."""
    for name in ("request_transform", "response_transform"):
        if trigger.get(name):
            raise CannotTake(f"it has a {name}; Duetime sends a request as it is")
    name, retry = text(trigger, "name"), mapping(trigger, "retry_conf")
    timeout = whole(retry, "timeout_seconds")
    action: dict[str, Any] = {
        "url": TEMPLATE.sub(lambda found: f"${{{found[1]}}}", reading.escaped(text(trigger, "webhook"))),
        "method": "POST",
        "timeoutMs": min((TIMEOUT if timeout is None else timeout) * 1_000, LONGEST_TIMEOUT) or 1,
    }
    if headers := [header_of(header) for header in items(trigger, "headers")]:
        action["headers"] = headers
    if trigger.get("payload") is not None:
        action["payload"] = trigger["payload"]
    attempts = {"maxAttempts": min((whole(retry, "num_retries") or 0) + 1, MOST_ATTEMPTS)}
    if attempts["maxAttempts"] > 1:
        interval = whole(retry, "retry_interval_seconds")
        delay = min((INTERVAL if interval is None else interval) * 1_000, LONGEST_INITIAL_DELAY)
        attempts |= {"initialDelayMs": delay, "factor": 1}
    comment = {"description": text(trigger, "comment")} if trigger.get("comment") else {}
    schedule = cron_trigger(text(trigger, "schedule"))
    return {"externalId": slug(name), "name": name, **comment, "trigger": schedule, "action": action, "retry": attempts}


def header_of(header: dict[str, Any]) -> dict[str, Any]:
    """Return a header, whose value may be in a variable. Raises `CannotTake`."""
    if "value_from_env" in header:
        return {"name": text(header, "name"), "value": {FROM_ENV: text(header, "value_from_env")}}
    return {"name": text(header, "name"), "value": reading.escaped(text(header, "value"))}
