"""Which tasks need attention, and why."""

from datetime import datetime
from typing import Any

import strawberry

from db.reads.attention import SHOWN_AFTER_END, TOLERANCE, AttentionReason, attention
from db.states import RunState
from graphql_api.context import Info
from graphql_api.errors import invalid_page
from graphql_api.instants import write
from graphql_api.types.connections import MAX_SIZE
from graphql_api.types.enums import describe
from graphql_api.types.run import Run
from graphql_api.types.task import Task
from jobs.security.api_keys import DUETIME

describe(
    AttentionReason,
    "Why a task needs attention.",
    PAUSED_BY_FAILURES="The task paused itself because its runs failed.",
    ABSENT=f"An instant has no finished run {TOLERANCE.seconds} s after it was due, or the newest one was MISSED.",
    FAILING="The newest runs FAILED or are UNKNOWN. A task without a further instant is shown for "
    f"{SHOWN_AFTER_END.days} day after its end.",
    LATE="The newest runs by the schedule began more than 10 s late.",
)


@strawberry.type(description="A task that needs attention, by its worst reason.")
class AttentionItem:
    """A task with a reason."""

    task: Task = strawberry.field(description="The task.")
    reason: AttentionReason = strawberry.field(description="Why it needs attention.")
    since: datetime = strawberry.field(
        description="Since when: the pause, the instant without a run, or the end of the first of the runs."
    )
    message: str = strawberry.field(description="The reason in words, for people.")
    failures: int | None = strawberry.field(
        description="Number of runs that failed one after another; null for ABSENT and LATE."
    )
    run_id: strawberry.Private[Any]

    @strawberry.field(description="The newest run that shows it; null without such a run, or if it is no longer kept.")
    async def run(self, info: Info) -> Run | None:
        """Return the run, read together with those of the other tasks."""
        row = None if self.run_id is None else await info.context.runs.load(self.run_id)
        return Run.of(row) if row else None


async def read_attention(info: Info, *, first: int) -> list[AttentionItem]:
    """Return the tasks that need attention. Raises GraphQL's INVALID_PAGE."""
    if not 1 <= first <= MAX_SIZE:
        raise invalid_page(f"first must be from 1 to {MAX_SIZE}, not {first}")
    async with info.context.services.reading() as connection:
        found = await attention(connection, limit=first, paused_by=DUETIME)
    tasks = await info.context.tasks.load_many([row.task_id for row in found])
    return [
        AttentionItem(
            task=Task.of(task),
            reason=row.reason,
            since=row.since,
            message=message_of(row),
            failures=None if row.reason == AttentionReason.LATE else row.failures,
            run_id=row.run_id,
        )
        for row, task in zip(found, tasks, strict=True)
        if task is not None
    ]


def message_of(row: Any) -> str:
    """Return in words why a task needs attention."""
    error = f": {row.error_message}" if row.error_message else ""
    match row.reason:
        case AttentionReason.PAUSED_BY_FAILURES:
            return f"The task paused itself after {runs(row.failures)} failed{error}"
        case AttentionReason.FAILING:
            return f"The last {runs(row.failures)} failed{error}"
        case AttentionReason.LATE:
            return f"The last {runs(row.failures)} began more than 10 s late"
    if row.state == RunState.MISSED:
        return f"The instant {write(row.since)} was missed"
    if row.run_id is None:
        return f"No run has started, although one was due at {write(row.since)}"
    return f"The run that was due at {write(row.since)} has not finished"


def runs(number: int) -> str:
    """Return a number of runs in words."""
    return "run" if number == 1 else f"{number:,} runs"
