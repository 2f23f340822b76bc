"""GET /api/v1/results, rule by rule as clients of the service before Duetime know it."""

from uuid import uuid4

from db.models import utc_now
from db.states import RunState
from tests.support.engine import every, save
from tests.support.graphql import Api
from tests.support.history import HOUR, ago, run_of
from tests.support.rest import RESULTS, TASKS, error


async def test_results_of_all_tasks(api: Api) -> None:
    """Results are listed newest start first, each with its whole task, filtered by task and success, and paged."""
    assert (await api.http.get(RESULTS)).json() == {
        "results": [],
        "pagination": {"page": 1, "limit": 10, "total": 0, "total_pages": 0},
    }
    first, second = (every("http://localhost/", HOUR, utc_now() + HOUR, name=name) for name in ("first", "second"))
    await save(api.engine, first, second)
    runs = [
        run_of(first, scheduled_for=ago(5)),
        run_of(second, scheduled_for=ago(4), state=RunState.FAILED),
        run_of(first, scheduled_for=ago(3), state=RunState.UNKNOWN),
        run_of(second, scheduled_for=ago(2)),
    ]
    await save(api.engine, *runs, run_of(first, scheduled_for=ago(1), state=RunState.SKIPPED))
    for query, places in (
        ("", (3, 2, 1, 0)),
        (f"task_id={first.id}", (2, 0)),
        (f"task_id={str(second.id).upper()}", (3, 1)),
        (f"task_id={uuid4()}", ()),
        ("task_id=&success=", (3, 2, 1, 0)),
        ("success=true", (3, 0)),
        ("success=1", (3, 0)),
        ("success=T", (3, 0)),
        ("success=FALSE", (2, 1)),
        ("success=0", (2, 1)),
        ("success=f", (2, 1)),
        (f"success=True&task_id={second.id}", (3,)),
        ("limit=3", (3, 2, 1)),
        ("limit=3&page=2", (0,)),
    ):
        found = (await api.http.get(f"{RESULTS}?{query}")).json()
        assert [result["id"] for result in found["results"]] == [str(runs[place].id) for place in places], query
    shown = {str(task.id): (await api.http.get(f"{TASKS}/{task.id}")).json() for task in (first, second)}
    for result in (await api.http.get(RESULTS)).json()["results"]:
        assert result["task"] == shown[result["task_id"]]


async def test_unknown_filters_are_refused(api: Api) -> None:
    """Unknown filters are refused with the accepted values."""
    for value in ("yes", "2", "tru", "null", "%00"):
        assert "true or false" in error(await api.http.get(f"{RESULTS}?success={value}"))
    for value in ("x", "1", "%00", f"{{{uuid4()}}}"):
        assert "UUID" in error(await api.http.get(f"{RESULTS}?task_id={value}"))


async def test_results_of_deleted_tasks_are_gone(api: Api) -> None:
    """The results of a deleted task vanish with it."""
    task = every("http://localhost/", HOUR, utc_now() + HOUR)
    await save(api.engine, task)
    await save(api.engine, run_of(task, scheduled_for=ago(1)))
    assert (await api.http.get(RESULTS)).json()["pagination"]["total"] == 1
    await api.data("mutation ($id: ID!) { deleteTask(id: $id) { __typename } }", id=str(task.id))
    assert (await api.http.get(RESULTS)).json()["pagination"]["total"] == 0
