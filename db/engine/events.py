"""Records the events of runs in the statement that causes them, numbered in the order of commits.

The numbers come from a one-row counter, which the statement updates last. The lock on that row is held until the
commit, so a reader who has seen number n has seen all lower ones, and there are no gaps; a sequence promises neither.
Because of the lock, the statement should be the last one of its transaction, or better, the only one.
"""

from sqlalchemy import TextClause, text


def with_events(changes: str) -> TextClause:
    """Return a statement that carries out `changes` and returns run_id, task_id, state and attempt of each event.

    `changes` are the common table expressions of a WITH, separated by commas. One of them is called `events` and has
    the columns type, task_id, run_id, state, attempt, status_code, error_message and duration_ms (of the attempt).
    `:now` is the instant of the events. The expressions are constants, never input.

    Postgres runs a data-modifying expression that no other one reads at the very end, when the counter is already
    locked. So `events` has to read them all: see `db.engine.conditions.after`.
    """
    return text(f"""
WITH {changes}, counted AS (
    UPDATE run_event_counter SET seq = seq + (SELECT count(*) FROM events) RETURNING seq
)
INSERT INTO run_events (seq, at, type, task_id, run_id, state, attempt, status_code, error_message, duration_ms)
SELECT counted.seq - (SELECT count(*) FROM events) + row_number() OVER (), CAST(:now AS timestamptz),
       e.type, e.task_id, e.run_id, e.state, e.attempt, e.status_code, e.error_message, e.duration_ms
FROM counted, events e
RETURNING run_id, task_id, state, attempt
""")


def after(*expressions: str) -> str:
    """Return a condition that is always true and makes Postgres carry out the named expressions of the WITH first."""
    return " + ".join(f"(SELECT count(*) FROM {expression})" for expression in expressions) + " >= 0"
