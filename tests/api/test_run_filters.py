"""Lists of runs by the tags and the host of their tasks, by status, and by what their error says."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from db.models import Run
from db.reads import runs
from db.states import RunState
from tests.support.engine import every, save
from tests.support.graphql import Api
from tests.support.history import HOUR, ago, run_of

RUNS = """query ($filter: RunFilter, $first: Int, $after: String) {
  runs(filter: $filter, first: $first, after: $after) {
    totalCount nodes { id } pageInfo { hasNextPage hasPreviousPage endCursor }
  }
}"""
OF_TASK = """query ($id: ID!, $filter: RunFilter) {
  task(id: $id) { runs(filter: $filter) { totalCount nodes { id } } }
}"""


async def listed(api: Api, given: dict[str, Any]) -> list[str]:
    """Return the ids of all runs that a filter selects, page by page, which are as many as are counted."""
    found, after = [], None
    while True:
        page = (await api.data(RUNS, filter=given, first=2, after=after))["runs"]
        found += [node["id"] for node in page["nodes"]]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        if not page["pageInfo"]["hasNextPage"]:
            assert page["totalCount"] == len(found)
            return found
        after = page["pageInfo"]["endCursor"]


@pytest.mark.parametrize("few", [100, 0])
async def test_runs_are_found_by_every_member(api: Api, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each member selects the same runs, newest first, whether they belong to few tasks or to many."""
    monkeypatch.setattr(runs, "FEW_TASKS", few)
    tasks = [
        every("https://api.example.com/a", HOUR, ago(-1), host="api.example.com:443", tags=["a", "b"]),
        every("http://api.example.com:8080/a", HOUR, ago(-1), host="api.example.com:8080", tags=["b"]),
        every("http://other.example.com/a", HOUR, ago(-1), host="other.example.com:80"),
    ]
    await save(api.engine, *tasks)
    made: list[tuple[int, Run]] = []
    for number, task in enumerate(tasks):
        for hours, state, columns in (
            (1, RunState.SUCCEEDED, {"status_code": 200}),
            (2, RunState.FAILED, {"status_code": 503, "error_message": "the target answered 503; 100% ÄRGER"}),
            (3, RunState.RETRYING, {"status_code": 500, "error_message": "the target answered 500"}),
            (4, RunState.UNKNOWN, {"error_message": "the worker was lost"}),
        ):
            run = run_of(task, scheduled_for=ago(hours) - timedelta(minutes=number), state=state, **columns)
            made.append((number, run))
    await save(api.engine, *(run for _, run in made))
    made.sort(key=lambda each: each[1].scheduled_for, reverse=True)

    def ids(*numbers: int, status: int | None = None, error: str = "") -> list[str]:
        return [
            str(run.id)
            for number, run in made
            if number in numbers
            and (status is None or run.status_code == status)
            and (not error or error in (run.error_message or ""))
        ]

    for given, wanted in (
        ({"tags": ["b"]}, ids(0, 1)),
        ({"tags": ["b", "a"]}, ids(0)),
        ({"tags": ["nowhere"]}, []),
        ({"tags": ["\0"]}, []),
        ({"host": "API.example.com"}, ids(0, 1)),
        ({"host": "api.example.com:8080"}, ids(1)),
        ({"host": "example.com"}, []),
        ({"statusCode": 503}, ids(0, 1, 2, status=503)),
        ({"errorContains": "TARGET ANSWERED"}, ids(0, 1, 2, error="answered")),
        ({"errorContains": "100% ärger"}, ids(0, 1, 2, error="ÄRGER")),
        ({"errorContains": "answered", "states": ["RETRYING", "SUCCEEDED"]}, ids(0, 1, 2, error="500")),
        ({"errorContains": "answered", "states": ["SUCCEEDED"]}, []),
        ({"errorContains": "lost", "success": False}, ids(0, 1, 2, error="lost")),
        ({"errorContains": "lost", "success": True}, []),
        ({"tags": ["b"], "host": "api.example.com:443", "statusCode": 500}, ids(0, status=500)),
        ({"tags": [], "host": None, "statusCode": None, "errorContains": None}, ids(0, 1, 2)),
    ):
        assert await listed(api, given) == wanted, given
    its = (await api.data(OF_TASK, id=str(tasks[1].id), filter={"tags": ["b"], "statusCode": 503}))["task"]["runs"]
    assert [node["id"] for node in its["nodes"]] == ids(1, status=503)
    assert its["totalCount"] == 1


async def test_a_search_that_takes_too_long_says_how_to_narrow_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement that takes too long is ended by Postgres, and the error says which members help."""
    monkeypatch.setattr(runs, "SEARCHES_WITHIN", timedelta(milliseconds=100))
    async with api.engine.begin() as connection:
        # A lock on the history stands for a long search.
        await connection.execute(text("LOCK TABLE finished_runs IN ACCESS EXCLUSIVE MODE"))
        [error] = (await api.ask(RUNS, filter={"statusCode": 418}))["errors"]
    assert error["extensions"]["code"] == "LIMIT_EXCEEDED"
    assert "scheduledAfter" in error["message"]
    assert await listed(api, {"statusCode": 418}) == []
