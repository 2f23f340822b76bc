"""The transitions between states of a run: the database allows those that the documentation draws, and no others."""

import re
from itertools import permutations
from pathlib import Path
from typing import Any

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col

from db.models import Run, utc_now
from db.states import UNFINISHED, RunState
from tests.support.engine import one_off, save
from tests.support.history import run_of

SCHEDULING = Path(__file__).parents[2] / "docs" / "scheduling.md"
ARROW = re.compile(r"^ +(\w+) --> (\w+)", re.MULTILINE)
DRAWN = {(RunState[old], RunState[new]) for old, new in ARROW.findall(SCHEDULING.read_text())}


def columns_of(state: RunState) -> dict[str, Any]:
    """Return the other columns of a run in a state, so that only the transition can be refused."""
    task = one_off("http://127.0.0.1/", utc_now())
    run = run_of(task, scheduled_for=utc_now(), state=state)
    return {
        "state": state,
        "worker_id": run.worker_id,
        "finished_at": run.finished_at,
        "next_attempt_at": run.next_attempt_at,
    }


async def test_the_database_allows_only_the_documented_transitions(engine: AsyncEngine) -> None:
    """Each pair of states is tried, and a run in a final state stays there."""
    task = one_off("http://127.0.0.1/", utc_now())
    await save(engine, task)
    allowed = set()
    for old, new in permutations(RunState, 2):
        [run_id] = await save(engine, run_of(task, scheduled_for=utc_now(), state=old))
        try:
            async with engine.begin() as connection:
                await connection.execute(update(Run).where(col(Run.id) == run_id).values(columns_of(new)))
        except IntegrityError as refusal:
            assert f"a run cannot go from {old} to {new}" in str(refusal)  # noqa: PT017 (which pairs raise is asked)
        else:
            allowed.add((old, new))
    assert allowed == DRAWN
    assert {old for old, _ in allowed} == set(UNFINISHED)
