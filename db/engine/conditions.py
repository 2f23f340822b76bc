"""The conditions that several statements share, by name. The arguments are aliases and columns, never input.

Postgres uses a partial index only where the condition implies that of the index, so these follow the wording of the
indexes in `db.models`. Which index Postgres uses must not depend on statistics, which a new day's partition lacks
(`tests/integration/test_plans.py`). So a column is compared in the way that its index serves only where that index
should be used.
"""

from typing import Any
from uuid import UUID


def after(*expressions: str) -> str:
    """Return a condition that is always true and makes Postgres run the named expressions of the WITH first.

    The data-modifying expressions of a WITH run in no fixed order, and one that nothing reads runs at the end. A
    condition that does not depend on the rows it filters is evaluated once, before the first of them, so the count in
    it runs the expression to its end.
    """
    return " + ".join(f"(SELECT count(*) FROM {expression})" for expression in expressions) + " >= 0"


def few(rows: str, *, number: str) -> str:
    """Return the rows of a set of the given size as a table expression, for a join that looks up each of them.

    Postgres does not know the limit when it plans, and expects one row, for which a look-up is the cheapest way. See
    `is_looked_up`.
    """
    return f"(SELECT * FROM {rows} LIMIT {number})"


def column(values: list[Any]) -> list[Any]:
    """Return one array of an `unnest` of several: an empty one for nulls alone, with which `unnest` fills it up.

    asyncpg takes as long for a null as for a value. At least one of the arrays has to be complete.
    """
    return [] if values.count(None) == len(values) else values


def by_id(row: str) -> str:
    """Return the ORDER BY with which rows are locked in the order of their ids, so that nothing deadlocks.

    No index has this order. To avoid sorting by a plain id, Postgres may read an index from end to end.
    """
    return f"ORDER BY uuid_send({row}.id)"


def is_looked_up(column: str, value: str) -> str:
    """Return the condition of a join that a column equals a value of the other table, as a look-up by the index.

    A plain equality also allows to read an index of the column from end to end, in its order, and Postgres does so for
    a partition that was empty when it was last vacuumed.
    """
    return f"{column} = ANY(ARRAY[{value}])"


def is_run(run: str, key: str) -> str:
    """Return the condition of a join that a run has the id, the task and the instant of a row of the other table.

    For a partition that was empty when it was last vacuumed, Postgres finds all indexes that contain the id equally
    good. So the condition names the columns of each of them, in its order, and with any of them one entry is read.
    """
    entries = (
        f"({columns.format(run)}) BETWEEN ({columns.format(key)}) AND ({columns.format(key)})" for columns in KEYS
    )
    return " AND ".join((is_looked_up(f"{run}.id", f"{key}.id"), *entries))


KEYS = ("{0}.task_id, {0}.scheduled_for, {0}.id", "{0}.scheduled_for, {0}.id")
RUNS_BY_ID = few("unnest(CAST(:run_ids AS uuid[])) AS one (id)", number="cardinality(CAST(:run_ids AS uuid[]))")
"""The ids `:run_ids`, to be looked up one by one."""
TASKS_BY_ID = few("unnest(CAST(:task_ids AS uuid[])) AS one (id)", number="cardinality(CAST(:task_ids AS uuid[]))")
"""The ids `:task_ids`, to be looked up one by one."""


def same_worker(run: str, worker_id: str) -> str:
    """Return the condition that a run, which is found by its id, belongs to a worker.

    No index serves this wording. The index on workers would find all runs of the worker for each id.
    """
    return f"{run}.worker_id IS NOT DISTINCT FROM {worker_id}"


def has_worker(run: str) -> str:
    """Return the condition that an attempt of a run is in progress, worded as a range of the index on workers.

    For IS NOT NULL, reading any other index from end to end looks as good.
    """
    return f"{run}.worker_id >= CAST('{UUID(int=0)}' AS uuid)"


def unfinished_runs(task_ids: str) -> str:
    """Return a query for the unfinished runs of tasks, and whether each is active or waits for another one's end."""
    return f"""
    SELECT u.task_id, u.state <> 'queued' OR u.next_attempt_at IS NOT NULL AS active
    FROM unfinished_runs u WHERE u.task_id = ANY({task_ids})"""


def has_unfinished_run(task_id: str) -> str:
    """Return the condition that a task has a run that is queued, running or retrying."""
    return f"EXISTS (SELECT FROM unfinished_runs u WHERE u.task_id = {task_id})"


def waits_for_earlier_run(run: str) -> str:
    """Return the condition that a run waits for the end of another one.

    A queued run with a next attempt is about to start instead.
    """
    return f"{run}.state = 'queued' AND {run}.next_attempt_at IS NULL"


def has_waiting_run(task_id: str) -> str:
    """Return the condition that a task has a run that waits for the end of an earlier one."""
    return f"EXISTS (SELECT FROM unfinished_runs u WHERE u.task_id = {task_id} AND {waits_for_earlier_run('u')})"


def waits_to_catch_up(task: str) -> str:
    """Return the condition that a task's next instant is overdue and waits for the end of the run before it."""
    return f"{task}.next_run IS NOT NULL AND {task}.due_at IS NULL"


def has_no_instant_left(task: str) -> str:
    """Return the condition that a task, which is found by its id, has not ended and has no instant left to claim.

    No index serves this wording. For IS NULL, the index on next instants would find all completed tasks.
    """
    return f"{task}.status IN ('scheduled', 'paused') AND num_nulls({task}.next_run, {task}.resume_from) = 2"


def holds_lease(worker: str) -> str:
    """Return the condition that a worker has renewed its lease within `:lease`, by the database's clock."""
    return f"{worker}.renewed_at > clock_timestamp() - CAST(:lease AS interval)"


def has_lost_its_worker(run: str) -> str:
    """Return the condition that a run belongs to a worker whose lease has expired."""
    return f"""{has_worker(run)}
    AND NOT EXISTS (SELECT FROM workers w WHERE w.id = {run}.worker_id AND {holds_lease("w")})"""
