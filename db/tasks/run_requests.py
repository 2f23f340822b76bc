"""The statement that creates runs on request, in addition to their tasks' schedules."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from db.engine.claims import SKIPPED_BY_OVERLAP
from db.engine.conditions import has_unfinished_run, has_waiting_run
from db.engine.events import with_events
from db.states import OverlapPolicy, RunCause

# A task's runs take places in their order, behind the one that is unfinished and the one that waits. The first place is
# that of the run in progress, and the second that of the one that waits for its end.
# A run that may start at once is due at once and has no event yet: the claim records its start.
MAKE_RUNS = with_events(f"""
judged AS (
    SELECT p.*, CASE
        WHEN p.overlap = 'allow' OR p.place = 1 THEN 'due'
        WHEN p.overlap = 'queue' AND p.place = 2 THEN 'behind'
        ELSE 'skipped' END AS verdict
    FROM (
        SELECT w.*, row_number() OVER (PARTITION BY w.task_id ORDER BY w.ordinal)
            + CAST({has_unfinished_run("w.task_id")} AS int) + CAST({has_waiting_run("w.task_id")} AS int) AS place
        FROM unnest(CAST(:run_id AS uuid[]), CAST(:task_id AS uuid[]), CAST(:task_version AS int[]),
                    CAST(:host AS text[]), CAST(:flow_key AS text[]), CAST(:cause AS text[]),
                    CAST(:retry_of AS uuid[]), CAST(:overlap AS text[]), CAST(:input_body AS text[]),
                    CAST(:input_headers AS text[]))
             WITH ORDINALITY AS w(run_id, task_id, task_version, host, flow_key, cause, retry_of, overlap,
                                  input_body, input_headers, ordinal)
    ) p
),
made AS (
    INSERT INTO task_results (id, task_id, task_version, host, flow_key, cause, retry_of, state, scheduled_for, due_at,
                              next_attempt_at, finished_at, error_message, created_at, input_body, input_headers)
    SELECT run_id, task_id, task_version, host, flow_key, cause, retry_of,
           CASE verdict WHEN 'skipped' THEN 'skipped' ELSE 'queued' END,
           CAST(:now AS timestamptz), CAST(:now AS timestamptz),
           CASE verdict WHEN 'due' THEN CAST(:now AS timestamptz) END,
           CASE verdict WHEN 'skipped' THEN CAST(:now AS timestamptz) END,
           CASE verdict WHEN 'skipped' THEN '{SKIPPED_BY_OVERLAP}' END,
           CAST(:now AS timestamptz), CAST(input_body AS json), CAST(input_headers AS json)
    FROM judged ORDER BY ordinal
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

    The input, which it sends in place of the task's own, is JSON as text.
    """

    run_id: UUID
    task_id: UUID
    task_version: int
    host: str
    flow_key: str
    cause: RunCause
    retry_of: UUID | None
    overlap: OverlapPolicy
    input_body: str | None = None
    input_headers: str | None = None


async def make_runs(session: AsyncSession, requests: Sequence[RunRequest], *, now: datetime) -> None:
    """Create the requested runs: due now, queued behind an unfinished one, or SKIPPED, by the overlap policy.

    An earlier statement of this transaction has to have locked the tasks.
    """
    columns = {name: list(values) for name, values in zip(RunRequest._fields, zip(*requests, strict=True), strict=True)}
    await session.execute(MAKE_RUNS, columns | {"now": now})
