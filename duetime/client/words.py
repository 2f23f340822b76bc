"""Formats tasks and runs for people."""

from collections.abc import Iterator
from typing import Any

from duetime.client import digits
from duetime.client.output import duration, instant

MASKED = "(secret)"
Member = tuple[str, Any]


def trigger_words(trigger: dict[str, Any]) -> str:
    """Return a trigger as short text."""
    match trigger["__typename"]:
        case "CronTrigger":
            zone = "" if trigger["timezone"] == "UTC" else f" {trigger['timezone']}"
            return f"{trigger['expression']}{zone}"
        case "IntervalTrigger":
            return f"every {duration(trigger['everyMs'])}"
        case _:
            return f"once at {instant(trigger['at'])}"


def task_members(task: dict[str, Any]) -> Iterator[Member]:
    """Yield the labels and values to show of a task."""
    trigger, last = task["trigger"], task["lastRun"]
    yield "id", task["id"]
    yield "external id", task["externalId"]
    yield "name", task["name"]
    yield "description", task["description"]
    yield "status", task["status"]
    if task["pausedAt"]:
        by, why = task["pausedBy"], task["pauseReason"]
        yield "paused", " ".join(filter(None, (instant(task["pausedAt"]), by and f"by {by}", why and f"({why})")))
    yield "trigger", trigger_words(trigger)
    yield "from", instant(trigger.get("startAt"))
    yield "until", instant(trigger.get("endAt"))
    yield "jitter", duration(trigger.get("jitterMs") or None)
    yield "next run", instant(task["nextRunAt"])
    if last:
        yield (
            "last run",
            " ".join(map(str, filter(None, (last["state"], last["statusCode"], instant(last["scheduledFor"]))))),
        )
    yield from action_members(task["action"])
    retry = task["retry"]
    first, longest = duration(retry["initialDelayMs"]), duration(retry["maxDelayMs"])
    yield "retries", f"{retry['maxAttempts']} attempts; {first}, times {retry['factor']:g}, at most {longest}"
    yield "overlap", task["overlap"]
    yield "misfire", task["misfire"]
    yield "when lost", task["onLost"]
    yield "tags", ", ".join(task["tags"])
    yield "metadata", None if task["metadata"] is None else digits.written(task["metadata"])
    yield "deleted after", duration(task["deleteAfterMs"])
    yield "pauses after", task["pauseAfterFailures"] and f"{task['pauseAfterFailures']} failures"
    yield "flow key", task["flowKey"]
    yield "runs are kept", task["retentionDays"] and f"{task['retentionDays']} days"
    yield "version", task["version"]
    yield "created", instant(task["createdAt"])
    yield "changed", instant(task["updatedAt"])


def action_members(action: dict[str, Any]) -> Iterator[Member]:
    """Yield the labels and values to show of a request."""
    yield "request", f"{action['method']} {action['url']}"
    for header in action["headers"]:
        yield "header", f"{header['name']}: {MASKED if header['secret'] else header['value']}"
    if action["payload"] is not None:
        yield "payload", digits.written(action["payload"])
    yield "body", action["body"]
    for field in action["form"] or ():
        yield "form", f"{field['name']}={field['value']}"
    yield "success", ", ".join(action["successStatuses"])
    yield "timeout", duration(action["timeoutMs"])
    yield "redirects", action["redirects"] or None
    yield "signed", "yes" if action["signed"] else None


def run_members(run: dict[str, Any]) -> Iterator[Member]:
    """Yield the labels and values to show of a run."""
    yield "id", run["id"]
    yield "task", run["task"]["externalId"] or run["task"]["id"]
    yield "name", run["task"]["name"]
    yield "state", run["state"]
    yield "cause", run["cause"]
    yield "repeats", run["retryOf"] and run["retryOf"]["id"]
    yield "scheduled for", instant(run["scheduledFor"])
    yield "missed", f"{run['missedCount']} since {instant(run['missedSince'])}" if run["missedCount"] else None
    yield "started", instant(run["startedAt"])
    yield "finished", instant(run["finishedAt"])
    yield "late by", duration(run["latenessMs"])
    yield from action_members(run["action"])
    for attempt in run["attempts"]:
        outcome = attempt["statusCode"] or attempt["errorMessage"] or "in progress"
        yield (
            f"attempt {attempt['number']}",
            " in ".join(map(str, filter(None, (outcome, duration(attempt["durationMs"]))))),
        )
    yield "error", run["errorMessage"]
    yield "status", run["statusCode"]
    for header in run["responseHeaders"] or ():
        yield "header", f"{header['name']}: {header['value']}"
    yield "response", run["responseBody"]
    yield "truncated", "the response is longer than the stored part" if run["responseTruncated"] else None
