"""Reads manifests of Kubernetes: CronJobs that run curl or wget."""

import re
from collections.abc import Iterator
from typing import Any

from duetime.client.apply import reading
from duetime.client.importers.commands import taken
from duetime.client.importers.result import CannotTake, Imported, Note, Task, slug
from duetime.client.importers.shell import Command
from duetime.client.importers.structured import documents, text

VARIABLE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
"""What Kubernetes itself replaces in commands and arguments."""
OVERLAPS = {"Allow": "ALLOW", "Forbid": "SKIP"}


def read(source: str) -> Imported:
    """Return the tasks of manifests. Raises `UsageError` if they are not YAML or JSON."""
    found = Imported()
    for manifest in manifests(documents(source, name="manifests")):
        metadata = manifest.get("metadata") or {}
        place = f"{manifest.get('kind')} {metadata.get('name')}"
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
    spec = manifest.get("spec") or {}
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    containers = ((job.get("template") or {}).get("spec") or {}).get("containers") or []
    if len(containers) != 1:
        raise CannotTake(f"it has {len(containers)} containers; a task makes one call")
    policy = spec.get("concurrencyPolicy", "Allow")
    if policy not in OVERLAPS:
        raise CannotTake(f"concurrencyPolicy {policy}: Duetime does not end a run for the next one")
    members, notes, _ = taken(*command_of(containers[0]))
    if "backoffLimit" in job:
        members["retry"]["maxAttempts"] = max(members["retry"]["maxAttempts"], min(job["backoffLimit"] + 1, 100))
    if "activeDeadlineSeconds" in job and "timeoutMs" not in members["action"]:
        members["action"]["timeoutMs"] = job["activeDeadlineSeconds"] * 1_000
    cron = {"expression": text(spec, "schedule")} | ({"timezone": spec["timeZone"]} if spec.get("timeZone") else {})
    name = text(manifest.get("metadata"), "name")
    overlap = {"overlap": OVERLAPS[policy]}
    return {"externalId": slug(name), "name": name, "trigger": {"cron": cron}, **members, **overlap}, notes


def command_of(container: dict[str, Any]) -> tuple[Command, dict[str, str]]:
    """Return a container's command, and the variables that are set for it."""
    variables = {
        each["name"]: each["value"]
        for each in container.get("env") or ()
        if isinstance(each.get("name"), str) and isinstance(each.get("value"), str)
    }

    def expanded(word: str) -> str:
        return VARIABLE.sub(lambda found: variables.get(found[1], f"${{{found[1]}}}"), reading.escaped(word))

    given = [str(word) for word in (*(container.get("command") or ()), *(container.get("args") or ()))]
    if not container.get("command"):
        # Without a command, the image says what runs.
        image = str(container.get("image", "")).partition("@")[0].rpartition("/")[2].partition(":")[0]
        given = [image, *given]
    return Command([expanded(word) for word in given]), variables
