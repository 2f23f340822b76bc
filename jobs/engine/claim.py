"""The claim: locks what is due, creates its runs, and reschedules each task, in one transaction.

The claim is the start: the runs that it returns are RUNNING on this worker, so never claim more than can start.
"""

import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.connection import autocommit
from db.engine import claims, flow
from db.prepared import Row
from db.states import RunState
from jobs.engine.admission import Admission
from jobs.engine.claimed import Attempt, Claimed
from jobs.engine.misfire import Plan, plan, unplannable
from jobs.engine.slots import Slots
from jobs.http.body import content_of
from jobs.http.request import Action, with_run_headers
from jobs.http.statuses import SUCCESS, statuses
from jobs.retry import RetryPolicy
from jobs.security.secret_headers import ordered
from jobs.triggers.columns import trigger_of

logger = logging.getLogger(__name__)

RECENT = timedelta(minutes=1)
"""How far back claims on the hot path look; the sweep claims older due runs."""


WaitUntil = Callable[[datetime], Awaitable[None]]
"""Waits for an instant. A claim for an instant ahead locks the rows first, and waits before it starts their runs."""


def plan_or_fail(row: Row, *, now: datetime) -> Plan:
    """Return `plan`, or a failed run where the schedule cannot be computed, so that the rest of the batch runs."""
    try:
        return plan(row, trigger_of(row), now=now)
    except Exception as error:
        logger.exception("A task's schedule cannot be computed.", extra={"action": "unplannable", "task": row.id})
        return unplannable(row, error=error)


def attempt_of(row: Row, *, run_id: UUID, task_id: UUID, epoch: int, number: int, instant: datetime) -> Attempt:
    """Return the attempt that a row of a claim describes."""
    return Attempt(
        run_id=run_id,
        task_id=task_id,
        task_name=row.name,
        epoch=epoch,
        number=number,
        scheduled_for=instant,
        host=row.host,
        flow_key=row.flow_key,
        one_off=row.one_off,
        releases=row.releases,
        counts_failures=row.counts_failures,
        action=Action(
            method=row.method,
            url=row.url,
            headers={} if row.headers is None else ordered(json.loads(row.headers), row.header_order),
            content=content_of(row.payload, row.body),
            timeout=timedelta(milliseconds=row.timeout_ms),
            redirects=row.redirects,
            signing_secrets=row.signing_secrets or (),
        ),
        retry=policy_of(
            max_attempts=row.max_attempts,
            initial_delay_ms=row.initial_delay_ms,
            factor=row.backoff_factor,
            max_delay_ms=row.max_delay_ms,
            retry_statuses=None if row.retry_statuses is None else tuple(row.retry_statuses),
            max_elapsed_ms=row.max_elapsed_ms,
        ),
        success=statuses(SUCCESS if row.success_statuses is None else tuple(row.success_statuses)),
    )


def with_input(attempt: Attempt, row: Row) -> Attempt:
    """Return the attempt with the input of its run in place of the task's request; the row is one of a waiting run."""
    if row.input_body is None and row.input_headers is None:
        return attempt
    action = attempt.action
    if row.input_body is not None:
        action = action._replace(content=content_of(None, row.input_body))
    if row.input_headers is not None:
        action = action._replace(headers=with_run_headers(action.headers, json.loads(row.input_headers)))
    return attempt._replace(action=action)


@lru_cache
def policy_of(
    *,
    max_attempts: int,
    initial_delay_ms: int,
    factor: float,
    max_delay_ms: int,
    retry_statuses: tuple[str, ...] | None,
    max_elapsed_ms: int | None,
) -> RetryPolicy:
    """Return the retry policy in a task's columns. Most tasks share a few policies, so they are cached."""
    return RetryPolicy(
        max_attempts=max_attempts,
        initial_delay=timedelta(milliseconds=initial_delay_ms),
        factor=factor,
        max_delay=timedelta(milliseconds=max_delay_ms),
        statuses=None if retry_statuses is None else statuses(retry_statuses),
        max_elapsed=None if max_elapsed_ms is None else timedelta(milliseconds=max_elapsed_ms),
    )


def fits(row: Row, *, slots: Slots, begun: Counter[str]) -> bool:
    """Return whether there is a slot for a row. `begun` counts by host what this claim starts, and is updated."""
    if begun[row.host] >= slots.room(row.host) or begun.total() >= slots.free:
        return False
    begun[row.host] += 1
    return True


async def claim_tasks(
    engine: AsyncEngine,
    *,
    worker_id: UUID,
    slots: Slots,
    now: datetime,
    since: datetime,
    limit: int,
    wait_until: WaitUntil | None = None,
    admission: Admission | None = None,
) -> Claimed:
    """Claim up to `limit` tasks that are due at `now` and whose hosts have free slots. The caller takes those slots.

    Runs that `admission` lets wait need no slot. With `wait_until`, `now` is shortly ahead.

    When this raises, the commit may have succeeded nevertheless.
    """
    begun: Counter[str] = Counter()
    async with engine.begin() as connection:
        excluded = slots.saturated_hosts
        due = await claims.lock_due_tasks(connection, now=now, since=since, hosts_excluded=excluded, limit=limit)
        places = {} if admission is None else admission.places_of([(row.id, row, row.due_at) for row in due], now=now)
        tasks = [row for row in due if row.id in places or fits(row, slots=slots, begun=begun)]
        claimed = Claimed(any=bool(tasks), left=bool(excluded) or len(tasks) < len(due) or len(due) >= limit)
        claimed.add_places(places.values())
        plans = [plan_or_fail(row, now=now).waiting(places.get(row.id)) for row in tasks]
        existing = None
        if wait_until is not None:
            # This takes as long as the rest of the start, and there is time for it now.
            existing = await claims.existing_runs(connection, [run.id for planned in plans for run in planned.runs])
            await wait_until(now)
        if tasks:
            await start_runs(connection, tasks, plans, existing=existing, worker_id=worker_id, now=now, claimed=claimed)
    return claimed


async def waiting_is_due(engine: AsyncEngine, *, now: datetime, slots: Slots) -> bool:
    """Return whether an attempt of a waiting run is due. It is fast when there are none."""
    async with autocommit(engine).connect() as connection:
        return await claims.waiting_is_due(connection, now=now, hosts_excluded=slots.saturated_hosts)


async def claim_waiting(
    engine: AsyncEngine,
    *,
    is_due: Awaitable[bool] | None = None,
    worker_id: UUID,
    slots: Slots,
    now: datetime,
    limit: int,
    wait_until: WaitUntil | None = None,
    admission: Admission | None = None,
) -> Claimed:
    """Claim up to `limit` waiting runs whose attempt is due, in the same way.

    `is_due` is the result of `waiting_is_due`, if that has begun already.
    """
    excluded = slots.saturated_hosts
    if not await (is_due or waiting_is_due(engine, now=now, slots=slots)):
        return Claimed(left=bool(excluded))
    begun: Counter[str] = Counter()
    async with engine.begin() as connection:
        due = await claims.lock_waiting(connection, now=now, hosts_excluded=excluded, limit=limit)
        if wait_until is not None:
            await wait_until(now)
        asking = [(row.run_id, row, row.next_attempt_at) for row in due]
        places = {} if admission is None else admission.places_of(asking, now=now)
        waiting = [row for row in due if row.run_id not in places and fits(row, slots=slots, begun=begun)]
        settled = len(waiting) + len(places)
        claimed = Claimed(any=settled > 0, left=bool(excluded) or settled < len(due) or len(due) >= limit)
        if places:
            await flow.place(connection, places)
            claimed.add_places(places.values())
        if waiting:
            await start_waiting(connection, waiting, worker_id=worker_id, now=now, claimed=claimed)
    return claimed


async def start_runs(
    connection: AsyncConnection,
    rows: Sequence[Row],
    plans: Sequence[Plan],
    *,
    existing: Collection[UUID] | None,
    worker_id: UUID,
    now: datetime,
    claimed: Claimed,
) -> None:
    """Create the runs of tasks that this transaction has locked, and reschedule the tasks."""
    states = await claims.start_runs(
        connection,
        runs=[run for planned in plans for run in planned.runs],
        existing=existing,
        reschedules=[planned.reschedule for planned in plans],
        worker_id=worker_id,
        now=now,
    )
    for row, (runs, reschedule) in zip(rows, plans, strict=True):
        if reschedule.due_at is not None:
            claimed.next_due.append(reschedule.due_at)
        run = runs[-1]
        if states.get(run.id) is RunState.RUNNING:
            claimed.attempts.append(
                attempt_of(row, run_id=run.id, task_id=row.id, epoch=1, number=1, instant=run.scheduled_for)
            )


async def start_waiting(
    connection: AsyncConnection, rows: Sequence[Row], *, worker_id: UUID, now: datetime, claimed: Claimed
) -> None:
    """Start an attempt of waiting runs that this transaction has locked."""
    await claims.start_waiting(connection, runs=rows, worker_id=worker_id, now=now)
    claimed.attempts.extend(
        with_input(
            attempt_of(
                row,
                run_id=row.run_id,
                task_id=row.task_id,
                epoch=row.epoch + 1,
                number=row.attempt + 1,
                instant=row.scheduled_for,
            ),
            row,
        )
        for row in rows
    )
