"""Lists of runs find few rows among many."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlmodel import col, select

from db.models import Run
from db.reads.runs import NEWEST_FIRST, RunFilter, conditions
from db.settings import DatabaseSettings
from db.states import UNSUCCESSFUL, RunState
from tests.support.engine import one_off, opened, save, soon, task_of
from tests.support.history import ago, run_of

RARE = [
    *(RunFilter(states=[state]) for state in (*UNSUCCESSFUL, RunState.RUNNING, RunState.QUEUED)),
    RunFilter(states=[RunState.FAILED, RunState.UNKNOWN]),
    RunFilter(states=[RunState.RETRYING, RunState.RUNNING]),
    RunFilter(success=False),
]


async def test_rare_runs_are_found_without_reading_the_others(database: DatabaseSettings) -> None:
    """Among runs of which all but a few succeeded, a page reads hardly more rows than it returns."""
    few = {300 * n: state for n, state in enumerate((*UNSUCCESSFUL, RunState.RUNNING), start=1)}
    async with opened(database) as engine:
        task = await task_of(engine, (await save(engine, one_off("http://127.0.0.1/", soon())))[0])
        instants = [ago(24) - n * timedelta(seconds=1) for n in range(2_000)]
        states = [few.get(n, RunState.SUCCEEDED) for n in range(len(instants))]
        runs = [run_of(task, scheduled_for=at, state=state) for at, state in zip(instants, states, strict=True)]
        await save(engine, *runs)
        async with engine.begin() as connection:
            await connection.execute(text("ANALYZE task_results"))
            for wanted in RARE:
                page = select(col(Run.id)).where(*conditions(wanted)).order_by(*NEWEST_FIRST.sorting(backward=False))
                query = page.limit(21).compile(dialect=dialect(), compile_kwargs={"literal_binds": True})  # type: ignore[no-untyped-call]
                [explained] = await connection.scalar(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}"))
                assert rows_read(explained["Plan"]) < 30, (wanted, explained)


def rows_read(node: dict[str, Any]) -> float:
    """Return how many rows of the history a plan read from its table, including those that a filter dropped."""
    below = sum(rows_read(child) for child in node.get("Plans", []))
    if not node.get("Relation Name", "").startswith(("task_results", "unfinished_runs")):
        return below
    own: float = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return below + own
