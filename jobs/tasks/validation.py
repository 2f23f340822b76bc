"""The one validation that tasks pass, new or changed: the columns of a draft, or all that is wrong with it."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from db.postgres_text import is_postgres_text
from jobs import json_value, retry
from jobs.datetimes import INSTANT
from jobs.errors import InvalidInput
from jobs.http import request
from jobs.http.request import ActionDraft, HeaderDraft
from jobs.http.resolver import TargetChecker
from jobs.http.statuses import problems_of as status_problems
from jobs.problems import Problem
from jobs.security.encryption import SecretKeys
from jobs.security.secret_headers import MIN_LENGTH, is_too_short
from jobs.tasks.draft import RetryDraft, TaskDraft, TaskUpdate
from jobs.triggers import columns as trigger_columns
from jobs.triggers import schedule, validation
from jobs.triggers.schedule import Requested

MAX_NAME_LENGTH = 255
MAX_EXTERNAL_ID_LENGTH = 255
MAX_DESCRIPTION_LENGTH = 4_000
MAX_METADATA_BYTES = 4 * 1024
MAX_DELETE_AFTER_MS = 100 * 365 * 24 * 3_600_000
"""A hundred years: the instant stays one that Python can read."""
MAX_PAUSE_AFTER_FAILURES = 1_000
MAX_REASON_LENGTH = 500
MAX_RETENTION_DAYS = 36_500
MAX_FLOW_KEY_LENGTH = 255
MAX_TAGS = 20
MAX_TAG_LENGTH = 64
NOT_PRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Unicode's control characters, and halves of surrogate pairs."""
NO_INSTANT = Problem(("trigger",), "has no instant after the present one")


def checked(
    draft: TaskDraft | TaskUpdate,
    *,
    trigger: Requested | None,
    action: ActionDraft | None,
    retry_policy: RetryDraft | None,
    now: datetime,
    secrets: SecretKeys,
    target_problems: Sequence[Problem],
    pending: datetime | None = None,
) -> dict[str, Any]:
    """Return the columns of the given members of a draft. Raises `InvalidInput` with all that is wrong."""
    columns: dict[str, Any] = {}
    problems = [*target_problems]
    if draft.name is not None:
        columns["name"] = draft.name.strip()
        problems += name_problems(draft.name)
    for found, wrong in (
        check_action(action, secrets=secrets) if action else ({}, []),
        check_retry(retry_policy) if retry_policy else ({}, []),
        check_trigger(trigger, now=now, pending=pending) if trigger else ({}, []),
    ):
        columns |= found
        problems += wrong
    if draft.tags is not None:
        columns["tags"] = list(draft.tags)
        problems += tag_problems(draft.tags)
    problems += note_problems(draft)
    if problems:
        raise InvalidInput(problems)
    others = {
        "overlap": draft.overlap,
        "misfire": draft.misfire,
        "on_lost": draft.on_lost,
        "external_id": draft.external_id,
        "description": draft.description,
        "user_metadata": draft.metadata,
        "delete_after_ms": draft.delete_after_ms,
        "pause_after_failures": draft.pause_after_failures,
        "retention_days": draft.retention_days,
        "flow_key": draft.flow_key,
    }
    return columns | {name: value for name, value in others.items() if value is not None}


def note_problems(draft: TaskDraft | TaskUpdate) -> Iterator[Problem]:
    """Yield what is wrong with what a caller notes about a task: external id, description, metadata, and its expiry."""
    if draft.external_id is not None:
        if not 1 <= len(draft.external_id) <= MAX_EXTERNAL_ID_LENGTH:
            message = f"must have 1 to {MAX_EXTERNAL_ID_LENGTH} characters, not {len(draft.external_id):,}"
            yield Problem(("externalId",), message)
        if not is_printable(draft.external_id):
            yield Problem(("externalId",), "contains a control character; use printable ones")
    if draft.description is not None:
        if len(draft.description) > MAX_DESCRIPTION_LENGTH:
            message = f"has {len(draft.description):,} characters; at most {MAX_DESCRIPTION_LENGTH:,} are accepted"
            yield Problem(("description",), message)
        if not is_postgres_text(draft.description):
            yield Problem(("description",), "contains NUL or half of a surrogate pair, which cannot be stored as text")
    if draft.metadata is not None:
        yield from metadata_problems(draft.metadata)
    if draft.delete_after_ms is not None and not 0 <= draft.delete_after_ms <= MAX_DELETE_AFTER_MS:
        message = f"must be from 0 to {MAX_DELETE_AFTER_MS:,}, not {draft.delete_after_ms:,}"
        yield Problem(("deleteAfterMs",), message)
    after = draft.pause_after_failures
    if after is not None and not 0 <= after <= MAX_PAUSE_AFTER_FAILURES:
        message = f"must be from 0 to {MAX_PAUSE_AFTER_FAILURES:,}, not {after:,}; 0 means never"
        yield Problem(("pauseAfterFailures",), message)
    if draft.retention_days is not None and not 0 <= draft.retention_days <= MAX_RETENTION_DAYS:
        message = f"must be from 1 to {MAX_RETENTION_DAYS:,}, or 0 to keep forever, not {draft.retention_days:,}"
        yield Problem(("retentionDays",), message)
    if draft.flow_key:
        yield from flow_key_problems(draft.flow_key, path=("flowKey",))


def flow_key_problems(flow_key: str, *, path: tuple[str, ...]) -> Iterator[Problem]:
    """Yield what is wrong with a flow key: its length, or a control character."""
    if not 1 <= len(flow_key) <= MAX_FLOW_KEY_LENGTH:
        yield Problem(path, f"must have 1 to {MAX_FLOW_KEY_LENGTH} characters, not {len(flow_key):,}")
    if not is_printable(flow_key):
        yield Problem(path, "contains a control character; use printable ones")


def metadata_problems(metadata: Any) -> Iterator[Problem]:
    """Yield what is wrong with metadata, which can be any JSON that is stored digit for digit."""
    reason = next(json_value.faults(metadata), None)
    if reason is not None:
        yield Problem(("metadata",), reason)
    elif (size := json_value.size(metadata)) > MAX_METADATA_BYTES:
        yield Problem(("metadata",), f"takes {size:,} bytes as JSON; at most {MAX_METADATA_BYTES:,} are accepted")


def check_action(draft: ActionDraft, *, secrets: SecretKeys) -> tuple[dict[str, Any], list[Problem]]:
    """Return an action's columns, or its problems, with paths from the root of the input."""
    columns, problems = request.check(draft, secrets=secrets)
    problems += short_secret_problems(draft.headers)
    return columns, [problem.under("action") for problem in problems]


async def columns_of_action(draft: ActionDraft, *, secrets: SecretKeys, checker: TargetChecker) -> dict[str, Any]:
    """Return the columns of an action that belongs to no task. Raises `InvalidInput`, with paths from the action."""
    [found] = await checker.problems_of([draft.url])
    columns, problems = check_action(draft, secrets=secrets)
    if wrong := [*found, *problems]:
        raise InvalidInput([Problem(problem.path[1:], problem.message) for problem in wrong])
    return columns


def short_secret_problems(headers: Sequence[HeaderDraft]) -> Iterator[Problem]:
    """Yield which secrets are too short. Those of imported tasks may be, because the tasks have to go on working."""
    for place, header in enumerate(headers):
        if header.is_secret and header.value is not None and is_too_short(header.value):
            yield Problem(
                ("headers", str(place), "value"),
                f"is a secret of fewer than {MIN_LENGTH} characters (after a scheme such as Bearer), which cannot be "
                "masked in responses; use a longer one",
            )


def check_retry(draft: RetryDraft) -> tuple[dict[str, Any], list[Problem]]:
    """Return a retry policy's columns, or its problems."""
    problems = [
        problem.under("retry")
        for problem in (
            *retry.problems_of(
                max_attempts=draft.max_attempts,
                initial_delay_ms=draft.initial_delay_ms,
                factor=draft.factor,
                max_delay_ms=draft.max_delay_ms,
                max_elapsed_ms=draft.max_elapsed_ms,
            ),
            *status_problems(draft.retry_statuses or (), "retryStatuses"),
        )
    ]
    columns = {
        "max_attempts": draft.max_attempts,
        "initial_delay_ms": draft.initial_delay_ms,
        "backoff_factor": draft.factor,
        "max_delay_ms": draft.max_delay_ms,
        "retry_statuses": None if draft.retry_statuses is None else list(draft.retry_statuses),
        "max_elapsed_ms": draft.max_elapsed_ms,
    }
    return ({}, problems) if problems else (columns, [])


def check_trigger(
    trigger: Requested, *, now: datetime, pending: datetime | None = None
) -> tuple[dict[str, Any], list[Problem]]:
    """Return a trigger's columns with `next_run`, its first instant after `now`; or its problems.

    An instant that is `pending` has come and is still to be called, so the trigger may begin and end with it.
    """
    since = now if pending is None else pending - INSTANT
    accepted, problems = validation.check(trigger, now=now, since=since)
    if problems:
        return {}, [problem.under("trigger") for problem in problems]
    first = schedule.next_instant(accepted, since)
    if first is None:
        return {}, [NO_INSTANT]
    return trigger_columns.columns_of(accepted) | {"next_run": first}, []


def name_problems(name: str) -> Iterator[Problem]:
    """Yield what is wrong with a name: its length, or a control character."""
    if not 1 <= len(name.strip()) <= MAX_NAME_LENGTH:
        yield Problem(("name",), f"must have 1 to {MAX_NAME_LENGTH} characters, not {len(name.strip()):,}")
    if not is_printable(name):
        yield Problem(("name",), "contains a control character")


def reason_problems(reason: str) -> Iterator[Problem]:
    """Yield what is wrong with the reason of a pause: its length, or a control character."""
    if len(reason) > MAX_REASON_LENGTH:
        yield Problem(("reason",), f"has {len(reason):,} characters; at most {MAX_REASON_LENGTH:,} are accepted")
    if not is_printable(reason):
        yield Problem(("reason",), "contains a control character; use printable ones")


def tag_problems(tags: Sequence[str]) -> Iterator[Problem]:
    """Yield what is wrong with tags: their number, a length, a control character, or a duplicate."""
    if len(tags) > MAX_TAGS:
        yield Problem(("tags",), f"has {len(tags):,} tags; at most {MAX_TAGS} are accepted")
        return
    for place, tag in enumerate(tags):
        if not 1 <= len(tag) <= MAX_TAG_LENGTH:
            yield Problem(("tags", str(place)), f"must have 1 to {MAX_TAG_LENGTH} characters, not {len(tag):,}")
        elif not is_printable(tag):
            yield Problem(("tags", str(place)), "contains a control character")
        elif tag in tags[:place]:
            yield Problem(("tags", str(place)), f"{tag!r} is given twice")


def is_printable(text: str) -> bool:
    """Return whether a text has no control characters, and none that Postgres cannot store."""
    return NOT_PRINTABLE.search(text) is None
