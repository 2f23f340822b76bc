"""Records the events of runs in the statement that makes them happen, numbered in the order of commits.

The numbers come from a counter of one row, which the statement updates last. Its lock is held until the commit, so
whoever has seen number n has seen all below it, and there are no gaps; a sequence could promise neither. The lock is
why the statement ought to be the last of its transaction, or better, the only one.
"""

from sqlalchemy import TextClause, text


def recording(changes: str) -> TextClause:
    """A statement that carries out `changes`, and returns run_id, task_id, state and attempt of each event.

    `changes` are the parts of a WITH, parted by commas, of which one is called `happened` and has the columns type,
    task_id, run_id, state, attempt, status_code, error_message and duration_ms (of the attempt). It has to count what
    the other parts return: a part that nothing asks for runs at the end, when the counter is locked already. `:now` is
    the events' instant. The parts are constants, never input.
    """
    return text(f"""
WITH {changes}, counted AS (
    UPDATE run_event_counter SET seq = seq + (SELECT count(*) FROM happened) RETURNING seq
)
INSERT INTO run_events (seq, at, type, task_id, run_id, state, attempt, status_code, error_message, duration_ms)
SELECT counted.seq - (SELECT count(*) FROM happened) + row_number() OVER (), CAST(:now AS timestamptz),
       h.type, h.task_id, h.run_id, h.state, h.attempt, h.status_code, h.error_message, h.duration_ms
FROM counted, happened h
RETURNING run_id, task_id, state, attempt
""")
