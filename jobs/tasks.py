"""The use cases of tasks. They take a session, flush, and leave the commit to whoever opened it."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from db.models import Task
from db.statements import cancellation
from db.states import TaskStatus
from jobs import action, schedule, trigger
from jobs.action import ActionDraft
from jobs.refusals import InvalidInput, NotFound, Problem
from jobs.retry import InvalidRetryPolicy, retry_policy
from jobs.transaction import Transaction
from jobs.trigger import MILLISECOND, TriggerDraft

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
    trigger: TriggerDraft
    action: ActionDraft
    retry: RetryDraft = field(default_factory=RetryDraft)
    tags: Sequence[str] = ()


async def create_task(work: Transaction, draft: TaskDraft, *, now: datetime) -> Task:
    """Makes a task that is due from its trigger's first instant after `now` on. Raises `InvalidInput`."""
    task = checked(draft, now=now)
    work.session.add(task)
    await work.session.flush()
    work.wake(task.due_at)
    return task


async def cancel_task(work: Transaction, task_id: UUID, *, now: datetime) -> Task:
    """Ends the schedule for good; the task and its history stay. Raises `NotFound`.

    A run that is going on ends by itself, one that waits is cancelled. A completed task can be cancelled too, after
    which nothing schedules it again; one that is cancelled already stays as it is.
    """
    task = await cancellation.lock_task(work.session, task_id=task_id)
    if task is None:
        raise NotFound("task", task_id)
    if task.status == TaskStatus.CANCELLED:
        return task
    task.status = TaskStatus.CANCELLED
    task.next_run = task.due_at = None
    task.version += 1
    task.updated_at = now
    await work.session.flush()
    if await cancellation.cancel_waiting_runs(work.session, task_id=task_id, now=now):
        work.poke()
    return task


def checked(draft: TaskDraft, *, now: datetime) -> Task:
    """The task that the draft asks for, not yet saved. Raises `InvalidInput` with all that is wrong with it."""
    action_columns, action_problems = action.check(draft.action)
    problems = [*name_problems(draft.name), *(problem.under("action") for problem in action_problems)]
    problems += tag_problems(draft.tags)
    try:
        policy = retry_policy(
            draft.retry.max_attempts, draft.retry.initial_delay_ms, draft.retry.factor, draft.retry.max_delay_ms
        )
    except InvalidRetryPolicy as error:
        problems += [Problem(path, message).under("retry") for path, message in error.problems]
    try:
        accepted = trigger.accept(draft.trigger, now=now)
        first = schedule.next_instant(accepted, now)
    except schedule.InvalidTrigger as error:
        problems += [Problem(path, message).under("trigger") for path, message in error.problems]
    else:
        if first is None:
            problems.append(Problem(("trigger",), "has no instant after the present one"))
    if problems:
        raise InvalidInput(problems)
    task = Task(
        name=draft.name.strip(),
        **trigger.columns_of(accepted),
        **action_columns,
        max_attempts=policy.max_attempts,
        initial_delay_ms=policy.initial_delay // MILLISECOND,
        backoff_factor=policy.factor,
        max_delay_ms=policy.max_delay // MILLISECOND,
        tags=list(draft.tags),
        next_run=first,
        created_at=now,
        updated_at=now,
    )
    task.due_at = schedule.due_at(accepted, first, task_id=task.id) if first else None
    return task


def preview(draft: TriggerDraft, *, count: int, after: datetime | None, now: datetime) -> tuple[list[datetime], str]:
    """The next instants that the trigger would have, and the trigger in words. Raises `InvalidInput`."""
    try:
        accepted = trigger.accept(draft, now=now)
    except schedule.InvalidTrigger as error:
        problems = [Problem(path, message).under("trigger") for path, message in error.problems]
        raise InvalidInput(problems) from error
    return schedule.instants(accepted, after or now, count=count), schedule.describe(accepted)


def upcoming(task: Task, *, count: int, now: datetime) -> list[datetime]:
    """The next instants of a task; of a paused one, what they would be; none once its schedule has ended."""
    if task.status == TaskStatus.PAUSED:
        return schedule.instants(trigger.trigger_of(task), now, count=count)
    if task.next_run is None or count == 0:
        return []
    return [task.next_run, *schedule.instants(trigger.trigger_of(task), task.next_run, count=count - 1)]


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
