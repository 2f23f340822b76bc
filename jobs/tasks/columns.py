"""The columns that a draft sets in a task that is new, updated or replaced."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from db import json_text
from db.json_text import JsonText
from db.models import Task
from jobs import json_value
from jobs.http import request
from jobs.http.body import BodyDraft
from jobs.http.request import ActionDraft
from jobs.problems import Problem
from jobs.security.encryption import SecretKeys
from jobs.security.secret_headers import in_order, sealed_values
from jobs.tasks.draft import REMOVABLE, RetryDraft, TaskDraft, TaskUpdate, action_draft, retry_draft, url_of
from jobs.tasks.validation import checked
from jobs.triggers.revision import ChangedTrigger

WITHOUT_NOTES: dict[str, Any] = {
    "description": "",
    "user_metadata": None,
    "delete_after_ms": None,
    "pause_after_failures": 0,
    "retention_days": None,
    "flow_key": "",
}
"""The values of columns that an input does not set."""
REMOVABLE_OF_RETRY = {"retry_statuses": "clearRetryStatuses", "max_elapsed_ms": "clearMaxElapsedMs"}
"""The members of a retry policy that an update can remove, with what removes each in its input."""
SIMPLE = {bool, datetime, float, int, type(None)}
"""Types of which two values mean the same if they are equal."""


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
