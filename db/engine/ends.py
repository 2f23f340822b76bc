"""The end of a run moves its row from the unfinished runs to the history.

The row is deleted from the one table and inserted into the other by one statement, so no crash can lose or double it.
A transaction that waits for the lock on a run that ends meanwhile finds no row, as if it had come later.
"""

from collections.abc import Mapping

from db.models import RUNS

COLUMNS = tuple(RUNS.columns.keys())


def assignments(values: Mapping[str, str]) -> str:
    """Return the SET of an UPDATE. The values are expressions of the statement, never input."""
    return ", ".join(f"{column} = {value}" for column, value in values.items())


def ended_row(values: Mapping[str, str]) -> str:
    """Return the RETURNING with which a DELETE of unfinished runs `r` returns their rows as they are kept.

    `values` are expressions for the columns that the end changes. An ended run has no worker and no next attempt, and
    waits for nothing.
    """
    changed = {
        "worker_id": "CAST(NULL AS uuid)",
        "next_attempt_at": "CAST(NULL AS timestamptz)",
        "flow_limit_id": "CAST(NULL AS uuid)",
        **values,
    }
    return ", ".join(f"{changed.get(column, f'r.{column}')} AS {column}" for column in COLUMNS)


def moved_to_history(ended: str, *, returning: str) -> str:
    """Return the expression `moved` of a WITH, which inserts the rows of the expression `ended` as `r`."""
    columns = ", ".join(COLUMNS)
    return f"""
moved AS (
    INSERT INTO finished_runs AS r ({columns})
    SELECT {columns} FROM {ended}
    RETURNING {returning}
)"""
