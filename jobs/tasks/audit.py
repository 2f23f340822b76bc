"""The audit log's record of a change: the task before and after it, without secrets."""

from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Any

from db.models import Task
from db.tasks import creation
from jobs.security.secret_headers import SEALED, is_sealed

LEFT_OUT = {
    "id", "host", "payload", "header_order", "next_run", "due_at", "settled_until", "resume_from", "misfire_once",
    "created_at", "updated_at", "ended_at", "delete_at", "failures", "paused_at", "paused_by",
}  # fmt: skip
"""Columns that follow from others or from the time, or change no request; and the payload, which is a text."""

Columns = dict[str, Any]


def definition(task: Task, *, only: Collection[str] | None = None) -> Columns:
    """Return a task's definition, or those of its members that are named; unset members are left out."""
    included = None if only is None else set(only)
    columns = task.model_dump(mode="json", include=included, exclude=LEFT_OUT, exclude_none=True)
    if task.payload is not None and (only is None or "payload" in only):
        columns["payload"] = task.payload
    if not task.pause_after_failures:
        columns.pop("pause_after_failures", None)
    return without_secrets(columns)


def action_definition(columns: Mapping[str, Any]) -> Columns:
    """Return the definition of an action that belongs to no task."""
    return without_secrets({name: value for name, value in columns.items() if name not in LEFT_OUT | {"payload"}}) | (
        {} if columns["payload"] is None else {"payload": columns["payload"]}
    )


def without_secrets(columns: Columns) -> Columns:
    """Return a definition with a mark in place of each secret, and without members that are empty."""
    if headers := columns.get("headers"):
        columns["headers"] = {
            name: {"secret": mark(value[SEALED])} if is_sealed(value) else value for name, value in headers.items()
        }
    if seals := columns.get("signing_secrets"):
        columns["signing_secrets"] = [{"secret": mark(seal)} for seal in seals]
    return {name: value for name, value in columns.items() if value not in (None, [], {}, "")}


def mark(seal: str) -> str:
    """Return a mark that changes with a secret and reveals nothing else about it."""
    return sha256(seal.encode()).hexdigest()[:8]


def difference(before: Columns, after: Columns) -> tuple[Columns, Columns]:
    """Return the members in which two definitions differ, before and after."""
    differing = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    return (
        {name: value for name, value in before.items() if name in differing},
        {name: value for name, value in after.items() if name in differing},
    )


def changes_of(task: Task, columns: Mapping[str, Any]) -> tuple[Columns, Columns]:
    """Return the members of a task's definition that differ when these columns are set, before and after."""
    after = creation.new_task(dict(columns))
    return difference(definition(task, only=columns), definition(after, only=columns))
