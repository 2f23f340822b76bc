"""The versions of a task: what differs between two definitions, and the return to an earlier one."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Task
from db.reads import definitions, tasks
from db.reads.definitions import Definition
from jobs import json_value
from jobs.errors import ConflictReason, InvalidInput, NotFound
from jobs.http.body import draft_of as body_draft
from jobs.http.request import origin_of
from jobs.http.resolver import TargetChecker
from jobs.http.statuses import SUCCESS
from jobs.problems import Problem
from jobs.security import signatures
from jobs.security.encryption import NoSecretKey, SecretKeys
from jobs.security.secret_headers import SEALED, in_order, is_sealed, open_headers
from jobs.tasks import changes
from jobs.tasks.audit import mark
from jobs.tasks.columns import columns_replaced
from jobs.tasks.draft import TaskDraft, action_draft, retry_draft
from jobs.tasks.transaction import Transaction
from jobs.tasks.upsert import whole
from jobs.triggers import columns as trigger_columns
from jobs.triggers.schedule import Cron, Interval, OneOff

ACTION = "rollbackTask"
NO_KEY_OPENS = Problem(
    ("version",),
    "has secrets that no key in DUETIME_SECRET_KEY opens; list the old key there again, or update the task instead",
)


def fields_of(task: Task) -> dict[str, Any]:
    """Return the members of a definition as JSON, by their paths in CreateTaskInput. A secret is a mark."""
    body = body_draft(task.payload, task.body)
    found = {
        "name": task.name,
        "description": task.description or None,
        "metadata": task.user_metadata,
        "action.method": task.method,
        "action.url": task.url,
        "action.headers": [
            {"name": name, "secret": mark(value[SEALED])} if is_sealed(value) else {"name": name, "value": value}
            for name, value in in_order(task).items()
        ],
        "action.payload": body.payload,
        "action.body": body.body,
        "action.bodyBase64": body.body_base64,
        "action.form": None if body.form is None else [{"name": name, "value": value} for name, value in body.form],
        "action.successStatuses": list(task.success_statuses or SUCCESS),
        "action.timeoutMs": task.timeout_ms,
        "action.redirects": task.redirects,
        "action.signingSecrets": [{"secret": mark(seal)} for seal in task.signing_secrets or ()],
        "retry.maxAttempts": task.max_attempts,
        "retry.initialDelayMs": task.initial_delay_ms,
        "retry.factor": task.backoff_factor,
        "retry.maxDelayMs": task.max_delay_ms,
        "retry.retryStatuses": task.retry_statuses,
        "retry.maxElapsedMs": task.max_elapsed_ms,
        "overlap": task.overlap.name,
        "misfire": task.misfire.name,
        "onLost": task.on_lost.name,
        "tags": task.tags,
        "deleteAfterMs": task.delete_after_ms,
        "pauseAfterFailures": task.pause_after_failures or None,
        "retentionDays": task.retention_days,
        "flowKey": task.flow_key or None,
    }
    return trigger_fields(task) | found


def trigger_fields(task: Task) -> dict[str, Any]:
    """Return the members of a definition's trigger."""
    trigger = trigger_columns.trigger_of(task)
    kind: str
    own: dict[str, Any]
    match trigger:
        case OneOff():
            return {"trigger.oneOff.at": written(trigger.at)}
        case Cron():
            kind, own = "cron", {"expression": trigger.expression, "timezone": trigger.timezone}
        case Interval():
            kind, own = "interval", {"everyMs": trigger.every_ms}
    window = {"startAt": written(trigger.start_at), "endAt": written(trigger.end_at), "jitterMs": trigger.jitter_ms}
    return {f"trigger.{kind}.{name}": value for name, value in (own | window).items()}


def written(instant: datetime | None) -> str | None:
    """Return an instant as a text."""
    return None if instant is None else instant.isoformat().replace("+00:00", "Z")


def differences(old: Task, new: Task) -> list[tuple[str, Any, Any]]:
    """Return the members in which two definitions differ, each with its value before and after."""
    before, after = fields_of(old), fields_of(new)
    return [
        (name, before.get(name), after.get(name))
        for name in {**before, **after}
        if json_value.sorted_text(before.get(name)) != json_value.sorted_text(after.get(name))
    ]


async def definition_to_restore(
    session: AsyncSession, task_id: UUID, version: int, *, secrets: SecretKeys, checker: TargetChecker | None
) -> tuple[Definition, list[Problem]]:
    """Return the definition that a task had at a version, and the problems of its target, if they are to be checked.

    Raises `NotFound`, and `InvalidInput` when the definition is not kept or its secrets cannot be opened.
    """
    task = await tasks.get(session, task_id)
    if task is None:
        raise NotFound("task", task_id)
    found = None if version > task.version else await definitions.at_version(session, task_id, version=version)
    if found is None:
        message = f"{version:,} is not a version of this task whose definition is kept; `versions` lists those that are"
        raise InvalidInput([Problem(("version",), message)])
    try:
        sealed = {name: value for name, value in (found.task.headers or {}).items() if is_sealed(value)}
        open_headers(sealed, origin=origin_of(found.task.url), keys=secrets)
        for seal in found.task.signing_secrets or ():
            secrets.open(seal, context=signatures.CONTEXT)
    except NoSecretKey:
        raise InvalidInput([NO_KEY_OPENS]) from None
    [problems] = await checker.problems_of([found.task.url]) if checker else [[]]
    return found, problems


async def rollback_task(
    work: Transaction,
    task_id: UUID,
    definition: Definition,
    *,
    target_problems: list[Problem],
    now: datetime,
    expected_version: int | None = None,
) -> Task:
    """Bring a task back to a definition that it had, as a new version; equal definitions change nothing.

    Its secrets come back with it, to the origin for which they were sealed. The status stays the same as in an update,
    and so does the external id. Raises `NotFound`, `Conflict`, and `InvalidInput`, also for a trigger without a further
    instant.
    """
    task = await changes.locked(work, task_id)
    if expected_version is not None and expected_version != task.version:
        message = f"The task has version {task.version}, not {expected_version}: it has been changed since"
        raise changes.conflict(work, task, message, reason=ConflictReason.STALE_VERSION)
    old = definition.task
    trigger = trigger_columns.trigger_of(old)
    changed = changes.changed_trigger(task, whole(trigger), revives=False, now=now)
    draft = TaskDraft(
        name=old.name,
        trigger=trigger,
        action=action_draft(old),
        retry=retry_draft(old),
        overlap=old.overlap,
        misfire=old.misfire,
        on_lost=old.on_lost,
        tags=old.tags,
        description=old.description or None,
        metadata=old.user_metadata,
        delete_after_ms=old.delete_after_ms,
        pause_after_failures=old.pause_after_failures or None,
        retention_days=old.retention_days,
        flow_key=old.flow_key,
        target_problems=target_problems,
    )
    columns = columns_replaced(task, draft, trigger=changed, now=now, secrets=work.secrets, action=draft.action)
    if not columns.keys() & trigger_columns.COLUMNS:
        changed = None
    if columns:
        await changes.change(work, task, columns, ACTION, trigger=changed, now=now)
    return task
