"""Lists: orders, filters, and keyset pages in both directions."""

import base64
import itertools
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from db.connection import look_up_rows
from db.models import Run, Task, utc_now
from db.reads.runs import RunFilter
from db.states import RunCause, RunState, TaskStatus
from graphql_api.context import Context
from tests.support.engine import every, one_off, save
from tests.support.graphql import Api
from tests.support.history import HOUR, ago, run_of
from tests.support.statements import statements

TASKS = """
query (
  $first: Int, $after: String, $last: Int, $before: String, $filter: TaskFilter, $order: TaskOrder! = CREATED_AT_DESC
) {
  tasks(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $order) {
    edges { cursor node { name } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount
    totalCountCapped
  }
}
"""

RUNS = """
query ($first: Int, $after: String, $last: Int, $before: String, $filter: RunFilter) {
  runs(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
    edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount
  }
}
"""


def named(name: str, *, minutes: int = 0, **columns: Any) -> Task:
    """Return a task created some minutes ago."""
    made = ago(1) - timedelta(minutes=minutes)
    return every("http://localhost/", HOUR, utc_now() + HOUR, name=name, created_at=made, **columns)


async def names(api: Api, **variables: Any) -> list[str]:
    """Return the names on a page of tasks."""
    return [edge["node"]["name"] for edge in (await api.data(TASKS, **variables))["tasks"]["edges"]]


async def walked(api: Api, query: str, size: int, *, backward: bool = False, **variables: Any) -> list[str]:
    """Return a whole list, read page by page, and check each page's flags."""
    found: list[str] = []
    cursor = None
    while True:
        place = {"last": size, "before": cursor} if backward else {"first": size, "after": cursor}
        [page] = (await api.data(query, **place, **variables)).values()
        values = [next(iter(edge["node"].values())) for edge in page["edges"]]
        info = page["pageInfo"]
        onward, back = ("hasPreviousPage", "hasNextPage") if backward else ("hasNextPage", "hasPreviousPage")
        assert info[back] == bool(found)
        assert len(values) == size or not info[onward]
        found = values + found if backward else found + values
        if not info[onward]:
            return found
        cursor = info["startCursor" if backward else "endCursor"]


async def test_each_order_is_walked_both_ways(api: Api) -> None:
    """Every task occurs exactly once, in order, at every page size, including equal values and nulls.

    So does every task that a filter selects.
    """
    soon = utc_now().replace(microsecond=0) + HOUR
    rows = [
        named("c", minutes=1, next_run=soon, due_at=soon),
        named("a", minutes=2, next_run=soon, due_at=soon),
        named("b", minutes=2, next_run=soon - timedelta(minutes=5), due_at=soon),
        named("d", minutes=3, next_run=None, due_at=None, status=TaskStatus.PAUSED),
        named("e", minutes=4, next_run=None, due_at=None, status=TaskStatus.PAUSED),
        named("a", minutes=5, next_run=soon + HOUR, due_at=soon),
    ]
    await save(api.engine, *rows)

    def by(*keys: Any) -> list[str]:
        return [row.name for row in sorted(rows, key=lambda row: tuple(key(row) for key in keys))]

    orders = {
        "CREATED_AT_ASC": by(lambda row: row.created_at, lambda row: row.id),
        "CREATED_AT_DESC": by(lambda row: row.created_at, lambda row: row.id)[::-1],
        "NAME_ASC": by(lambda row: row.name, lambda row: row.id),
        "NEXT_RUN_AT_ASC": by(lambda row: row.next_run is None, lambda row: row.next_run or soon, lambda row: row.id),
    }
    both = {"statuses": ["SCHEDULED", "PAUSED"]}
    for (order, expected), size, filters in itertools.product(orders.items(), (1, 4, 6), ({}, both)):
        assert await walked(api, TASKS, size, order=order, filter=filters) == expected
        assert await walked(api, TASKS, size, order=order, filter=filters, backward=True) == expected


async def test_pages_hold_while_tasks_are_made(api: Api) -> None:
    """A page continues where the last one ended, although newer tasks were created before it."""
    await save(api.engine, *(named(f"old {number}", minutes=number) for number in range(6)))
    first = (await api.data(TASKS, first=2))["tasks"]
    await save(api.engine, *(named(f"new {number}", minutes=-number - 1) for number in range(3)))
    assert await names(api, first=2, after=first["pageInfo"]["endCursor"]) == ["old 2", "old 3"]
    assert await names(api, last=2, before=first["pageInfo"]["startCursor"]) == ["new 1", "new 0"]
    between = (await api.data(TASKS, first=10, before=first["pageInfo"]["startCursor"]))["tasks"]
    assert [edge["node"]["name"] for edge in between["edges"]] == ["new 2", "new 1", "new 0"]
    assert between["pageInfo"]["hasNextPage"] is True
    assert between["totalCount"] == 9


async def test_cursor_of_a_deleted_row_still_holds(api: Api) -> None:
    """The cursor of a deleted row still works: it is a place, not a row."""
    rows = [named(f"{number}", minutes=number) for number in range(3)]
    await save(api.engine, *rows)
    cursor = (await api.data(TASKS, first=2))["tasks"]["pageInfo"]["endCursor"]
    async with api.engine.begin() as connection:
        await connection.execute(text("DELETE FROM tasks WHERE id = :id"), {"id": rows[1].id})
    assert await names(api, after=cursor) == ["2"]
    async with api.engine.begin() as connection:
        await connection.execute(text("DELETE FROM tasks WHERE id = :id"), {"id": rows[2].id})
    empty = (await api.data(TASKS, after=cursor))["tasks"]
    assert empty["edges"] == []
    assert empty["pageInfo"] == {"hasNextPage": False, "hasPreviousPage": True, "startCursor": None, "endCursor": None}


async def test_filters_of_tasks(api: Api) -> None:
    """Each member narrows the list; absent, null or empty members select all."""
    soon = utc_now().replace(microsecond=0) + HOUR
    red = named("Red 100%", tags=["x", "y"], next_run=soon, due_at=soon)
    green = named("green_1", tags=["x"], next_run=soon + HOUR, due_at=soon)
    blue = one_off(
        "http://LOCALHOST/Blue", ago(1), name="blue", status=TaskStatus.COMPLETED, next_run=None, due_at=None
    )
    await save(api.engine, red, green, blue)
    await save(
        api.engine,
        run_of(red, scheduled_for=ago(3), state=RunState.SUCCEEDED),
        run_of(red, scheduled_for=ago(2), state=RunState.FAILED),
        run_of(blue, scheduled_for=ago(1), state=RunState.SUCCEEDED),
    )
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({"statuses": ["COMPLETED"]}, {"blue"}),
        ({"statuses": [], "tags": [], "nameContains": None, "lastRunStates": []}, {"Red 100%", "green_1", "blue"}),
        ({"nameContains": "RE"}, {"Red 100%", "green_1"}),
        ({"nameContains": "0%"}, {"Red 100%"}),
        ({"nameContains": "_"}, {"green_1"}),
        ({"nameContains": "\0"}, set()),
        ({"urlContains": "localhost/b"}, {"blue"}),
        ({"tags": ["x"]}, {"Red 100%", "green_1"}),
        ({"tags": ["y", "x"]}, {"Red 100%"}),
        ({"tags": ["\0"]}, set()),
        ({"nextRunAfter": f"{(soon + HOUR).isoformat()}"}, {"green_1"}),
        ({"nextRunBefore": f"{(soon + HOUR).isoformat()}"}, {"Red 100%"}),
        ({"lastRunStates": ["SUCCEEDED"]}, {"blue"}),
        ({"lastRunStates": ["FAILED", "SUCCEEDED"], "statuses": ["SCHEDULED"]}, {"Red 100%"}),
    ]
    for filter_, expected in cases:
        page = (await api.data(TASKS, filter=filter_))["tasks"]
        assert {edge["node"]["name"] for edge in page["edges"]} == expected, filter_
        assert page["totalCount"] == len(expected)


@pytest.mark.parametrize("asked", ["äpfel", "ÄPFEL", "ПРИВЕТ", "привет", "σίγμα"])
async def test_letters_of_every_alphabet_match_in_either_case(api: Api, asked: str) -> None:
    """Letters of every alphabet match in either case, also if the database's locale is C, which knows only A to Z."""
    name = "Äpfel, Привет, ΣΊΓΜΑ"
    await save(api.engine, named(name), named("other"))
    page = (await api.data(TASKS, filter={"nameContains": asked}))["tasks"]
    assert [edge["node"]["name"] for edge in page["edges"]] == [name]


async def some_runs(api: Api) -> tuple[Task, Task, list[Run]]:
    """Return two tasks with runs, newest last."""
    mine, other = named("mine"), named("other")
    await save(api.engine, mine, other)
    runs = [
        run_of(mine, scheduled_for=ago(9), state=RunState.FAILED),
        run_of(mine, scheduled_for=ago(8)),
        run_of(other, scheduled_for=ago(8)),
        run_of(mine, scheduled_for=ago(7), state=RunState.SKIPPED),
        run_of(mine, scheduled_for=ago(6), cause=RunCause.MANUAL),
        run_of(mine, scheduled_for=ago(5), state=RunState.RETRYING),
    ]
    await save(api.engine, *runs)
    return mine, other, runs


async def test_no_run_of_a_task_is_another_ones(api: Api) -> None:
    """A filter that names another task leaves a task's list empty, also before and after a cursor."""
    mine, other, _ = await some_runs(api)
    empty = """
    query ($mine: ID!, $other: ID!, $cursor: String!) {
      task(id: $mine) {
        after: runs(after: $cursor, filter: { taskId: $other }) { ...page }
        before: runs(before: $cursor, filter: { taskId: $other }) { ...page }
      }
    }
    fragment page on RunConnection { totalCount nodes { id } pageInfo { hasNextPage hasPreviousPage } }
    """
    of_mine = "query ($id: ID!) { task(id: $id) { runs(first: 2) { pageInfo { endCursor } } } }"
    cursor = (await api.data(of_mine, id=str(mine.id)))["task"]["runs"]["pageInfo"]["endCursor"]
    nothing = {"totalCount": 0, "nodes": [], "pageInfo": {"hasNextPage": False, "hasPreviousPage": False}}
    found = (await api.data(empty, mine=str(mine.id), other=str(other.id), cursor=cursor))["task"]
    assert found == {"after": nothing, "before": nothing}


async def test_runs_are_walked_both_ways(api: Api) -> None:
    """Runs are listed newest scheduledFor first, over all tasks."""
    _, _, runs = await some_runs(api)
    expected = [str(run.id) for run in sorted(runs, key=lambda run: (run.scheduled_for, run.id), reverse=True)]
    for size in (1, 2, 3, 6):
        assert await walked(api, RUNS, size) == expected
        assert await walked(api, RUNS, size, backward=True) == expected


async def test_runs_are_read_as_planned_for_them(api: Api) -> None:
    """The settings of the planner last as long as the transaction in which a list is read."""
    async with Context(api.services, caller=None, address="").reading_runs(RunFilter()) as session:
        await look_up_rows(session)
        assert await session.scalar(text("SHOW enable_seqscan")) == "off"


async def test_filters_of_runs(api: Api) -> None:
    """Each member narrows the list of all runs, and of one task's."""
    mine, other, runs = await some_runs(api)
    cases: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [0, 1, 3, 4, 5]),
        ({"states": ["FAILED", "SKIPPED"]}, [0, 3]),
        ({"causes": ["MANUAL"]}, [4]),
        ({"success": True}, [1, 4]),
        ({"success": False}, [0]),
        ({"scheduledAfter": ago(7).isoformat()}, [3, 4, 5]),
        ({"scheduledBefore": ago(7).isoformat()}, [0, 1]),
    ]
    of_task = RUNS.replace("$filter: RunFilter)", "$filter: RunFilter, $id: ID!)").replace(
        " runs(", " task(id: $id) { runs("
    )
    for filter_, expected in cases:
        ids = [str(runs[place].id) for place in reversed(expected)]
        page = (await api.data(RUNS, filter={**filter_, "taskId": str(mine.id)}))["runs"]
        assert [edge["node"]["id"] for edge in page["edges"]] == ids
        page = (await api.data(of_task + "}", filter=filter_, id=str(mine.id)))["task"]["runs"]
        assert [edge["node"]["id"] for edge in page["edges"]] == ids
        assert page["totalCount"] == len(ids)
    assert (await api.data(of_task + "}", filter={"taskId": str(other.id)}, id=str(mine.id)))["task"]["runs"][
        "edges"
    ] == []


async def test_pages_of_a_tasks_runs(api: Api) -> None:
    """A task's own list of runs is paged like the list of all."""
    mine, _, runs = await some_runs(api)
    query = """
    query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String) { task(id: $id) {
      runs(first: $first, after: $after, last: $last, before: $before) {
        nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      }
    } }
    """
    ids = [str(run.id) for run in reversed(runs) if run.task_id == mine.id]
    first = (await api.data(query, id=str(mine.id), first=2))["task"]["runs"]
    assert [node["id"] for node in first["nodes"]] == ids[:2]
    assert (first["pageInfo"]["hasPreviousPage"], first["pageInfo"]["hasNextPage"]) == (False, True)
    second = (await api.data(query, id=str(mine.id), first=9, after=first["pageInfo"]["endCursor"]))["task"]["runs"]
    assert [node["id"] for node in second["nodes"]] == ids[2:]
    assert (second["pageInfo"]["hasPreviousPage"], second["pageInfo"]["hasNextPage"]) == (True, False)
    back = (await api.data(query, id=str(mine.id), last=1, before=second["pageInfo"]["startCursor"]))["task"]["runs"]
    assert [node["id"] for node in back["nodes"]] == ids[1:2]


async def test_counts_are_capped(api: Api) -> None:
    """The count stops at 10,000 and says so."""
    task = named("busy")
    await save(api.engine, task)
    insert = text("""
        INSERT INTO task_results (id, task_id, state, scheduled_for, due_at, finished_at)
        SELECT gen_random_uuid(), :task_id, 'skipped', now() - n * interval '1 s', now(), now()
        FROM generate_series(1, :number) AS n
    """)
    query = "{ runs { totalCount totalCountCapped } tasks { nodes { runs { totalCount totalCountCapped } } } }"
    for number, counted in ((10_000, {"totalCount": 10_000, "totalCountCapped": False}), (1, None)):
        async with api.engine.begin() as connection:
            await connection.execute(insert, {"task_id": task.id, "number": number})
        answer = await api.data(query)
        expected = counted or {"totalCount": 10_000, "totalCountCapped": True}
        assert answer == {"runs": expected, "tasks": {"nodes": [{"runs": expected}]}}


async def test_wrong_sizes_have_codes(api: Api) -> None:
    """Sizes beyond 1 to 100, and both directions together, have codes, also for a task's runs and upcoming instants."""
    await save(api.engine, named("a"))
    for arguments in ("first: 0", "first: 101", "first: -1", "last: 0", "last: 101", "last: -1", "first: 1, last: 1"):
        for listing in ("tasks", "runs"):
            assert await api.code(f"{{ {listing}({arguments}) {{ totalCount }} }}") == "INVALID_PAGE"
        assert await api.code(f"{{ tasks {{ nodes {{ runs({arguments}) {{ totalCount }} }} }} }}") == "INVALID_PAGE"
    for count in (-1, 101):
        assert await api.code(f"{{ tasks {{ nodes {{ upcoming(count: {count}) }} }} }}") == "INVALID_PAGE"
    [task] = (await api.data("{ tasks(first: 100) { nodes { none: upcoming(count: 0) upcoming(count: 100) } } }"))[
        "tasks"
    ]["nodes"]
    assert (len(task["none"]), len(task["upcoming"])) == (0, 100)


def cursor_of(*parts: Any) -> str:
    """Return a forged cursor."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


async def test_wrong_cursors_have_codes(api: Api) -> None:
    """Malformed cursors, and cursors of another list or order, have codes."""
    task = named("a")
    await save(api.engine, task)
    await save(api.engine, run_of(task, scheduled_for=ago(1)))
    orders = ("CREATED_AT_DESC", "CREATED_AT_ASC", "NAME_ASC", "NEXT_RUN_AT_ASC")
    of_orders = {order: (await api.data(TASKS, order=order))["tasks"]["pageInfo"]["endCursor"] for order in orders}
    of_runs = (await api.data(RUNS))["runs"]["pageInfo"]["endCursor"]
    of_events = (await api.data("{ runEventsCursor }"))["runEventsCursor"]
    for order in orders:
        for made_for, cursor in of_orders.items():
            answer = await api.ask(TASKS, order=order, after=cursor)
            assert ("errors" in answer) == (order != made_for)
    row = task.id.hex
    garbage = [
        "", "!", "e30", "WyJydW5zIl0", "WyJydW5zIiwxLDJd", "\u00fc" * 3, "bnVsbA", "_" * 5_000,
        of_orders["NAME_ASC"], of_events,
        *(
            cursor_of(listing, value, row)
            for listing in ("runs", "created_at_desc")
            for value in (None, 1, "x", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2000-01-01T00:00:00")
        ),
        cursor_of("runs", "2000-01-01T00:00:00Z", "x"), cursor_of("runs", "2000-01-01T00:00:00Z", None),
    ]  # fmt: skip
    for cursor in garbage:
        for listing in ("tasks", "runs", "tasks { nodes { runs"):
            for side in ("after", "before"):
                query = f"query ($cursor: String) {{ {listing}({side}: $cursor) {{ totalCount }} }}"
                query += " } }" if "{" in listing else ""
                assert await api.code(query, cursor=cursor) == "INVALID_CURSOR", cursor
    # Half a surrogate pair cannot be sent as UTF-8, but as an escape of JSON.
    sent = json.dumps({"query": TASKS, "variables": {"after": "\ud800"}})
    surrogate = await api.http.post("/graphql", content=sent, headers={"content-type": "application/json"})
    assert [error["extensions"]["code"] for error in surrogate.json()["errors"]] == ["INVALID_CURSOR"]
    for cursor in (of_runs, *(of_orders[order] for order in orders if order != "CREATED_AT_DESC")):
        assert await api.code(TASKS, after=cursor) == "INVALID_CURSOR"


async def test_a_page_that_is_the_whole_filtered_list_is_not_counted(api: Api) -> None:
    """The list is counted only if the page does not show how long it is."""
    await save(api.engine, *(named(f"task {number}") for number in range(3)))

    async def counts(contained: str, **variables: Any) -> tuple[int, bool]:
        with statements(api) as sent:
            total = (await api.data(TASKS, **variables, filter={"nameContains": contained}))["tasks"]["totalCount"]
        return total, any("count(*)" in statement for statement in sent)

    assert await counts("task", first=3) == (3, False)
    assert await counts("2", last=5) == (1, False)
    assert await counts("task", first=2) == (3, True)
    cursor = (await api.data(TASKS, first=1))["tasks"]["pageInfo"]["endCursor"]
    assert await counts("task", first=3, after=cursor) == (3, True)


@pytest.mark.parametrize("order", ["CREATED_AT_DESC", "NEXT_RUN_AT_ASC", "NAME_ASC"])
async def test_a_page_and_its_count_are_one_statement(api: Api, order: str) -> None:
    """The count is that of the whole list on each page, also on an empty one."""
    await save(api.engine, *(named(f"task {number}") for number in range(3)))

    async def page(**variables: Any) -> tuple[int, int]:
        found = (await api.data(TASKS, **variables, order=order))["tasks"]
        return len(found["edges"]), found["totalCount"]

    with statements(api) as sent:
        assert await page(first=2) == (2, 3)
    assert len(sent) == 1
    everything = await api.data(TASKS, order=order)
    start, end = (everything["tasks"]["pageInfo"][each] for each in ("startCursor", "endCursor"))
    assert await page(last=2, before=end) == (2, 3)
    assert await page(first=2, after=start) == (2, 3)
    assert await page(first=2, after=end) == (0, 3)


async def test_lists_cost_a_fixed_number_of_statements(api: Api) -> None:
    """Nested fields are read for the whole page, or for a large part of it where the API serves others in between."""
    query = """
    { tasks(first: 100) { totalCount nodes {
        upcoming lastRun { id task { id lastRun { state } } }
        runs(first: 3) { totalCount totalCountCapped pageInfo { hasNextPage } nodes { action { url } task { name } } }
        failed: runs(filter: {states: [FAILED]}) { nodes { id } }
    } } }
    """
    counts = []
    for number in (2, 98):
        tasks = [named(f"{number}.{place}") for place in range(number)]
        await save(api.engine, *tasks)
        await save(api.engine, *(run_of(task, scheduled_for=ago(hour)) for task in tasks for hour in range(1, 5)))
        with statements(api) as sent:
            answer = await api.data(query)
        counts.append(len(sent))
    assert answer["tasks"]["totalCount"] == 100
    assert all(len(task["runs"]["nodes"]) == 3 for task in answer["tasks"]["nodes"])
    assert max(counts) < 15, sent
