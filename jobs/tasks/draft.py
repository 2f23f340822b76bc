"""Drafts: tasks as requested, new or changed, and the one validation that both pass."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from db import json_text
from db.json_text import JsonText
from db.models import Task
from db.postgres_text import is_postgres_text
from db.states import LostPolicy, MisfirePolicy, OverlapPolicy
from jobs import json_value, retry
from jobs.datetimes import INSTANT
from jobs.errors import InvalidInput
from jobs.http import request
from jobs.http.body import BodyDraft
from jobs.http.body import draft_of as body_draft
from jobs.http.request import ActionDraft, HeaderDraft
from jobs.http.resolver import TargetChecker
from jobs.http.statuses import SUCCESS
from jobs.http.statuses import problems_of as status_problems
from jobs.problems import Problem
from jobs.security.encryption import SecretKeys
from jobs.security.secret_headers import MIN_LENGTH, SEALED, in_order, is_sealed, is_too_short, sealed_values
from jobs.triggers import columns as trigger_columns
from jobs.triggers import schedule, validation
from jobs.triggers.revision import ChangedTrigger, TriggerUpdate
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
WITHOUT_NOTES: dict[str, Any] = {
    "description": "",
    "user_metadata": None,
    "delete_after_ms": None,
    "pause_after_failures": 0,
    "retention_days": None,
    "flow_key": "",
}
"""The values of columns that an input does not set."""
REMOVABLE = {
    "external_id": ("clearExternalId", "external_id"),
    "metadata": ("clearMetadata", "user_metadata"),
    "delete_after_ms": ("clearDeleteAfterMs", "delete_after_ms"),
    "retention_days": ("clearRetentionDays", "retention_days"),
}
"""The members that an update can remove: what removes each in its input, and the column."""
REMOVABLE_OF_RETRY = {"retry_statuses": "clearRetryStatuses", "max_elapsed_ms": "clearMaxElapsedMs"}
"""The members of a retry policy that an update can remove, with what removes each in its input."""
NO_INSTANT = Problem(("trigger",), "has no instant after the present one")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDraft:
    """A retry policy as requested, not validated yet."""

    max_attempts: int = 3
    initial_delay_ms: int = 5_000
    factor: float = 2.0
    max_delay_ms: int = 300_000
    retry_statuses: Sequence[str] | None = None
    max_elapsed_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDraft:
    """A task as requested by either API, not validated yet."""

    name: str
    trigger: Requested
    action: ActionDraft
    retry: RetryDraft = field(default_factory=RetryDraft)
    overlap: OverlapPolicy = OverlapPolicy.SKIP
    misfire: MisfirePolicy = MisfirePolicy.LATEST
    on_lost: LostPolicy = LostPolicy.RETRY
    tags: Sequence[str] = ()
    external_id: str | None = None
    description: str | None = None
    metadata: Any = None
    delete_after_ms: int | None = None
    pause_after_failures: int | None = None
    retention_days: int | None = None
    flow_key: str | None = None
    target_problems: Sequence[Problem] = field(default=(), compare=False)
    """What `with_target_checked` has found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskUpdate:
    """What to change in a task, not validated yet; None leaves the old value.

    `trigger`, `action` and `retry` have only those members that change; `cleared` names those of REMOVABLE that go.
    """

    name: str | None = None
    trigger: TriggerUpdate | None = None
    action: Mapping[str, Any] = field(default_factory=dict)
    retry: Mapping[str, Any] = field(default_factory=dict)
    overlap: OverlapPolicy | None = None
    misfire: MisfirePolicy | None = None
    on_lost: LostPolicy | None = None
    tags: Sequence[str] | None = None
    external_id: str | None = None
    description: str | None = None
    metadata: Any = None
    delete_after_ms: int | None = None
    pause_after_failures: int | None = None
    retention_days: int | None = None
    flow_key: str | None = None
    cleared: Collection[str] = ()
    target_problems: Sequence[Problem] = field(default=(), compare=False)
    """What `with_target_checked` has found."""


Wanted = TypeVar("Wanted", TaskDraft, TaskUpdate)
SIMPLE = {bool, datetime, float, int, type(None)}
"""Types of which two values mean the same if they are equal."""


async def with_target_checked(draft: Wanted, checker: TargetChecker) -> Wanted:
    """Return the draft with the problems of its target.

    Call this before the transaction opens: it resolves the target's name, which can take seconds.
    """
    [checked] = await with_targets_checked([draft], checker)
    return checked


async def with_targets_checked(drafts: Sequence[Wanted], checker: TargetChecker) -> list[Wanted]:
    """Return many drafts with the problems of their targets. Each name is resolved once."""
    problems = await checker.problems_of([url_of(draft) for draft in drafts])
    return [replace(draft, target_problems=found) for draft, found in zip(drafts, problems, strict=True)]


def url_of(draft: TaskDraft | TaskUpdate) -> str | None:
    """Return the URL that a draft sets, if it sets one."""
    return draft.action.url if isinstance(draft, TaskDraft) else draft.action.get("url")


def columns_of(draft: TaskDraft, *, now: datetime, secrets: SecretKeys) -> dict[str, Any]:
    """Return a new task's columns, including `next_run`. Raises `InvalidInput` with all that is wrong."""
    return checked(
        draft,
        trigger=draft.trigger,
        action=draft.action,
        retry_policy=draft.retry,
        now=now,
        secrets=secrets,
        target_problems=draft.target_problems,
    )


def columns_changed(
    task: Task,
    changes: TaskUpdate,
    *,
    trigger: ChangedTrigger | None,
    now: datetime,
    secrets: SecretKeys,
) -> dict[str, Any]:
    """Return the columns that an update sets; `trigger` is the changed trigger, if it changes. Raises `InvalidInput`.

    It checks only what the update sets: the end of a trigger that stays may have passed since, and a target that stays
    may no longer be allowed.
    """
    draft, secret_problems = changed_action(task, changes.action) if changes.action else (None, [])
    policy, policy_problems = changed_retry(task, changes.retry) if changes.retry else (None, [])
    columns = checked(
        changes,
        trigger=None if trigger is None else trigger.trigger,
        pending=None if trigger is None else trigger.stands.pending,
        action=draft,
        retry_policy=policy,
        now=now,
        secrets=secrets,
        target_problems=[
            *secret_problems,
            *policy_problems,
            *(() if url_of(changes) == task.url else changes.target_problems),
            *clearing_problems(changes),
        ],
    )
    columns |= dict.fromkeys(REMOVABLE[name][1] for name in changes.cleared)
    return differing(columns, task)


def clearing_problems(changes: TaskUpdate) -> Iterator[Problem]:
    """Yield what is wrong with an update that removes a value and gives one."""
    for name in changes.cleared:
        if getattr(changes, name) is not None:
            yield given_beside(REMOVABLE[name][0])


def given_beside(clearing: str) -> Problem:
    """Return the problem of an input that removes a member, such as by `clearMetadata`, and gives its value."""
    member = clearing.removeprefix("clear")
    return Problem((clearing,), f"is given beside {member[0].lower()}{member[1:]}; give one of them")


def columns_replaced(
    task: Task,
    draft: TaskDraft,
    *,
    trigger: ChangedTrigger | None,
    now: datetime,
    secrets: SecretKeys,
    action: ActionDraft | None = None,
) -> dict[str, Any]:
    """Return the columns that bring a task to a draft; `trigger` is the changed trigger, if it changes.

    `action` is the draft's action where that has its seals already. Raises `InvalidInput`. What is the same already is
    not checked again, as in an update.
    """
    columns = checked(
        draft,
        trigger=None if trigger is None else trigger.trigger,
        pending=None if trigger is None else trigger.stands.pending,
        action=action or replaced_action(task, draft.action),
        retry_policy=draft.retry,
        now=now,
        secrets=secrets,
        target_problems=() if draft.action.url == task.url else draft.target_problems,
    )
    return differing(WITHOUT_NOTES | columns, task)


def replaced_action(task: Task, draft: ActionDraft) -> ActionDraft:
    """Return a draft that replaces the task's action, with the stored seals of secrets, which equal ones keep."""
    stored = sealed_values(task.headers)
    headers = [
        header._replace(kept=stored.get(header.name.lower()))
        if header.value is not None and header.is_secret
        else header
        for header in draft.headers
    ]
    return replace(
        draft,
        headers=headers,
        signing_secrets=draft.signing_secrets or (),
        kept_signing_secrets=task.signing_secrets or (),
    )


def differing(columns: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """Return the columns in which a task differs from these."""
    found = {name: value for name, value in columns.items() if name != "next_run"}
    if found.get("header_order") == list(in_order(task)):
        # The order is the same; a row imported from the old service has none stored.
        del found["header_order"]
    return {name: value for name, value in found.items() if not same(getattr(task, name), value)}


def same(mine: Any, theirs: Any) -> bool:
    """Return whether two values of a column mean the same. Payloads whose numbers differ in digits alone do not.

    Metadata comes from Postgres with Python's numbers, which have lost such digits, so there they do not count.
    """
    if isinstance(mine, str) and isinstance(theirs, str):
        return mine == theirs
    if type(mine) is type(theirs) and (type(mine) in SIMPLE or not (mine or theirs)):
        # Most columns are compared here, at a small part of the cost of writing them.
        return bool(mine == theirs)
    if isinstance(mine, JsonText) and isinstance(theirs, JsonText):
        return json_value.same(mine, theirs)
    return json_text.write(mine, sort_keys=True, default=str) == json_text.write(theirs, sort_keys=True, default=str)


def changed_action(task: Task, members: Mapping[str, Any]) -> tuple[ActionDraft, list[Problem]]:
    """Return the task's action with some members changed, and the problems of its secrets.

    A secret header without a value keeps its stored one, but no secret follows to another origin.
    """
    members = dict(members)
    if members.pop("clear_body", False) and members["body"] != BodyDraft():
        return action_draft(task), [Problem(("action", "clearBody"), "is given beside a body; give one of them")]
    draft = replace(action_draft(task), **members)
    stored = sealed_values(task.headers)
    headers = [header._replace(kept=stored.get(header.name.lower())) for header in draft.headers]
    if not stored or same_origin(task.url, draft.url):
        return replace(draft, headers=headers), []
    problems = []
    for place, header in enumerate(headers):
        if header.kept is not None and header.value is None:
            at = ("action", "headers", str(place), "value") if "headers" in members else ("action", "url")
            message = f"the secret {header.name} does not follow to another origin; give its value again"
            problems.append(Problem(at, message))
        elif header.kept is not None:
            headers[place] = header._replace(kept=None, secret=True)
    return replace(draft, headers=headers), problems


def changed_retry(task: Task, members: Mapping[str, Any]) -> tuple[RetryDraft, list[Problem]]:
    """Return the task's retry policy with some members changed or removed, and the problems of the removals."""
    members = dict(members)
    problems = []
    for name, clearing in REMOVABLE_OF_RETRY.items():
        if members.pop(f"clear_{name}", False):
            problems += [given_beside(clearing).under("retry")] if name in members else []
            members[name] = None
    return replace(retry_draft(task), **members), problems


def same_origin(mine: str, theirs: str) -> bool:
    """Return whether requests to both URLs go to the same server; unreadable URLs are reported elsewhere."""
    try:
        return request.origin_of(mine) == request.origin_of(theirs)
    except ValueError:
        return True


def action_draft(task: Task) -> ActionDraft:
    """Return the task's action as a draft."""
    return ActionDraft(
        method=task.method,
        url=task.url,
        headers=[
            HeaderDraft(name, None, kept=value[SEALED]) if is_sealed(value) else HeaderDraft(name, value)
            for name, value in in_order(task).items()
        ],
        body=body_draft(task.payload, task.body),
        success_statuses=task.success_statuses or SUCCESS,
        timeout_ms=task.timeout_ms,
        redirects=task.redirects,
        kept_signing_secrets=task.signing_secrets or (),
    )


def retry_draft(task: Task) -> RetryDraft:
    """Return the task's retry policy as a draft."""
    return RetryDraft(
        max_attempts=task.max_attempts,
        initial_delay_ms=task.initial_delay_ms,
        factor=task.backoff_factor,
        max_delay_ms=task.max_delay_ms,
        retry_statuses=task.retry_statuses,
        max_elapsed_ms=task.max_elapsed_ms,
    )


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
