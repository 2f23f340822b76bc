"""External ids: unique among tasks that are not deleted, also when many calls create them at the same time."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.support.graphql import Api

RESULT = """
  __typename
  ... on Task { id externalId name version }
  ... on InvalidInput { problems { path message } }
  ... on Conflict { message reason task: currentTask { id externalId } }
"""
CREATE = f"mutation ($input: CreateTaskInput!) {{ createTask(input: $input) {{ {RESULT} }} }}"
CREATE_MANY = f"mutation ($inputs: [CreateTaskInput!]!) {{ createTasks(inputs: $inputs) {{ {RESULT} }} }}"
UPDATE = f"mutation ($id: ID!, $input: UpdateTaskInput!) {{ updateTask(id: $id, input: $input) {{ {RESULT} }} }}"
DELETE = "mutation ($id: ID!) { deleteTask(id: $id) { __typename } }"
TASK = "query ($id: ID, $externalId: String) { task(id: $id, externalId: $externalId) { id externalId } }"
LIST = "query ($filter: TaskFilter) { tasks(filter: $filter) { totalCount nodes { externalId } } }"


def wanted(external_id: str | None, **members: Any) -> dict[str, Any]:
    """Return a valid input with an external id."""
    right = {"name": "a", "trigger": {"interval": {"everyMs": 3_600_000}}, "action": {"url": "http://localhost/"}}
    return right | {"externalId": external_id} | members


async def create(api: Api, external_id: str | None, **members: Any) -> dict[str, Any]:
    """Return the response of createTask."""
    made: dict[str, Any] = (await api.data(CREATE, input=wanted(external_id, **members)))["createTask"]
    return made


async def create_many(api: Api, *external_ids: str | None, **members: Any) -> list[dict[str, Any]]:
    """Return the response of createTasks."""
    inputs = [wanted(each, **members) for each in external_ids]
    made: list[dict[str, Any]] = (await api.data(CREATE_MANY, inputs=inputs))["createTasks"]
    return made


async def update(api: Api, task_id: str, **members: Any) -> dict[str, Any]:
    """Return the response of updateTask."""
    changed: dict[str, Any] = (await api.data(UPDATE, id=task_id, input=members))["updateTask"]
    return changed


async def test_it_is_unique_until_the_task_is_deleted(api: Api) -> None:
    """A taken external id is a conflict with the task that has it; after a deletion it is free again."""
    first = await create(api, "invoice-7")
    assert first["externalId"] == "invoice-7"
    taken = await create(api, "invoice-7")
    assert (taken["__typename"], taken["reason"]) == ("Conflict", "EXTERNAL_ID_TAKEN")
    assert taken["task"] == {"id": first["id"], "externalId": "invoice-7"}
    assert first["id"] in taken["message"]
    assert (await create(api, None))["externalId"] is (await create(api, None))["externalId"] is None
    await api.data(DELETE, id=first["id"])
    again = await create(api, "invoice-7")
    assert again["__typename"] == "Task"
    assert again["id"] != first["id"]


@pytest.mark.parametrize("wrong", ["", "x" * 256, "a\nb", "a\0b", "a\x7f", "\x9f"])
async def test_it_has_printable_characters(api: Api, wrong: str) -> None:
    """An external id has 1 to 255 printable characters, whether given to a new task or to an old one."""
    task = await create(api, "e" * 255)
    for refused in (await create(api, wrong), await update(api, task["id"], externalId=wrong)):
        assert {".".join(each["path"]) for each in refused["problems"]} == {"externalId"}
    assert (await create(api, "ü 7/☃'\""))["externalId"] == "ü 7/☃'\""


async def test_a_task_is_found_by_exactly_one_of_its_names(api: Api) -> None:
    """`task` takes the id or the external id, never both or neither, and null counts as absent."""
    made = await create(api, "invoice-7")
    shown = {"id": made["id"], "externalId": "invoice-7"}
    assert (await api.data(TASK, externalId="invoice-7"))["task"] == shown
    assert (await api.data(TASK, id=made["id"], externalId=None))["task"] == shown
    for unknown in ("invoice-8", "", "a\0b", "x" * 1_000):
        assert (await api.data(TASK, externalId=unknown))["task"] is None
    for wrong in ({}, {"id": None}, {"id": made["id"], "externalId": "invoice-7"}):
        [error] = (await api.ask(TASK, **wrong))["errors"]
        assert error["message"] == "Give exactly one of id and externalId"
        assert error["extensions"] == {"code": "INVALID_ID"}


async def test_the_list_is_filtered_by_it(api: Api) -> None:
    """`externalIds` selects the tasks that have one of them; none of them selects nothing, and no list selects all."""
    await create_many(api, "a", "b", None)

    async def found(filters: dict[str, Any]) -> list[str | None]:
        page = (await api.data(LIST, filter=filters))["tasks"]
        assert page["totalCount"] == len(page["nodes"])
        return sorted((each["externalId"] for each in page["nodes"]), key=str)

    assert await found({"externalIds": ["b", "c", "a\0"]}) == ["b"]
    assert await found({"externalIds": ["a", "b", "a"]}) == ["a", "b"]
    assert await found({"externalIds": ["a\0"]}) == []
    assert await found({"externalIds": []}) == await found({"externalIds": None}) == [None, "a", "b"]


async def test_an_update_gives_and_keeps_it(api: Api) -> None:
    """updateTask changes an external id unless another task has it; null leaves it; the old one is free at once."""
    first, second = await create_many(api, "a", "b")
    assert (await update(api, first["id"], externalId="b"))["task"]["id"] == second["id"]
    assert (await update(api, first["id"], externalId=None))["version"] == 1
    assert (await update(api, first["id"], externalId="a"))["version"] == 1
    changed = await update(api, first["id"], externalId="c")
    assert (changed["externalId"], changed["version"]) == ("c", 2)
    assert (await create(api, "a"))["__typename"] == "Task"
    assert (await update(api, str(uuid4()), externalId="z"))["__typename"] == "NotFound"


async def test_one_call_creates_each_once(api: Api) -> None:
    """In createTasks the first input of an external id makes the task, and the others are conflicts with it."""
    await create(api, "old")
    results = await create_many(api, "a", "old", "b", "a", None)
    kinds = [each["__typename"] for each in results]
    assert kinds == ["Task", "Conflict", "Task", "Conflict", "Task"]
    assert results[3]["task"]["id"] == results[0]["id"]
    assert results[1]["task"]["externalId"] == "old"


async def test_a_key_of_the_same_call_returns_its_task(api: Api) -> None:
    """An idempotency key is looked up before the external id, so sending a creation again is no conflict."""
    first = await create(api, "a", idempotencyKey="k")
    assert await create(api, "a", idempotencyKey="k") == first
    assert (await create(api, "a", idempotencyKey="l"))["reason"] == "EXTERNAL_ID_TAKEN"
    assert (await create(api, "b", idempotencyKey="k"))["reason"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await create(api, "b", idempotencyKey="l"))["__typename"] == "Task"


async def test_creations_at_the_same_time_make_one_task(api: Api) -> None:
    """Of calls at the same time one creates the task, and the others get the conflict with it, in whatever order."""
    names = [f"{number}" for number in range(12)]
    orders = [names, names[::-1], names[6:] + names[:6]]
    answers = await asyncio.gather(
        *(create_many(api, *order) for order in orders),
        *(create_many(api, *order, idempotencyKey=None) for order in orders),
        *(create(api, name) for name in names[:4] * 2),
    )
    results = [each for answer in answers for each in (answer if isinstance(answer, list) else [answer])]
    made = {each["externalId"]: each["id"] for each in results if each["__typename"] == "Task"}
    assert made.keys() == set(names)
    conflicts = [each for each in results if each["__typename"] == "Conflict"]
    assert len(conflicts) == len(results) - len(names)
    assert {each["reason"] for each in conflicts} == {"EXTERNAL_ID_TAKEN"}
    assert {(each["task"]["externalId"], each["task"]["id"]) for each in conflicts} <= made.items()


async def test_keys_and_external_ids_at_the_same_time(api: Api) -> None:
    """Calls that share keys and external ids, in different orders, neither deadlock nor create a task twice."""
    inputs = [wanted(f"{number}", idempotencyKey=f"{-number}") for number in range(20)]
    calls = [api.data(CREATE_MANY, inputs=order) for order in (inputs, inputs[::-1], inputs[10:] + inputs[:10])]
    ids: dict[str, set[str]] = {}
    for answer in await asyncio.gather(*calls):
        for each in answer["createTasks"]:
            ids.setdefault(each["externalId"], set()).add(each["id"])
    assert {name: len(its) for name, its in ids.items()} == {f"{number}": 1 for number in range(20)}


async def test_updates_at_the_same_time(api: Api) -> None:
    """Of several tasks that are given one external id at the same time, one gets it; a swap is refused, not broken."""
    tasks = await create_many(api, *"abcdef")
    answers = await asyncio.gather(
        *(update(api, each["id"], externalId="new") for each in tasks), *(create(api, "new") for _ in range(3))
    )
    assert sorted(each["__typename"] for each in answers) == ["Conflict"] * 8 + ["Task"]
    assert {each["reason"] for each in answers if each["__typename"] == "Conflict"} == {"EXTERNAL_ID_TAKEN"}
    first, second = await create_many(api, "left", "right")
    swap = await asyncio.gather(
        update(api, first["id"], externalId="right"), update(api, second["id"], externalId="left")
    )
    assert {each["__typename"] for each in swap} == {"Conflict"}
