"""Rows that tests save through an API's pool, and how many rows there are."""

from typing import Any

from sqlalchemy import text

from db.models import Run, Task, utc_now
from db.states import RunState
from tests.support.engine import every, save
from tests.support.graphql import Api
from tests.support.history import HOUR, ago, run_of


async def hourly(api: Api, **columns: Any) -> Task:
    """Return a saved task that is due in an hour."""
    task = every("http://localhost/", HOUR, utc_now() + HOUR, **columns)
    await save(api.engine, task)
    return task


async def run_in(api: Api, task: Task, state: RunState, **columns: Any) -> Run:
    """Return a saved run of the task, an hour old."""
    run = run_of(task, scheduled_for=ago(1), state=state, **columns)
    await save(api.engine, run)
    return run


async def count(api: Api, table: str, where: str = "true") -> int:
    """Return the number of rows of a table."""
    async with api.engine.connect() as connection:
        found: int = (await connection.execute(text(f"SELECT count(*) FROM {table} WHERE {where}"))).scalar_one()
    return found
