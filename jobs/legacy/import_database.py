"""Imports the tasks and results of the service before Duetime, when its database is migrated.

Of what was missed, only one-off tasks that have not run yet are caught up. No row is left out; a row that cannot be
kept as it was is logged by its id, with the reason.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from db import legacy_schema
from db.states import TaskStatus, TriggerType
from jobs import json_value
from jobs.http.request import MAX_REDIRECTS, NOT_IN_URLS, REFUSED_HEADERS, ActionDraft, HeaderDraft, HttpMethod
from jobs.http.request import check as check_action
from jobs.legacy import cron_text
from jobs.security.encryption import SecretKeys
from jobs.security.secret_headers import is_secret_name, seal
from jobs.triggers import columns as trigger_columns
from jobs.triggers import schedule, validation
from jobs.triggers.schedule import Interval

logger = logging.getLogger(__name__)

BATCH = 500
CLAMPED = "has an instant before the year 1 or after 9999, which is replaced by the nearest one within them"
KNOWN = {TaskStatus.SCHEDULED, TaskStatus.COMPLETED, TaskStatus.CANCELLED}


class NeedsSecretKey(Exception):
    """Tasks have secret headers, and there is no key to encrypt them with."""


async def import_database(connection: AsyncConnection, *, now: datetime, secrets: SecretKeys) -> None:
    """Import all tasks and results, in the connection's transaction. Raises `NeedsSecretKey`."""
    count, after = 0, None
    while rows := await legacy_schema.tasks(connection, after=after, limit=BATCH):
        columns = []
        for row in rows:
            found, remarks = task_columns(row, now=now, secrets=secrets)
            columns.append(found)
            for remark in remarks:
                logger.warning(
                    "A task could not be imported as it was.",
                    extra={"action": "imported_with_remark", "task": row.id, "reason": remark},
                )
        await legacy_schema.import_tasks(connection, columns)
        count, after = count + len(rows), rows[-1].id
    for row in await legacy_schema.odd_results(connection):
        remark = CLAMPED if row.beyond else "has response headers that are not an object, which are left out"
        logger.warning(
            "A result could not be imported as it was.",
            extra={"action": "imported_with_remark", "result": row.id, "reason": remark},
        )
    results = await legacy_schema.import_results(connection)
    logger.info(
        "Imported the database of the old service.",
        extra={"action": "imported", "tasks": count, "results": results},
    )


def task_columns(row: Row[Any], *, now: datetime, secrets: SecretKeys) -> tuple[dict[str, Any], list[str]]:
    """Return a task's columns, and what could not be kept. A task that cannot work is cancelled.

    Raises `NeedsSecretKey`.
    """
    action, action_faults = action_columns(row, secrets=secrets)
    trigger, trigger_faults, trigger_notes = imported_trigger(row, now=now)
    payload_faults = unreadable_payload(row)
    remarks = [f"{fault}, so it is cancelled" for fault in (*action_faults, *trigger_faults, *payload_faults)]
    status = row.status.lower()
    if status not in KNOWN:
        remarks.append(f"has the unknown status {row.status!r}, so it is cancelled")
    if remarks and status != TaskStatus.COMPLETED:
        status = TaskStatus.CANCELLED
    if status != TaskStatus.SCHEDULED:
        trigger["next_run"] = None
    created_at = row.created_at or row.updated_at or now
    remarks += trigger_notes
    if row.beyond:
        remarks.append(CLAMPED)
    stamps = {"created_at": created_at, "updated_at": row.updated_at or created_at}
    columns = {"id": row.id, "status": str(status), "has_payload": not payload_faults} | action | trigger | stamps
    return columns, remarks


def action_columns(row: Row[Any], *, secrets: SecretKeys) -> tuple[dict[str, Any], list[str]]:
    """Return the columns of a task's action, and why it cannot be called. Raises `NeedsSecretKey`."""
    stored = row.headers if isinstance(row.headers, dict) else {}
    # The old service's HTTP library set these headers itself, whatever the task said.
    headers = {name: header_text(value) for name, value in stored.items() if name.lower() not in REFUSED_HEADERS}
    if not secrets.present and any(is_secret_name(name) for name in headers):
        raise NeedsSecretKey
    draft = ActionDraft(
        url=with_encoded_query(row.url),
        method=row.method,
        headers=[HeaderDraft(name, value) for name, value in headers.items()],
        redirects=MAX_REDIRECTS,
    )
    columns, problems = check_action(draft, secrets=secrets)
    faults = [f"has an action that cannot be called ({problem})" for problem in problems]
    if stored is not row.headers and row.headers is not None:
        faults.append("has headers that are not an object")
    if problems:
        # The secrets are encrypted all the same; without an origin they can be sent nowhere.
        sealed = {
            name: seal(value, name=name, origin="", keys=secrets) for name, value in secret_headers(headers).items()
        }
        method = row.method.upper() if row.method.upper() in list(HttpMethod) else HttpMethod.GET
        columns = {"method": str(method), "url": row.url, "host": "", "headers": (headers | sealed) or None}
    return {name: columns[name] for name in ("method", "url", "host", "headers")}, faults


def unreadable_payload(row: Row[Any]) -> list[str]:
    """Return why the payload cannot be kept; nothing when it can."""
    if row.doubtful_payload is not None:
        try:
            json_value.parse(row.doubtful_payload, max_values=None)
        except json_value.NotJson as error:
            return [f"has a payload that cannot be read ({error}), which is left out"]
    return []


def header_text(value: Any) -> str:
    """Return a header's value as text: the old service stored any JSON, of which all but strings is kept as JSON."""
    return value if isinstance(value, str) else json_value.encode(value)


def secret_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers whose names mark them as secrets."""
    return {name: value for name, value in headers.items() if is_secret_name(name)}


def with_encoded_query(url: str) -> str:
    """Return a URL whose query has characters percent-encoded that the old service's library sent as they were."""
    before, mark, query = url.partition("?")
    return before + mark + NOT_IN_URLS.sub(lambda found: quote(found.group(), errors="replace"), query)


def imported_trigger(row: Row[Any], *, now: datetime) -> tuple[dict[str, Any], list[str], list[str]]:
    """Return the columns of a task's trigger with `next_run`, why it never fires, and what it means differently now."""
    if row.trigger_type == TriggerType.ONE_OFF:
        at = row.trigger_time or row.next_run
        # The column must not be null, so a task that never had an instant gets that of its creation.
        columns = {"trigger_type": TriggerType.ONE_OFF, "trigger_time": at or row.created_at or now, "next_run": at}
        faults = [] if at or row.status == TaskStatus.CANCELLED else ["has no instant"]
        return imported_columns(columns), faults, []
    expression = (row.cron_expr or "").strip()
    try:
        # The old service's library read ? as *, also with a step.
        trigger, _ = cron_text.parse(expression.replace("?", "*"))
    except ValueError as error:
        return *unusable_cron(expression, reason=str(error)), []
    if isinstance(trigger, Interval) and row.next_run is not None and row.next_run > now:
        trigger = Interval(every_ms=trigger.every_ms, start_at=row.next_run)
    accepted, problems = validation.check(trigger, now=now)
    if problems:
        return *unusable_cron(expression, reason="; ".join(map(str, problems))), []
    next_run = schedule.next_instant(accepted, now)
    notes = [f"has a cron expression that changes its meaning: {words}" for words in cron_text.differences(accepted)]
    return imported_columns(trigger_columns.columns_of(accepted) | {"next_run": next_run}), [], notes


def unusable_cron(expression: str, *, reason: str) -> tuple[dict[str, Any], list[str]]:
    """Return the columns of a cron trigger that never fires, and why."""
    columns = {"trigger_type": TriggerType.CRON, "cron_expr": expression, "next_run": None}
    return imported_columns(columns), [f"has a cron expression that cannot be used ({reason})"]


def imported_columns(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return all trigger columns but those that the old service did not have, with their type as text."""
    found = {**trigger_columns.UNUSED, **columns, "trigger_type": str(columns["trigger_type"])}
    return {name: value for name, value in found.items() if name not in {"end_at", "jitter_ms"}}
