"""The statements of the claim. All rows of a batch go through each statement together."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple, cast
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine.conditions import RUNS_BY_ID, after, column, few, is_looked_up, unfinished_runs
from db.engine.events import with_events
from db.prepared import Row, fetch
from db.states import OverlapPolicy, RunState, TaskStatus

SKIPPED_BY_OVERLAP = "skipped: an earlier run of this task was unfinished"

REQUEST = (
    "method", "url", "headers", "header_order", "payload", "body", "success_statuses", "signing_secrets", "timeout_ms",
    "redirects", "max_attempts", "initial_delay_ms", "backoff_factor", "max_delay_ms", "retry_statuses",
    "max_elapsed_ms",
)  # fmt: skip
"""The columns of a task, or of a version of it, that an attempt needs."""
JSON_COLUMNS = ("headers", "payload", "body")


def request_columns(table: str) -> str:
    """Return the request's columns of a table."""
    return ", ".join(f"{table}.{column}" for column in REQUEST)


def request_as_text(table: str) -> str:
    """Return the request's columns of a table, with JSON as text."""
    return ", ".join(
        f"CAST({table}.{column} AS text) AS {column}" if column in JSON_COLUMNS else f"{table}.{column}"
        for column in REQUEST
    )


# Whether something may wait for the end of a run: a run queued behind it, or the next instant to catch up with.
RELEASES = "(t.overlap = 'queue' OR t.misfire = 'all' OR t.misfire_once = 'all') IS TRUE AS releases"
COUNTS_FAILURES = "t.pause_after_failures > 0 AS counts_failures"

# NO KEY: a plain FOR UPDATE would skip a task just because a row that refers to it is being inserted.
LOCK_DUE_TASKS = text(f"""
SELECT t.id, t.name, t.version, t.trigger_type, t.trigger_time, t.cron_expr, t.timezone, t.every_ms, t.start_at,
       t.end_at, t.jitter_ms, t.next_run, t.due_at, t.settled_until, t.overlap, t.host, t.flow_key,
       COALESCE(t.misfire_once, t.misfire) AS misfire, t.trigger_type = 'one-off' AS one_off, {RELEASES},
       {COUNTS_FAILURES}, {request_as_text("t")}
FROM tasks t
WHERE t.due_at <= :now AND t.due_at > :since AND NOT (t.host = ANY(CAST(:hosts_excluded AS text[])))
ORDER BY t.due_at
LIMIT :limit
FOR NO KEY UPDATE SKIP LOCKED
""")

RESCHEDULES = few(
    """unnest(
        CAST(:task_ids AS uuid[]), CAST(:next_runs AS timestamptz[]), CAST(:due_ats AS timestamptz[]),
        CAST(:settled_untils AS timestamptz[]), CAST(:statuses AS text[])
    ) AS one (id, next_run, due_at, settled_until, status)""",
    number="cardinality(CAST(:task_ids AS uuid[]))",
)

# Postgres looks only into the days of these ids, because `finished_among` is planned for them.
EXISTING = """
SELECT id FROM unfinished_runs WHERE id = ANY(CAST(:run_ids AS uuid[]))
UNION ALL
SELECT finished_among(CAST(:run_ids AS uuid[]))
"""
EXISTING_RUNS = text(EXISTING)


def made_in(table: str, *, state: str) -> str:
    """Return the expression of a WITH that creates those of the judged runs that belong to a partition of the runs,
    except the existing ones.

    The partition is named, because naming the whole calls the triggers of the history for runs that only start.
    """
    return f"""
made_{table} AS (
    INSERT INTO {table} (
        id, task_id, task_version, host, flow_key, cause, state, scheduled_for, due_at, missed_count, missed_since,
        next_attempt_at, flow_limit_id, worker_id, epoch, attempt, attempt_started_at, run_at, finished_at,
        error_message, created_at
    )
    SELECT j.id, j.task_id, j.task_version, j.host, j.flow_key, 'schedule', j.state, j.scheduled_for, j.due_at,
           j.missed_count, j.missed_since,
           CASE WHEN j.state = 'queued' AND j.starts THEN j.start_at END,
           CASE WHEN j.state = 'queued' AND j.starts THEN j.flow_limit_id END,
           CASE WHEN j.state = 'running' THEN CAST(:worker_id AS uuid) END,
           CASE WHEN j.state = 'running' THEN 1 ELSE 0 END,
           CASE WHEN j.state = 'running' THEN 1 ELSE 0 END,
           CASE WHEN j.state = 'running' THEN CAST(:now AS timestamptz) END,
           CASE WHEN j.state = 'running' THEN CAST(:now AS timestamptz) END,
           CASE WHEN j.state NOT IN ('running', 'queued') THEN CAST(:now AS timestamptz) END,
           CASE j.state WHEN 'skipped' THEN '{SKIPPED_BY_OVERLAP}' ELSE j.error_message END,
           CAST(:now AS timestamptz)
    FROM judged j
    WHERE j.state {state} AND j.id NOT IN (SELECT id FROM existing)
    ON CONFLICT DO NOTHING
    RETURNING id, task_id, state, attempt, error_message
)"""


# This statement checks for unfinished earlier runs after an earlier one has locked the tasks, because a statement sees
# only what was committed before it started. A queued run with a next attempt is about to start and waits for nothing,
# so another run may wait behind it. A run with a start of its own is such a run: it waits for its place under a flow
# limit, or for the end of a pause of its host. A skipped or missed run of a one-off was its only run, so the task is
# completed.
def starting(existing: str) -> TextClause:
    """Return the statement that starts runs, except the existing ones, which a selection finds."""
    return with_events(f"""
existing (id) AS MATERIALIZED ({existing}),
given AS MATERIALIZED (
    SELECT * FROM unnest(
        CAST(:run_ids AS uuid[]), CAST(:run_task_ids AS uuid[]), CAST(:task_versions AS int[]), CAST(:hosts AS text[]),
        CAST(:overlaps AS text[]), CAST(:verdicts AS text[]), CAST(:scheduled_fors AS timestamptz[]),
        CAST(:run_due_ats AS timestamptz[]), CAST(:missed_counts AS bigint[]), CAST(:missed_sinces AS timestamptz[]),
        CAST(:error_messages AS text[]), CAST(:flow_keys AS text[]), CAST(:start_ats AS timestamptz[]),
        CAST(:flow_limit_ids AS uuid[])
    ) AS r (id, task_id, task_version, host, overlap, verdict, scheduled_for, due_at, missed_count, missed_since,
            error_message, flow_key, start_at, flow_limit_id)
),
unfinished AS MATERIALIZED ({
        unfinished_runs("ARRAY(SELECT g.task_id FROM given g WHERE g.verdict IS NULL AND g.overlap <> 'allow')")
    }),
placed AS (
    SELECT g.*, g.verdict IS NULL
                AND (g.overlap = 'allow' OR g.task_id NOT IN (SELECT task_id FROM unfinished)) AS starts
    FROM given g
),
judged AS (
    SELECT p.*, CASE
        WHEN p.verdict IS NOT NULL THEN p.verdict
        WHEN p.starts THEN CASE WHEN p.start_at IS NULL THEN 'running' ELSE 'queued' END
        WHEN p.overlap = 'queue' AND p.task_id NOT IN (SELECT task_id FROM unfinished WHERE NOT active) THEN 'queued'
        ELSE 'skipped' END AS state
    FROM placed p
),
rescheduled AS (
    UPDATE tasks t
    SET next_run = m.next_run, due_at = m.due_at, settled_until = m.settled_until,
        misfire_once = CASE WHEN m.next_run IS NOT NULL AND m.due_at IS NULL THEN t.misfire_once END,
        status = CASE WHEN t.trigger_type = 'one-off' AND m.id IN (
            SELECT j.task_id FROM judged j WHERE j.state IN ('skipped', 'missed')
        ) THEN 'completed' ELSE m.status END
    FROM {RESCHEDULES} m
    WHERE {is_looked_up("t.id", "m.id")}
    RETURNING t.id
),
{made_in("unfinished_runs", state="IN ('running', 'queued')")},
{made_in("finished_runs", state="NOT IN ('running', 'queued')")},
made AS (SELECT * FROM made_unfinished_runs UNION ALL SELECT * FROM made_finished_runs),
events AS (
    SELECT CASE state WHEN 'running' THEN 'started' ELSE state END AS type, task_id, id AS run_id, state, attempt,
           CAST(NULL AS int) AS status_code, error_message, CAST(NULL AS bigint) AS duration_ms
    FROM made WHERE {after("rescheduled")}
)
""")


START_RUNS = starting(EXISTING)
START_OTHER_RUNS = starting("SELECT unnest(CAST(:existing AS uuid[]))")
"""Starts runs other than those that `existing_runs` has found before."""

WAITING_IS_DUE = text("""
SELECT EXISTS (
    SELECT FROM unfinished_runs
    WHERE next_attempt_at <= :now AND flow_limit_id IS NULL AND NOT (host = ANY(CAST(:hosts_excluded AS text[])))
)
""")

WAITING = """u.id AS run_id, u.task_id, u.task_version, u.cause, u.epoch, u.attempt, u.scheduled_for, u.host,
           u.flow_key, u.flow_limit_id, u.next_attempt_at, CAST(u.input_body AS text) AS input_body,
           CAST(u.input_headers AS text) AS input_headers"""
"""The columns of a waiting run `u` that its attempt needs."""

# The runs are selected before their tasks are joined: given the choice, the planner once started with all tasks.
# Each run uses the version of its task with which it was claimed.
ATTEMPTS_OF_DUE = f"""
SELECT due.run_id, due.task_id, t.name, due.epoch, due.attempt, due.scheduled_for, due.host, due.flow_key,
       due.flow_limit_id, due.next_attempt_at, due.input_body, due.input_headers,
       t.trigger_type = 'one-off' AND due.cause = 'schedule' AS one_off, {RELEASES}, {COUNTS_FAILURES},
       {request_as_text("a")}
FROM due JOIN tasks t ON {is_looked_up("t.id", "due.task_id")}
CROSS JOIN LATERAL (
    SELECT v.version, {request_columns("v")} FROM task_versions v
    WHERE v.task_id = due.task_id AND v.version >= due.task_version
    UNION ALL
    SELECT t.version, {request_columns("t")}
    ORDER BY version
    LIMIT 1
) a
"""
LOCK_WAITING = text(f"""
WITH due AS MATERIALIZED (
    SELECT {WAITING}
    FROM unfinished_runs u
    WHERE u.next_attempt_at <= :now AND u.flow_limit_id IS NULL
      AND NOT (u.host = ANY(CAST(:hosts_excluded AS text[])))
    ORDER BY u.next_attempt_at
    LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
)
{ATTEMPTS_OF_DUE}
""")

START_WAITING = with_events(f"""
begun AS (
    UPDATE unfinished_runs r
    SET state = 'running', worker_id = :worker_id, epoch = epoch + 1, attempt = attempt + 1, next_attempt_at = NULL,
        flow_limit_id = NULL, attempt_started_at = CAST(:now AS timestamptz),
        run_at = COALESCE(run_at, CAST(:now AS timestamptz))
    FROM {RUNS_BY_ID} k
    WHERE {is_looked_up("r.id", "k.id")}
    RETURNING r.id, r.task_id, r.state, r.attempt
),
events AS (
    SELECT 'started' AS type, task_id, id AS run_id, state, attempt, CAST(NULL AS int) AS status_code,
           CAST(NULL AS text) AS error_message, CAST(NULL AS bigint) AS duration_ms
    FROM begun
)
""")

NEXT_DUE = text("""
SELECT least(
    (SELECT min(t.due_at) FROM tasks t
     WHERE t.due_at > :since AND t.due_at < :before AND NOT (t.host = ANY(CAST(:hosts_excluded AS text[])))),
    (SELECT min(next_attempt_at) FROM unfinished_runs
     WHERE next_attempt_at < :before AND flow_limit_id IS NULL AND NOT (host = ANY(CAST(:hosts_excluded AS text[]))))
)
""")


class NewRun(NamedTuple):
    """A run for one instant. `verdict` is its final state without an attempt; without a verdict, `overlap` decides.

    With `start_at` the run waits although it could start: under a flow limit, in which `start_at` is its place, or else
    until that moment.
    """

    id: UUID
    task_id: UUID
    task_version: int
    host: str
    overlap: OverlapPolicy
    scheduled_for: datetime
    due_at: datetime
    missed_count: int = 0
    missed_since: datetime | None = None
    verdict: RunState | None = None
    error_message: str | None = None
    flow_key: str = ""
    start_at: datetime | None = None
    flow_limit_id: UUID | None = None


class Reschedule(NamedTuple):
    """The state in which a claim leaves a task: the next instant, when that is due, and the last settled instant."""

    task_id: UUID
    next_run: datetime | None
    due_at: datetime | None
    settled_until: datetime
    status: TaskStatus


async def lock_due_tasks(
    connection: AsyncConnection, *, now: datetime, since: datetime, hosts_excluded: Collection[str], limit: int
) -> Sequence[Row]:
    """Lock up to `limit` tasks that became due after `since`, and skip those that other workers have locked.

    With `since`, a frequent claim need not read the dead index entries of everything that was claimed before.
    """
    return await fetch(
        connection,
        LOCK_DUE_TASKS,
        {"now": now, "since": since, "hosts_excluded": list(hosts_excluded), "limit": limit},
    )


async def existing_runs(connection: AsyncConnection, run_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the ids that have a run already, finished or not, as after a restore.

    The tasks of these runs are locked, so no other run appears meanwhile.
    """
    return {row.id for row in await fetch(connection, EXISTING_RUNS, {"run_ids": list(run_ids)})} if run_ids else set()


async def start_runs(
    connection: AsyncConnection,
    *,
    runs: Sequence[NewRun],
    reschedules: Sequence[Reschedule],
    worker_id: UUID,
    now: datetime,
    existing: Collection[UUID] | None = None,
) -> dict[UUID, RunState]:
    """Create the runs of tasks that this transaction has locked, and reschedule the tasks. Return the new runs' states.

    An instant that already has a run, after a restore for instance, gets no second one. `existing` are those that
    `existing_runs` has found, or None if it was not asked.
    """
    made = await fetch(
        connection,
        START_RUNS if existing is None else START_OTHER_RUNS,
        {
            "worker_id": worker_id,
            "now": now,
            "run_ids": [run.id for run in runs],
            "existing": list(existing or ()),
            "run_task_ids": [run.task_id for run in runs],
            "task_versions": [run.task_version for run in runs],
            "hosts": [run.host for run in runs],
            "overlaps": [run.overlap for run in runs],
            "verdicts": column([run.verdict for run in runs]),
            "scheduled_fors": [run.scheduled_for for run in runs],
            "run_due_ats": [run.due_at for run in runs],
            "missed_counts": [run.missed_count for run in runs],
            "missed_sinces": column([run.missed_since for run in runs]),
            "error_messages": column([run.error_message for run in runs]),
            "flow_keys": [run.flow_key for run in runs],
            "start_ats": column([run.start_at for run in runs]),
            "flow_limit_ids": column([run.flow_limit_id for run in runs]),
            "task_ids": [each.task_id for each in reschedules],
            "next_runs": column([each.next_run for each in reschedules]),
            "due_ats": column([each.due_at for each in reschedules]),
            "settled_untils": [each.settled_until for each in reschedules],
            "statuses": [each.status for each in reschedules],
        },
    )
    return {row.run_id: RunState(row.state) for row in made}


async def waiting_is_due(connection: AsyncConnection, *, now: datetime, hosts_excluded: Collection[str]) -> bool:
    """Return whether an attempt of a waiting run is due."""
    [[is_due]] = await fetch(connection, WAITING_IS_DUE, {"now": now, "hosts_excluded": list(hosts_excluded)})
    return bool(is_due)


async def lock_waiting(
    connection: AsyncConnection, *, now: datetime, hosts_excluded: Collection[str], limit: int
) -> Sequence[Row]:
    """Lock up to `limit` waiting runs whose attempt is due, and skip those that other workers have locked."""
    return await fetch(connection, LOCK_WAITING, {"now": now, "hosts_excluded": list(hosts_excluded), "limit": limit})


async def start_waiting(connection: AsyncConnection, *, runs: Sequence[Row], worker_id: UUID, now: datetime) -> None:
    """Start an attempt of runs that `lock_waiting` has locked; epoch and attempt each increase by one."""
    await fetch(
        connection,
        START_WAITING,
        {
            "run_ids": [run.run_id for run in runs],
            "worker_id": worker_id,
            "now": now,
        },
    )


async def next_due(
    connection: AsyncConnection, *, since: datetime, before: datetime, hosts_excluded: Collection[str]
) -> datetime | None:
    """Return the first moment before `before` at which anything is due, also if another worker has it locked."""
    [[moment]] = await fetch(
        connection, NEXT_DUE, {"since": since, "before": before, "hosts_excluded": list(hosts_excluded)}
    )
    return cast("datetime | None", moment)
