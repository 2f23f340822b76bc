"""The statement that creates a run on request, in addition to its task's schedule."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from db.engine.claims import SKIPPED_BY_OVERLAP
from db.engine.conditions import has_unfinished_run, has_waiting_run
from db.engine.events import with_events
from db.states import OverlapPolicy, RunCause

# A run that may start at once is due at once and has no event yet: the claim records its start.
MAKE_RUN = with_events(f"""
judged AS (
    SELECT CASE
        WHEN CAST(:overlap AS text) = 'allow' OR NOT {has_unfinished_run("CAST(:task_id AS uuid)")} THEN 'due'
        WHEN CAST(:overlap AS text) = 'queue' AND NOT {has_waiting_run("CAST(:task_id AS uuid)")} THEN 'behind'
        ELSE 'skipped' END AS verdict
),
made AS (
    INSERT INTO task_results (id, task_id, task_version, host, cause, retry_of, state, scheduled_for, due_at,
                              next_attempt_at, finished_at, error_message, created_at, input_body, input_headers)
    SELECT CAST(:run_id AS uuid), CAST(:task_id AS uuid), CAST(:task_version AS int), CAST(:host AS text),
           CAST(:cause AS text), CAST(:retry_of AS uuid),
           CASE verdict WHEN 'skipped' THEN 'skipped' ELSE 'queued' END,
           CAST(:now AS timestamptz), CAST(:now AS timestamptz),
           CASE verdict WHEN 'due' THEN CAST(:now AS timestamptz) END,
           CASE verdict WHEN 'skipped' THEN CAST(:now AS timestamptz) END,
           CASE verdict WHEN 'skipped' THEN '{SKIPPED_BY_OVERLAP}' END,
           CAST(:now AS timestamptz), CAST(CAST(:input_body AS text) AS json),
           CAST(CAST(:input_headers AS text) AS json)
    FROM judged
    RETURNING id, task_id, state, attempt, next_attempt_at, error_message
),
events AS (
    SELECT state AS type, task_id, id AS run_id, state, attempt, CAST(NULL AS int) AS status_code, error_message,
           CAST(NULL AS bigint) AS duration_ms
    FROM made WHERE next_attempt_at IS NULL
)
""")


class RunRequest(NamedTuple):
    """A run to create on request. `host` is that of the version's request; `overlap` is the task's policy.

    `input_body` and `input_headers` are texts of JSON.
    """

    run_id: UUID
    task_id: UUID
    task_version: int
    host: str
    cause: RunCause
    retry_of: UUID | None
    overlap: OverlapPolicy
    input_body: str | None = None
    input_headers: str | None = None


async def make_run(session: AsyncSession, request: RunRequest, *, now: datetime) -> None:
    """Create the requested run: due now, queued behind an unfinished one, or SKIPPED, by the overlap policy.

    An earlier statement of this transaction has to have locked the task.
    """
    await session.execute(MAKE_RUN, request._asdict() | {"now": now})
