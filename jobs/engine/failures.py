"""Pauses tasks whose runs failed one after another, in the transaction that writes the last of these failures.

SUCCEEDED resets the count, and no other state counts: a run that was skipped, missed or cancelled, or whose worker was
lost, is no sign of a failing target.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine import failures
from db.engine.failures import Count, Pause
from db.engine.finishes import Finish
from db.states import RunState
from jobs.security.api_keys import DUETIME


async def count_failures(connection: AsyncConnection, ended: Sequence[Finish], *, now: datetime) -> list[UUID]:
    """Count ended runs of tasks that this transaction has locked, and pause tasks that failed too often.

    Return the paused tasks.
    """
    counts = await failures.counts(connection, task_ids={each.task_id for each in ended})
    totals, pauses = counted(counts, sorted(ended, key=lambda each: each.ended_at))
    changed = {task_id: total for task_id, total in totals.items() if total != counts[task_id].failures}
    if changed:
        await failures.keep_counts(connection, changed)
    return await failures.pause(connection, pauses, paused_by=DUETIME, now=now) if pauses else []


def counted(counts: dict[UUID, Count], ended: Iterable[Finish]) -> tuple[dict[UUID, int], list[Pause]]:
    """Return the new counts after runs that ended in this order, and the tasks to pause."""
    totals = {task_id: count.failures for task_id, count in counts.items()}
    pauses: dict[UUID, Pause] = {}
    for each in ended:
        count = counts.get(each.task_id)
        if count is None:
            continue
        total = totals[each.task_id] = totals[each.task_id] + 1 if each.state is RunState.FAILED else 0
        if total >= count.pauses_after and each.task_id not in pauses:
            pauses[each.task_id] = Pause(each.task_id, each.run_id, reason_of(total))
    return totals, list(pauses.values())


def reason_of(total: int) -> str:
    """Return why a task was paused."""
    return "1 run failed" if total == 1 else f"{total:,} runs failed one after another"
