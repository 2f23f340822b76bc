"""Reads manifests of Kubernetes: CronJobs that run curl or wget."""

import re
from collections.abc import Iterator
from typing import Any

from duetime.client import durations
from duetime.client.apply import reading
from duetime.client.importers.commands import taken
from duetime.client.importers.request import LONGEST_TIMEOUT, MOST_ATTEMPTS
from duetime.client.importers.result import CannotTake, Imported, Note, Task, slug
from duetime.client.importers.shell import Command
from duetime.client.importers.structured import documents, items, mapping, text, whole, words
from duetime.client.importers.triggers import cron_trigger

VARIABLE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
"""What Kubernetes itself replaces in commands and arguments."""
ZONE = re.compile(r"(?:CRON_)?TZ=(\S+)\s+")
"""A time zone at the beginning of a schedule, as Kubernetes accepted it before there was timeZone."""
EVERY = re.compile(r"@every (\S+)")
SHORTEST_INTERVAL = 1_000
OVERLAPS = {"Allow": "ALLOW", "Forbid": "SKIP"}


def read(source: str) -> Imported:
    """Return the tasks of manifests. Raises `UsageError` if they are not YAML or JSON."""
    found = Imported()
    for manifest in manifests(documents(source, name="manifests")):
        metadata = manifest.get("metadata")
        place = f"{manifest.get('kind')} {metadata.get('name') if isinstance(metadata, dict) else None}"
        if manifest.get("kind") != "CronJob":
            found.untaken.append(Note(place, "only CronJobs have schedules"))
            continue
        try:
            task, notes = task_of(manifest)
            found.add(task, place=place, notes=notes)
        except CannotTake as error:
            found.untaken.append(Note(place, str(error)))
            continue
        if manifest["spec"].get("suspend"):
            found.notes.append(Note(place, "it is suspended; pause the task after apply"))
    return found


def manifests(found: list[Any]) -> Iterator[dict[str, Any]]:
    """Yield each manifest, also those of a List, as kubectl prints them."""
    for each in found:
        if isinstance(each, dict) and isinstance(each.get("items"), list):
            yield from manifests(each["items"])
        elif isinstance(each, dict):
            yield each


def task_of(manifest: dict[str, Any]) -> tuple[Task, list[str]]:
    """Return the task of a CronJob, and what to know about it. Raises `CannotTake`."""
    spec = mapping(manifest, "spec")
    job = mapping(mapping(spec, "jobTemplate"), "spec")
    pod = mapping(mapping(job, "template"), "spec")
    containers = items(pod, "containers")
    if len(containers) != 1:
        raise CannotTake(f"it has {len(containers)} containers; a task makes one call")
    if items(pod, "initContainers"):
        raise CannotTake("it has initContainers; a task makes one call")
    if (whole(job, "completions") or 1) > 1:
        raise CannotTake(f"its completions are {job['completions']}; a task makes one call")
    policy = text(spec, "concurrencyPolicy") if spec.get("concurrencyPolicy") else "Allow"
    if policy not in OVERLAPS:
        raise CannotTake(f"concurrencyPolicy {policy}: Duetime does not end a run for the next one")
    members, notes, _ = taken(*command_of(containers[0]))
    if (limit := whole(job, "backoffLimit")) is not None:
        members["retry"]["maxAttempts"] = max(members["retry"]["maxAttempts"], min(limit + 1, MOST_ATTEMPTS))
    if (deadline := whole(job, "activeDeadlineSeconds")) and "timeoutMs" not in members["action"]:
        members["action"]["timeoutMs"] = min(deadline * 1_000, LONGEST_TIMEOUT)
    name = text(manifest.get("metadata"), "name")
    overlap = {"overlap": OVERLAPS[policy]}
    trigger = trigger_of(text(spec, "schedule"), spec.get("timeZone"))
    return {"externalId": slug(name), "name": name, "trigger": trigger, **members, **overlap}, notes


def trigger_of(schedule: str, timezone: Any) -> dict[str, Any]:
    """Return the trigger of a schedule, which may name its time zone, or be an interval. Raises `CannotTake`."""
    if zone := ZONE.match(schedule):
        return cron_trigger(schedule[zone.end() :], zone[1])
    if not (interval := EVERY.fullmatch(schedule)):
        return cron_trigger(schedule, timezone)
    try:
        return {"interval": {"everyMs": max(durations.milliseconds(interval[1]), SHORTEST_INTERVAL)}}
    except ValueError as error:
        raise CannotTake(str(error)) from None


def command_of(container: dict[str, Any]) -> tuple[Command, dict[str, str]]:
    """Return a container's command, and the variables that are set for it."""
    variables = {
        each["name"]: each["value"]
        for each in items(container, "env")
        if isinstance(each.get("name"), str) and isinstance(each.get("value"), str)
    }

    def expanded(word: str) -> str:
        return VARIABLE.sub(lambda found: variables.get(found[1], f"${{{found[1]}}}"), reading.escaped(word))

    given = [*words(container, "command"), *words(container, "args")]
    if not container.get("command"):
        # Without a command, the image says what runs.
        image = str(container.get("image", "")).partition("@")[0].rpartition("/")[2].partition(":")[0]
        given = [image, *given]
    return Command([expanded(word) for word in given]), variables
