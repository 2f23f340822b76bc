"""Which instants were due and have no finished run, for notifications and for what needs attention."""


def absent(before: str) -> str:
    """Return a query for the instants that were due before a moment and have no finished run.

    What is claimed has a run, and what is not claimed is due; a task that catches up waits for the end of a run. The
    argument is an expression, never input.
    """
    return f"""
SELECT t.id AS task_id, t.next_run AS instant, t.due_at, CAST(NULL AS uuid) AS run_id FROM tasks t
WHERE t.due_at < {before} AND t.deleted_at IS NULL
UNION ALL
SELECT r.task_id, r.scheduled_for, r.due_at, r.id FROM unfinished_runs r
WHERE r.due_at < {before} AND r.cause = 'schedule'"""
