"""A task as it is asked for, new or changed, and the one check that both go through."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from db.models import Task
from db.states import LostPolicy, MisfirePolicy, OverlapPolicy
from jobs.datetimes import MILLISECOND
from jobs.errors import InvalidInput, Problem
from jobs.http import request
from jobs.http.request import ActionDraft, HeaderDraft
from jobs.retry import InvalidRetryPolicy, retry_policy
from jobs.security.encryption import SecretKeys
from jobs.security.secret_headers import SEALED, in_order, is_sealed, sealed_values
from jobs.triggers import columns as trigger_columns
from jobs.triggers import schedule, validation
from jobs.triggers.schedule import Trigger

MAX_NAME_LENGTH = 255
MAX_TAGS = 20
MAX_TAG_LENGTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDraft:
    """A retry policy as it was asked for, unchecked."""

    max_attempts: int = 3
    initial_delay_ms: int = 5_000
    factor: float = 2.0
    max_delay_ms: int = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDraft:
    """A task as it was asked for, by whichever API, unchecked."""

    name: str
    trigger: Trigger
    action: ActionDraft
    retry: RetryDraft = field(default_factory=RetryDraft)
    overlap: OverlapPolicy = OverlapPolicy.SKIP
    misfire: MisfirePolicy = MisfirePolicy.LATEST
    on_lost: LostPolicy = LostPolicy.RETRY
    tags: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskChanges:
    """What is to change in a task, unchecked; None stays as it is.

    `action` and `retry` have only those members of their drafts that change.
    """

    name: str | None = None
    trigger: Trigger | None = None
    action: Mapping[str, Any] = field(default_factory=dict)
    retry: Mapping[str, Any] = field(default_factory=dict)
    overlap: OverlapPolicy | None = None
    misfire: MisfirePolicy | None = None
    on_lost: LostPolicy | None = None
    tags: Sequence[str] | None = None


def columns_of(
    draft: TaskDraft, *, now: datetime, secrets: SecretKeys, target_problems: Sequence[Problem] = ()
) -> dict[str, Any]:
    """A new task's columns, `next_run` with them. Raises `InvalidInput` with all that is wrong.

    `target_problems` is what `Targets` found, which has to look names up and so was asked before.
    """
    return checked(
        name=draft.name,
        trigger=draft.trigger,
        action=draft.action,
        retry=draft.retry,
        tags=draft.tags,
        now=now,
        secrets=secrets,
        target_problems=target_problems,
    ) | {"overlap": draft.overlap, "misfire": draft.misfire, "on_lost": draft.on_lost}


def columns_changed(
    task: Task,
    changes: TaskChanges,
    *,
    now: datetime,
    secrets: SecretKeys,
    target_problems: Sequence[Problem] = (),
) -> dict[str, Any]:
    """The columns that the changes ask for, with `next_run` if there is a new trigger. Raises `InvalidInput`.

    Nothing of the task that is left alone is checked: a trigger that was right once may have its end behind it, and a
    target that stays may have been allowed once.
    """
    wanted, secret_problems = action_wanted(task, changes.action) if changes.action else (None, [])
    columns = checked(
        name=changes.name,
        trigger=changes.trigger,
        action=wanted,
        retry=replace(retry_draft(task), **changes.retry) if changes.retry else None,
        tags=changes.tags,
        now=now,
        secrets=secrets,
        target_problems=[
            *secret_problems,
            *(() if changes.action.get("url") == task.url else target_problems),
        ],
    )
    if columns.get("header_order") == list(in_order(task)):
        # So it is already, though it was noted nowhere for a row of the old service.
        del columns["header_order"]
    policies = {"overlap": changes.overlap, "misfire": changes.misfire, "on_lost": changes.on_lost}
    return columns | {name: policy for name, policy in policies.items() if policy is not None}


def action_wanted(task: Task, members: Mapping[str, Any]) -> tuple[ActionDraft, list[Problem]]:
    """The task's action with some members changed, and which of its secrets would get lost or astray with that.

    A secret header whose value is not given keeps the one that it has, but no secret follows to another origin.
    """
    wanted = replace(action_draft(task), **members)
    stored = sealed_values(task.headers)
    headers = [header._replace(kept=stored.get(header.name.lower())) for header in wanted.headers]
    if not stored or same_origin(task.url, wanted.url):
        return replace(wanted, headers=headers), []
    problems = []
    for place, header in enumerate(headers):
        if header.kept is not None and header.value is None:
            at = ("action", "headers", str(place), "value") if "headers" in members else ("action", "url")
            message = f"the secret {header.name} does not follow to another origin; give its value again"
            problems.append(Problem(at, message))
        elif header.kept is not None:
            headers[place] = header._replace(kept=None, secret=True)
    return replace(wanted, headers=headers), problems


def same_origin(mine: str, theirs: str) -> bool:
    """Whether requests to both URLs go to the same server; one that cannot be read is found elsewhere."""
    try:
        return request.origin_of(mine) == request.origin_of(theirs)
    except ValueError:
        return True


def action_draft(task: Task) -> ActionDraft:
    """What the task calls, as it would be asked for."""
    return ActionDraft(
        method=task.method,
        url=task.url,
        headers=[
            HeaderDraft(name, None, kept=value[SEALED]) if is_sealed(value) else HeaderDraft(name, value)
            for name, value in in_order(task).items()
        ],
        payload=task.payload,
        timeout_ms=task.timeout_ms,
        redirects=task.redirects,
        kept_signing_secrets=task.signing_secrets or (),
    )


def retry_draft(task: Task) -> RetryDraft:
    """How the task's failed attempts are repeated, as it would be asked for."""
    return RetryDraft(
        max_attempts=task.max_attempts,
        initial_delay_ms=task.initial_delay_ms,
        factor=task.backoff_factor,
        max_delay_ms=task.max_delay_ms,
    )


def checked(
    *,
    name: str | None,
    trigger: Trigger | None,
    action: ActionDraft | None,
    retry: RetryDraft | None,
    tags: Sequence[str] | None,
    now: datetime,
    secrets: SecretKeys,
    target_problems: Sequence[Problem],
) -> dict[str, Any]:
    """The columns for what is given. Raises `InvalidInput` with all that is wrong with it."""
    columns: dict[str, Any] = {}
    problems = [*target_problems]
    if name is not None:
        columns["name"] = name.strip()
        problems += name_problems(name)
    for found, wrong in (
        check_action(action, secrets=secrets) if action else ({}, []),
        check_retry(retry) if retry else ({}, []),
        check_trigger(trigger, now=now) if trigger else ({}, []),
    ):
        columns |= found
        problems += wrong
    if tags is not None:
        columns["tags"] = list(tags)
        problems += tag_problems(tags)
    if problems:
        raise InvalidInput(problems)
    return columns


def check_action(draft: ActionDraft, *, secrets: SecretKeys) -> tuple[dict[str, Any], list[Problem]]:
    """An action's columns, and its problems by their path from the input's root."""
    columns, problems = request.check(draft, secrets=secrets)
    return columns, [problem.under("action") for problem in problems]


def check_retry(draft: RetryDraft) -> tuple[dict[str, Any], list[Problem]]:
    """A retry policy's columns, or its problems."""
    try:
        policy = retry_policy(draft.max_attempts, draft.initial_delay_ms, draft.factor, draft.max_delay_ms)
    except InvalidRetryPolicy as error:
        return {}, [Problem(path, message).under("retry") for path, message in error.problems]
    columns = {
        "max_attempts": policy.max_attempts,
        "initial_delay_ms": policy.initial_delay // MILLISECOND,
        "backoff_factor": policy.factor,
        "max_delay_ms": policy.max_delay // MILLISECOND,
    }
    return columns, []


def check_trigger(trigger: Trigger, *, now: datetime) -> tuple[dict[str, Any], list[Problem]]:
    """Return a trigger's columns with `next_run`, its first instant after `now`; or its problems."""
    accepted, problems = validation.check(trigger, now=now)
    if problems:
        return {}, [problem.under("trigger") for problem in problems]
    first = schedule.next_instant(accepted, now)
    if first is None:
        return {}, [Problem(("trigger",), "has no instant after the present one")]
    return trigger_columns.columns_of(accepted) | {"next_run": first}, []


def name_problems(name: str) -> Iterator[Problem]:
    """1 to 255 characters, none of them invisible."""
    if not 1 <= len(name.strip()) <= MAX_NAME_LENGTH:
        yield Problem(("name",), f"must have 1 to {MAX_NAME_LENGTH} characters, not {len(name.strip()):,}")
    if not is_printable(name):
        yield Problem(("name",), "holds a control character")


def tag_problems(tags: Sequence[str]) -> Iterator[Problem]:
    """Few, short, and each once."""
    if len(tags) > MAX_TAGS:
        yield Problem(("tags",), f"has {len(tags):,} tags; at most {MAX_TAGS} are accepted")
    for place, tag in enumerate(tags):
        if not 1 <= len(tag) <= MAX_TAG_LENGTH:
            yield Problem(("tags", str(place)), f"must have 1 to {MAX_TAG_LENGTH} characters, not {len(tag):,}")
        elif not is_printable(tag):
            yield Problem(("tags", str(place)), "holds a control character")
        elif tag in tags[:place]:
            yield Problem(("tags", str(place)), f"{tag!r} is given twice")


def is_printable(text: str) -> bool:
    """Whether the text has no control characters, and none that Postgres cannot keep."""
    return not any(unicodedata.category(character) in {"Cc", "Cs"} for character in text)
