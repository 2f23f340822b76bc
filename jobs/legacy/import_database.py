"""Carries the tasks and results of the service before Duetime over, when its database is migrated.

Nothing is caught up but one-off tasks that have not run yet. What is odd is told by the task's id, and no row is left
out.
"""

import logging
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from db import legacy_schema
from db.states import TaskStatus, TriggerType
from jobs import json_value
from jobs.http.request import MAX_REDIRECTS, REFUSED_HEADERS, ActionDraft, HeaderDraft, HttpMethod
from jobs.http.request import check as check_action
from jobs.legacy import cron_text
from jobs.security.encryption import SecretKeys
from jobs.security.secret_headers import is_secret_name, seal
from jobs.triggers import columns as trigger_columns
from jobs.triggers import schedule
from jobs.triggers.columns import IntervalDraft

logger = logging.getLogger(__name__)

BATCH = 500
BEYOND = "an instant before the year 1 or after 9999, which is brought to there"
KNOWN = {TaskStatus.SCHEDULED, TaskStatus.COMPLETED, TaskStatus.CANCELLED}


class NeedsSecretKey(Exception):
    """Tasks have secrets, and there is no key to keep them under."""


async def carry_over(connection: AsyncConnection, *, now: datetime, secrets: SecretKeys) -> None:
    """Carries all of it over, in the connection's transaction. Raises `NeedsSecretKey`."""
    count, after = 0, None
    while rows := await legacy_schema.tasks(connection, after=after, limit=BATCH):
        columns = []
        for row in rows:
            found, remarks = task_columns(row, now=now, secrets=secrets)
            columns.append(found)
            for remark in remarks:
                logger.warning("Task %s: %s. action=carried_over_oddly task=%s", row.id, remark, row.id)
        await legacy_schema.carry_tasks(connection, columns)
        count, after = count + len(rows), rows[-1].id
    for row in await legacy_schema.odd_results(connection):
        remark = f"has {BEYOND}" if row.beyond else "has response headers that are no object, which are left out"
        logger.warning("Result %s: %s. action=carried_over_oddly result=%s", row.id, remark, row.id)
    results = await legacy_schema.carry_results(connection)
    logger.info("Carried over %d tasks and %d results. action=carried_over", count, results)


def task_columns(row: Row[Any], *, now: datetime, secrets: SecretKeys) -> tuple[dict[str, Any], list[str]]:
    """A task's columns, and what is odd about it. What cannot work is cancelled. Raises `NeedsSecretKey`."""
    action, unusable = action_columns(row, secrets=secrets)
    timing, never = imported_trigger(row, now=now)
    unreadable = payload_problem(row)
    remarks = [f"{reason}, so it is cancelled" for reason in (*unusable, *never, *unreadable)]
    status = row.status.lower()
    if status not in KNOWN:
        remarks.append(f"has the unknown status {row.status!r}, so it is cancelled")
    if remarks and status != TaskStatus.COMPLETED:
        status = TaskStatus.CANCELLED
    if status != TaskStatus.SCHEDULED:
        timing["next_run"] = None
    created_at = row.created_at or row.updated_at or now
    if row.beyond:
        remarks.append(f"has {BEYOND}")
    stamps = {"created_at": created_at, "updated_at": row.updated_at or created_at}
    return {"id": row.id, "status": str(status), "has_payload": not unreadable} | action | timing | stamps, remarks


def action_columns(row: Row[Any], *, secrets: SecretKeys) -> tuple[dict[str, Any], list[str]]:
    """What the task calls, and why that cannot be called, if so. Raises `NeedsSecretKey`."""
    kept = row.headers if isinstance(row.headers, dict) else {}
    # The old service left to its HTTP library what is the library's to say.
    given = {name: header_text(value) for name, value in kept.items() if name.lower() not in REFUSED_HEADERS}
    if not secrets.present and any(is_secret_name(name) for name in given):
        raise NeedsSecretKey
    headers = [HeaderDraft(name, value) for name, value in given.items()]
    draft = ActionDraft(url=row.url, method=row.method, headers=headers, redirects=MAX_REDIRECTS)
    columns, problems = check_action(draft, secrets=secrets)
    remarks = [f"has an action that cannot be called ({problem})" for problem in problems]
    if kept is not row.headers and row.headers is not None:
        remarks.append("has headers that are no object")
    if problems:
        # A secret is sealed all the same; there is no origin to which it could be sent.
        sealed = {name: seal(value, name=name, origin="", keys=secrets) for name, value in secret_part(given).items()}
        method = row.method.upper() if row.method.upper() in list(HttpMethod) else HttpMethod.GET
        columns = {"method": str(method), "url": row.url, "host": "", "headers": (given | sealed) or None}
    return {name: columns[name] for name in ("method", "url", "host", "headers")}, remarks


def payload_problem(row: Row[Any]) -> list[str]:
    """Why the payload cannot be kept, if so."""
    if row.doubtful_payload is not None:
        try:
            json_value.parse(row.doubtful_payload)
        except json_value.NotJson as error:
            return [f"has a payload that cannot be read ({error}), which is left out"]
    return []


def header_text(value: Any) -> str:
    """A header's value; the old service sent text, so what is none is told as JSON."""
    return value if isinstance(value, str) else json_value.encode(value)


def secret_part(headers: dict[str, str]) -> dict[str, str]:
    """Those headers that are secrets by their names."""
    return {name: value for name, value in headers.items() if is_secret_name(name)}


def imported_trigger(row: Row[Any], *, now: datetime) -> tuple[dict[str, Any], list[str]]:
    """When the task is due, its next instant with it; and why it never is, if so."""
    if row.trigger_type == TriggerType.ONE_OFF:
        at = row.trigger_time or row.next_run
        columns = trigger_columns.UNUSED | {"trigger_type": str(TriggerType.ONE_OFF), "next_run": at}
        # Of one that never had an instant, that of its creation is as good as any.
        columns["trigger_time"] = at or row.created_at or now
        return wanted(columns), [] if at or row.status == TaskStatus.CANCELLED else ["has no instant"]
    written = (row.cron_expr or "").strip()
    try:
        # The old service's library took ? for *.
        draft, _ = cron_text.parse(written.replace("?", "*"))
        if isinstance(draft, IntervalDraft) and row.next_run is not None and row.next_run > now:
            draft = IntervalDraft(every_ms=draft.every_ms, start_at=row.next_run)
        accepted = trigger_columns.accept(draft, now=now)
    except ValueError as error:
        columns = trigger_columns.UNUSED | {
            "trigger_type": str(TriggerType.CRON),
            "cron_expr": written,
            "next_run": None,
        }
        return wanted(columns), [f"has a cron expression that cannot be used ({error})"]
    columns = trigger_columns.columns_of(accepted)
    columns["trigger_type"] = str(columns["trigger_type"])
    return wanted(columns | {"next_run": schedule.next_instant(accepted, now)}), []


def wanted(columns: dict[str, Any]) -> dict[str, Any]:
    """Those that the old service can have filled."""
    return {name: value for name, value in columns.items() if name not in {"end_at", "jitter_ms"}}
