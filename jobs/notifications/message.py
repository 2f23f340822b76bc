"""The content of a message: a subject and a text for people, and an event in the form of CloudEvents for programs.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from db.states import NotificationEvent
from jobs.notifications.alerts import shown

KEPT_ITEMS = 20
"""Number of tasks that a message names; it counts the others."""
NAMED_HOSTS = 5
CONTENT_TYPE = "application/cloudevents+json"
TYPES = {
    NotificationEvent.FAILED: "duetime.task.failed",
    NotificationEvent.RECOVERED: "duetime.task.recovered",
    NotificationEvent.LATE: "duetime.task.late",
    NotificationEvent.ABSENT: "duetime.task.absent",
    NotificationEvent.PAUSED: "duetime.task.paused",
    NotificationEvent.NO_WORKERS: "duetime.workers.none",
    NotificationEvent.WORKERS_BACK: "duetime.workers.back",
    NotificationEvent.TEST: "duetime.test",
}
PHRASES = {
    NotificationEvent.FAILED: "failed",
    NotificationEvent.RECOVERED: "recovered",
    NotificationEvent.LATE: "began late",
    NotificationEvent.ABSENT: "had no finished run in time",
    NotificationEvent.PAUSED: "paused after failures",
}
REMINDERS = {
    NotificationEvent.FAILED: "still failing",
    NotificationEvent.LATE: "still late",
    NotificationEvent.ABSENT: "still without a finished run in time",
    NotificationEvent.PAUSED: "still paused",
}
LABELS = {
    "error": "Error",
    "reason": "Reason",
    "statusCode": "Status",
    "attempts": "Attempts",
    "failures": "Failures one after another",
    "latenessMs": "Late by (ms)",
    "scheduledFor": "Instant",
    "nextRunAt": "Next instant",
    "since": "Since",
    "workers": "Workers",
    "link": "Link",
}


def content_of(
    *,
    event: NotificationEvent,
    reminder: bool,
    count: int,
    hosts: Mapping[str, int],
    items: Sequence[dict[str, Any]],
    rule: Mapping[str, str] | None,
    next_runs: Mapping[UUID, datetime | None],
    public_url: str | None,
) -> dict[str, Any]:
    """Return the content of a message: its subject, its text, its type, and the data for programs.

    `next_runs` has the next instant of each task that still exists.
    """
    tasks = [completed(item, next_runs=next_runs, public_url=public_url) for item in items]
    subject = f"Duetime: {headline(event, tasks, count=count, reminder=reminder)}"
    data: dict[str, Any] = {
        "event": event.name,
        "reminder": reminder,
        "rule": rule,
        "count": count,
        "hosts": dict(sorted(hosts.items(), key=lambda each: -each[1])) if any(hosts) else {},
        "tasks": [task for task in tasks if "taskId" in task],
    }
    return {
        "type": TYPES[event],
        "subject": subject,
        "text": text_of(subject, event, tasks, data=data),
        "data": data,
        "source": public_url or "duetime",
    }


def completed(
    item: dict[str, Any], *, next_runs: Mapping[UUID, datetime | None], public_url: str | None
) -> dict[str, Any]:
    """Return an item with its task's next instant and link."""
    if "taskId" not in item:
        return item
    task_id = UUID(item["taskId"])
    found = dict(item)
    if next_runs.get(task_id) is not None:
        found["nextRunAt"] = shown(next_runs[task_id])
    if public_url is not None:
        found["link"] = link_to(task_id, public_url=public_url)
    return found


def link_to(task_id: UUID, *, public_url: str) -> str:
    """Return the address of a task."""
    return f"{public_url.rstrip('/')}/api/v1/tasks/{task_id}"


def headline(event: NotificationEvent, tasks: Sequence[dict[str, Any]], *, count: int, reminder: bool) -> str:
    """Return what happened, in a few words."""
    if event is NotificationEvent.TEST:
        return "a test of this channel"
    if event is NotificationEvent.NO_WORKERS:
        return "still no worker is alive" if reminder else "no worker is alive"
    if event is NotificationEvent.WORKERS_BACK:
        return "workers are alive again"
    name = one_line(tasks[0]["task"])
    phrase = REMINDERS[event] if reminder else PHRASES[event]
    if count == 1:
        return f"{name} is {phrase}" if reminder else f"{name} {phrase}"
    return f"{count:,} tasks are {phrase}" if reminder else f"{count:,} tasks {phrase}"


def one_line(text: str) -> str:
    """Return a text without line breaks and other control characters, which have a meaning in the head of a mail."""
    return "".join(character if character.isprintable() else " " for character in text)


def text_of(subject: str, event: NotificationEvent, tasks: Sequence[dict[str, Any]], *, data: Mapping[str, Any]) -> str:
    """Return the message for people."""
    parts = [f"{subject.removeprefix('Duetime: ')}."]
    if event is NotificationEvent.TEST:
        parts = ["This is a test: the channel works."]
    if event is NotificationEvent.NO_WORKERS:
        parts.append("No task is called until a worker is started. The instants until then are not lost.")
    if data["count"] > 1 and data["hosts"]:
        named = list(data["hosts"].items())
        lines = [f"{number:,} of them call {host}" for host, number in named[:NAMED_HOSTS]]
        others = sum(number for _, number in named[NAMED_HOSTS:])
        parts.append("\n".join([*lines, *([f"{others:,} of them call other hosts"] if others else [])]))
    parts += [lines_of(task, alone=data["count"] == 1) for task in tasks]
    if data["count"] > len(tasks):
        parts.append(f"and {data['count'] - len(tasks):,} more")
    if data["rule"] is not None:
        parts.append(f"Rule: {data['rule']['name']}")
    return "\n\n".join(part for part in parts if part)


def lines_of(task: Mapping[str, Any], *, alone: bool) -> str:
    """Return the lines about one task; its name is in the headline if it is alone."""
    head = [] if alone or "task" not in task else [one_line(task["task"])]
    return "\n".join([*head, *(f"{label}: {task[name]}" for name, label in LABELS.items() if name in task)])


def cloud_event(content: Mapping[str, Any], *, notification_id: UUID, at: datetime) -> bytes:
    """Return a message as a CloudEvent in JSON."""
    return json.dumps(
        {
            "specversion": "1.0",
            "id": str(notification_id),
            "source": content["source"],
            "type": content["type"],
            "time": shown(at),
            "datacontenttype": "application/json",
            "data": content["data"] | {"subject": content["subject"], "text": content["text"]},
        },
        ensure_ascii=False,
    ).encode()
