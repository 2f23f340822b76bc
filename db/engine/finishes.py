"""The statement that writes the outcomes of attempts, a batch at a time."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine.attempts import ended_attempt
from db.engine.conditions import (
    RUNS_BY_ID,
    TASKS_BY_ID,
    after,
    by_id,
    column,
    few,
    has_no_instant_left,
    is_looked_up,
    same_worker,
    unfinished_runs,
    waits_for_earlier_run,
    waits_to_catch_up,
)
from db.engine.ends import assignments, ended_row, moved_to_history
from db.engine.events import with_events
from db.engine.flow import Pause
from db.engine.rollups import with_rollup
from db.prepared import fetch
from db.states import BodyEncoding, RunState

ENDED_ATTEMPT = ended_attempt(
    started_at="f.started_at",
    finished_at="f.ended_at",
    duration_ms="f.duration_ms",
    status_code="f.status_code",
    error_message="f.error_message",
    next_attempt_at="f.next_attempt_at",
)

OUTCOMES = few(
    """unnest(
        CAST(:run_ids AS uuid[]), CAST(:epochs AS int[]), CAST(:states AS text[]), CAST(:started_ats AS timestamptz[]),
        CAST(:ended_ats AS timestamptz[]), CAST(:next_attempt_ats AS timestamptz[]), CAST(:status_codes AS int[]),
        CAST(:response_headers AS text[]), CAST(:response_bodies AS text[]), CAST(:body_encodings AS text[]),
        CAST(:body_truncateds AS boolean[]), CAST(:error_messages AS text[]), CAST(:durations_ms AS bigint[]),
        CAST(:details AS text[])
    ) AS one (id, epoch, state, started_at, ended_at, next_attempt_at, status_code,
              response_headers, response_body, body_encoding, body_truncated, error_message, duration_ms, details)""",
    number="cardinality(CAST(:run_ids AS uuid[]))",
)
COMPLETING = few("unnest(CAST(:completing AS uuid[])) AS one (id)", number="cardinality(CAST(:completing AS uuid[]))")
ENDED = few(
    "done WHERE state <> 'retrying' AND task_id = ANY(CAST(:completing AS uuid[]))",
    number="(SELECT count(*) FROM done)",
)

OUTCOME = {
    "state": "f.state",
    "attempt_started_at": "f.started_at",
    "run_at": "CASE WHEN r.attempt = 1 THEN f.started_at ELSE r.run_at END",
    "status_code": "f.status_code",
    "response_headers": "CAST(f.response_headers AS jsonb)",
    "response_body": "f.response_body",
    "body_encoding": "f.body_encoding",
    "body_truncated": "f.body_truncated",
    "error_message": "f.error_message",
    "duration_ms": "f.duration_ms",
    "attempts": f"r.attempts || ({ENDED_ATTEMPT} || CAST(f.details AS jsonb))",
}
"""The values that an outcome gives to the columns of its run."""
IS_ITS_ATTEMPT = f"""{is_looked_up("r.id", "f.id")} AND r.state = 'running' AND r.epoch = f.epoch
      AND {same_worker("r", "CAST(:worker_id AS uuid)")} AND {after("locked_runs")}"""
SHOWN = "r.id, r.task_id, r.state, r.attempt, r.status_code, r.error_message, r.duration_ms, r.due_at, r.run_at"

# All statements take locks in one order, so nothing deadlocks: tasks in the order of their ids, runs in the order of
# theirs, a row of the rollups, and the counter of events.
FINISH = with_events(f"""
locked AS (
    SELECT t.id FROM {COMPLETING} c JOIN tasks t ON {is_looked_up("t.id", "c.id")} {by_id("t")} FOR NO KEY UPDATE OF t
),
locked_runs AS (
    SELECT r.id FROM {RUNS_BY_ID} k JOIN unfinished_runs r ON {is_looked_up("r.id", "k.id")} WHERE {after("locked")}
    {by_id("r")} FOR NO KEY UPDATE OF r
),
retried AS (
    UPDATE unfinished_runs r SET worker_id = NULL, next_attempt_at = f.next_attempt_at, {assignments(OUTCOME)}
    FROM {OUTCOMES} f
    WHERE f.state = 'retrying' AND {IS_ITS_ATTEMPT}
    RETURNING {SHOWN}
),
ended AS (
    DELETE FROM unfinished_runs r USING {OUTCOMES} f
    WHERE f.state <> 'retrying' AND {IS_ITS_ATTEMPT}
    RETURNING {ended_row(OUTCOME | {"finished_at": "f.ended_at", "success": "f.state = 'succeeded'"})}
),
{moved_to_history("ended", returning=SHOWN)},
done AS (SELECT * FROM moved UNION ALL SELECT * FROM retried),
completed AS (
    UPDATE tasks t SET status = 'completed'
    FROM {ENDED} d
    WHERE {is_looked_up("t.id", "d.task_id")} AND {has_no_instant_left("t")}
    RETURNING t.id
),
{with_rollup("done", condition="e.state <> 'retrying'", worker_id="CAST(:worker_id AS uuid)")},
events AS (
    SELECT CASE state WHEN 'retrying' THEN 'attempt_failed' ELSE state END AS type, task_id, id AS run_id, state,
           attempt, status_code, error_message, duration_ms
    FROM done WHERE {after("completed", "rollup")}
)
""")

LOCK_TASKS = text(f"""
SELECT FROM {TASKS_BY_ID} b JOIN tasks t ON {is_looked_up("t.id", "b.id")} {by_id("t")} FOR NO KEY UPDATE OF t
""")

# A queued run with a next attempt no longer waits for another run: it is about to start.
# Run this after an earlier statement has locked the tasks, so that it sees the runs that a claim has queued in the
# meantime.
PROMOTE_WAITING = text(f"""
WITH unfinished AS MATERIALIZED ({unfinished_runs("CAST(:task_ids AS uuid[])")}),
promoted AS (
    UPDATE unfinished_runs q SET next_attempt_at = :now
    WHERE q.task_id = ANY(CAST(:task_ids AS uuid[])) AND {waits_for_earlier_run("q")}
      AND q.task_id NOT IN (SELECT task_id FROM unfinished WHERE active)
    RETURNING q.id
),
caught_up AS (
    UPDATE tasks t SET due_at = :now
    WHERE t.id = ANY(CAST(:task_ids AS uuid[])) AND {waits_to_catch_up("t")}
      AND t.id NOT IN (SELECT task_id FROM unfinished)
    RETURNING t.id
)
SELECT (SELECT count(*) FROM promoted) + (SELECT count(*) FROM caught_up)
""")

STRANDED_TASKS = f"""
WITH queued AS MATERIALIZED (SELECT q.task_id FROM unfinished_runs q WHERE {waits_for_earlier_run("q")}),
overdue AS MATERIALIZED (SELECT t.id FROM tasks t WHERE {waits_to_catch_up("t")}),
unfinished AS MATERIALIZED ({unfinished_runs("ARRAY(SELECT task_id FROM queued UNION SELECT id FROM overdue)")})
SELECT task_id FROM queued WHERE task_id NOT IN (SELECT task_id FROM unfinished WHERE active)
UNION
SELECT id FROM overdue WHERE id NOT IN (SELECT task_id FROM unfinished)
"""
STRANDED = text(f"{STRANDED_TASKS} LIMIT :limit")


class Finish(NamedTuple):
    """How one attempt ended, and the new state of its run.

    `response_headers` is JSON text, and so is `details`, which has further members of the attempt's record. `pause` is
    what the host has asked for, which concerns its other runs, too.
    """

    run_id: UUID
    task_id: UUID
    epoch: int
    one_off: bool
    releases: bool
    state: RunState
    started_at: datetime
    ended_at: datetime
    next_attempt_at: datetime | None
    duration_ms: int
    status_code: int | None
    response_headers: str | None
    response_body: str | None
    body_encoding: BodyEncoding
    body_truncated: bool
    error_message: str | None
    details: str = "{}"
    counts_failures: bool = False
    pause: Pause | None = None

    @property
    def completes(self) -> UUID | None:
        """The one-off task that this outcome completes, if it completes one."""
        return self.task_id if self.one_off and self.state is not RunState.RETRYING else None

    @property
    def frees(self) -> UUID | None:
        """The task in which something may wait for the end of this run, if the run has ended."""
        return self.task_id if self.releases and self.state is not RunState.RETRYING else None

    @property
    def counts_for(self) -> UUID | None:
        """The task that counts its failures, if the run has ended in one of the states that count."""
        return self.task_id if self.counts_failures and self.state is not RunState.RETRYING else None


async def finish(
    connection: AsyncConnection, *, worker_id: UUID, finishes: Sequence[Finish], now: datetime
) -> set[UUID]:
    """Write the outcomes of attempts, and return the runs that were changed.

    A run that this worker has since lost stays unchanged.
    """
    written = await fetch(
        connection,
        FINISH,
        {
            "worker_id": worker_id,
            "now": now,
            "completing": [task_id for f in finishes if (task_id := f.completes) is not None],
            "run_ids": [f.run_id for f in finishes],
            "epochs": [f.epoch for f in finishes],
            "states": [f.state for f in finishes],
            "started_ats": [f.started_at for f in finishes],
            "ended_ats": [f.ended_at for f in finishes],
            "next_attempt_ats": column([f.next_attempt_at for f in finishes]),
            "status_codes": column([f.status_code for f in finishes]),
            "response_headers": column([f.response_headers for f in finishes]),
            "response_bodies": column([f.response_body for f in finishes]),
            "body_encodings": [f.body_encoding for f in finishes],
            "body_truncateds": [f.body_truncated for f in finishes],
            "error_messages": column([f.error_message for f in finishes]),
            "durations_ms": [f.duration_ms for f in finishes],
            "details": [f.details for f in finishes],
        },
    )
    return {row.run_id for row in written}


async def lock_tasks(connection: AsyncConnection, *, task_ids: Collection[UUID]) -> None:
    """Lock tasks in the order of their ids."""
    await fetch(connection, LOCK_TASKS, {"task_ids": list(task_ids)})


async def promote_waiting(connection: AsyncConnection, *, task_ids: Collection[UUID], now: datetime) -> int:
    """Make due what waited for the end of a run, in those of the tasks that have no run in progress. Return the number.

    That is a run that was queued, or the next instant to catch up with. An earlier statement of this transaction has to
    have locked the tasks. The caller wakes a worker after the commit.
    """
    [[promoted]] = await fetch(connection, PROMOTE_WAITING, {"task_ids": list(task_ids), "now": now})
    return int(promoted)


async def stranded(connection: AsyncConnection, *, limit: int) -> list[UUID]:
    """Return tasks in which something waits for a run that no longer exists, because a policy was changed, for
    instance.
    """
    return [row.task_id for row in await fetch(connection, STRANDED, {"limit": limit})]
