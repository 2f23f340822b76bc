"""The conditions that several statements share, by name. The arguments are aliases and columns, never input.

Postgres uses a partial index only where the condition implies that of the index, so these follow the wording of the
indexes in `db.models`.
"""


def after(*expressions: str) -> str:
    """Return a condition that is always true and makes Postgres run the named expressions of the WITH first.

    The data-modifying expressions of a WITH run in no fixed order, and one that nothing reads runs at the end. A
    condition that does not depend on the rows it filters is evaluated once, before the first of them, so the count in
    it runs the expression to its end.
    """
    return " + ".join(f"(SELECT count(*) FROM {expression})" for expression in expressions) + " >= 0"


def has_unfinished_run(task_id: str) -> str:
    """Return the condition that a task has a run that is queued, running or retrying."""
    return f"EXISTS (SELECT FROM task_results u WHERE u.task_id = {task_id} AND u.finished_at IS NULL)"


def waits_for_earlier_run(run: str) -> str:
    """Return the condition that a run waits for the end of another one.

    A queued run with a next attempt is about to start instead.
    """
    return f"{run}.finished_at IS NULL AND {run}.state = 'queued' AND {run}.next_attempt_at IS NULL"


def has_waiting_run(task_id: str) -> str:
    """Return the condition that a task has a run that waits for the end of an earlier one."""
    return f"EXISTS (SELECT FROM task_results u WHERE u.task_id = {task_id} AND {waits_for_earlier_run('u')})"


def has_active_run(task_id: str) -> str:
    """Return the condition that a task has an unfinished run that does not wait for another."""
    return f"""EXISTS (
        SELECT FROM task_results u
        WHERE u.task_id = {task_id} AND u.finished_at IS NULL AND (u.state <> 'queued' OR u.next_attempt_at IS NOT NULL)
    )"""


def waits_to_catch_up(task: str) -> str:
    """Return the condition that a task's next instant is overdue and waits for the end of the run before it."""
    return f"{task}.next_run IS NOT NULL AND {task}.due_at IS NULL"


def has_no_instant_left(task: str) -> str:
    """Return the condition that a task has not ended, and that no instant of it is left to claim."""
    return f"{task}.status IN ('scheduled', 'paused') AND {task}.next_run IS NULL AND {task}.resume_from IS NULL"


def holds_lease(worker: str) -> str:
    """Return the condition that a worker has renewed its lease within `:lease`, by the database's clock."""
    return f"{worker}.renewed_at > clock_timestamp() - CAST(:lease AS interval)"


def has_lost_its_worker(run: str) -> str:
    """Return the condition that a run belongs to a worker whose lease has expired."""
    return f"""{run}.worker_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM workers w WHERE w.id = {run}.worker_id AND {holds_lease("w")})"""
