"""Objects by their ids alone, as Relay and normalized caches read them again."""

from db.models import Run, Task
from db.states import RunState
from tests.support.engine import one_off, save
from tests.support.graphql import Api
from tests.support.history import ago, run_of

NODE = "query ($id: ID!) { node(id: $id) { __typename id ... on Task { name } ... on Run { state task { id } } } }"
NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
NOBODY = "00000000-0000-4000-8000-000000000000"


async def some_runs(api: Api) -> tuple[Task, Task, list[Run]]:
    """Return two tasks, and two runs of the first one."""
    task, other = (one_off("http://localhost/", ago(-1), name=name) for name in ("a", "b"))
    runs = [run_of(task, scheduled_for=ago(hours), state=RunState.SUCCEEDED) for hours in (1, 2)]
    await save(api.engine, task, other)
    await save(api.engine, *runs)
    return task, other, runs


async def test_a_node_is_found_by_its_id(api: Api) -> None:
    """Tasks and runs are, and nothing else is."""
    task, _, runs = await some_runs(api)
    found = (await api.data(NODE, id=str(task.id)))["node"]
    assert found == {"__typename": "Task", "id": str(task.id), "name": task.name}
    found = (await api.data(NODE, id=str(runs[0].id)))["node"]
    assert (found["__typename"], found["task"]["id"]) == ("Run", str(runs[0].task_id))
    assert (await api.data(NODE, id=NOBODY))["node"] is None


async def test_nodes_come_in_the_order_of_their_ids(api: Api) -> None:
    """An id that nothing has is null, and a repeated id comes again."""
    task, other, runs = await some_runs(api)
    ids = [str(runs[1].id), NOBODY, str(other.id), str(task.id), str(runs[1].id)]
    found = (await api.data(NODES, ids=ids))["nodes"]
    assert [each and each["id"] for each in found] == [ids[0], None, *ids[2:]]
    assert (await api.data(NODES, ids=[]))["nodes"] == []


async def test_wrong_ids_are_refused(api: Api) -> None:
    """An id is a UUID, and there are at most 100."""
    assert await api.code(NODE, id="x") == "INVALID_ID"
    assert await api.code(NODES, ids=[NOBODY] * 101) == "LIMIT_EXCEEDED"
