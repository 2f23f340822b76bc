"""What callers note about a task: a description, metadata, and when it is deleted after its end."""

from typing import Any

import pytest

from tests.support.graphql import Api
from tests.support.rest import CRON, ONE_OFF, TASKS, error

SHOWN = "id description metadata deleteAfterMs retentionDays version"
CREATE = f"""
mutation ($input: CreateTaskInput!) {{
  createTask(input: $input) {{
    ... on Task {{ {SHOWN} }} ... on InvalidInput {{ problems {{ path message }} }}
  }}
}}
"""
UPDATE = f"""
mutation ($id: ID!, $input: UpdateTaskInput!) {{
  updateTask(id: $id, input: $input) {{
    ... on Task {{ {SHOWN} action {{ payload }} }} ... on InvalidInput {{ problems {{ path message }} }}
  }}
}}
"""
TASK = f"query ($id: ID!) {{ task(id: $id) {{ {SHOWN} }} }}"
RIGHT = {"name": "a", "trigger": {"interval": {"everyMs": 3_600_000}}, "action": {"url": "http://localhost/"}}
NOTES = {
    "description": "Zeile 1\nZeile 2 ☃",
    "metadata": {"z": 1, "a": [10**30, 1.50, None]},
    "deleteAfterMs": 0,
    "retentionDays": 0,
}
NESTED: Any = 1
for _ in range(127):
    NESTED = [NESTED]


async def create(api: Api, **members: Any) -> dict[str, Any]:
    """Return the response of createTask."""
    made: dict[str, Any] = (await api.data(CREATE, input=RIGHT | members))["createTask"]
    return made


async def update(api: Api, task_id: str, **members: Any) -> dict[str, Any]:
    """Return the response of updateTask."""
    changed: dict[str, Any] = (await api.data(UPDATE, id=task_id, input=members))["updateTask"]
    return changed


async def test_notes_are_shown_as_they_were_given(api: Api) -> None:
    """Each note comes back digit for digit and in order; without any, there are defaults."""
    made = await create(api, **NOTES)
    assert {name: made[name] for name in NOTES} == NOTES
    assert list(made["metadata"]) == ["z", "a"]
    assert (await api.data(TASK, id=made["id"]))["task"] == made
    bare = await create(api)
    assert (bare["description"], bare["metadata"], bare["deleteAfterMs"], bare["retentionDays"]) == (
        "",
        None,
        None,
        None,
    )


@pytest.mark.parametrize("metadata", [[], {}, "", 0, False, "text", [[], {}], NESTED, "x" * 4_094, "ü" * 2_047])
async def test_metadata_is_any_json(api: Api, metadata: Any) -> None:
    """Any JSON of at most 4 KiB without white space is kept, also what is empty."""
    assert (await create(api, metadata=metadata))["metadata"] == metadata


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"description": "x" * 4_001}, "has 4,001 characters; at most 4,000 are accepted"),
        ({"description": "a\0b"}, "contains NUL or half of a surrogate pair, which cannot be stored as text"),
        ({"metadata": "x" * 4_095}, "takes 4,097 bytes as JSON; at most 4,096 are accepted"),
        ({"metadata": ["ü" * 2_046, 1]}, "takes 4,098 bytes as JSON; at most 4,096 are accepted"),
        ({"metadata": [NESTED, [NESTED]]}, "is nested too deeply; at most 128 levels can be stored"),
        (
            {"metadata": {"a\0": 1}},
            "contains a NUL character (\\u0000) or half a surrogate pair, which Postgres cannot store",
        ),
        ({"retentionDays": -1}, "must be from 1 to 36,500, or 0 to keep forever, not -1"),
        ({"retentionDays": 36_501}, "must be from 1 to 36,500, or 0 to keep forever, not 36,501"),
        ({"deleteAfterMs": 3_153_600_000_001}, "must be from 0 to 3,153,600,000,000, not 3,153,600,000,001"),
        ({"flowKey": "x" * 256}, "must have 1 to 255 characters, not 256"),
    ],
)  # fmt: skip
async def test_wrong_notes_are_refused(api: Api, wrong: dict[str, Any], message: str) -> None:
    """What cannot be kept is refused with the reason, in a new task, in a change, and in REST by its name there."""
    expected = [{"path": list(wrong), "message": message}]
    task = await create(api, description="x" * 4_000, deleteAfterMs=3_153_600_000_000)
    assert (await create(api, **wrong))["problems"] == expected
    assert (await update(api, task["id"], **wrong))["problems"] == expected
    names = {"deleteAfterMs": "delete_after_ms", "retentionDays": "retention_days", "flowKey": "flow_key"}
    by_rest = {names.get(name, name): value for name, value in wrong.items()}
    refusals = [
        error(await api.http.post(TASKS, json=CRON | by_rest)),
        error(await api.http.put(f"{TASKS}/{task['id']}", json=by_rest)),
    ]
    assert refusals == [f"{next(iter(by_rest))}: {message}"] * 2


async def test_null_in_an_update_leaves_the_value(api: Api) -> None:
    """Absent and null members stay; others replace the value; an update that changes nothing keeps the version."""
    task = await create(api, **NOTES)
    nulls = dict.fromkeys(NOTES)
    kept = await update(api, task["id"], **nulls)
    assert {name: kept[name] for name in (*NOTES, "version")} == NOTES | {"version": 1}
    assert (await update(api, task["id"], **NOTES))["version"] == 1
    changed = await update(api, task["id"], description="", metadata=[], deleteAfterMs=5, retentionDays=7)
    shown = {name: changed[name] for name in (*NOTES, "version")}
    assert shown == {"description": "", "metadata": [], "deleteAfterMs": 5, "retentionDays": 7, "version": 2}


async def test_an_update_removes_each_optional_member(api: Api) -> None:
    """A member that begins with clear removes one, and is refused beside a value. The external id is free then."""
    retry = {"retryStatuses": ["5xx"], "maxElapsedMs": 60_000}
    given = NOTES | {"externalId": "mine", "flowKey": "account", "pauseAfterFailures": 3, "retry": retry}
    task = await create(api, **given)
    of_retry = {"clearRetryStatuses": True, "clearMaxElapsedMs": True}
    of_task = {f"clear{name}": True for name in ("ExternalId", "Metadata", "DeleteAfterMs", "RetentionDays")}
    others = {"description": "", "flowKey": "", "pauseAfterFailures": 0}
    for _ in range(2):
        assert (await update(api, task["id"], **of_task, **others, retry=of_retry))["version"] == 2
    members = "externalId metadata deleteAfterMs retentionDays description flowKey pauseAfterFailures"
    query = f"query ($id: ID!) {{ task(id: $id) {{ {members} retry {{ retryStatuses maxElapsedMs }} }} }}"
    bare = (await api.data(query, id=task["id"]))["task"]
    nothing = dict.fromkeys(members.split()) | {"description": ""}
    assert bare == nothing | {"retry": {"retryStatuses": None, "maxElapsedMs": None}}
    assert "id" in await create(api, externalId="mine")

    refused = await update(api, task["id"], **of_task, **NOTES, externalId="b", retry=of_retry | retry)
    problems = {problem["path"][-1]: problem["message"] for problem in refused["problems"]}
    assert problems.keys() == of_task.keys() | of_retry.keys()
    assert problems["clearRetentionDays"] == "is given beside retentionDays; give one of them"


async def test_values_that_python_calls_equal_are_stored(api: Api) -> None:
    """To Python 1, 1.0 and True are equal. A change from one to the other is stored, in metadata and in a payload."""
    task = await create(api, metadata=[1])
    for version, value in enumerate(([1.0], [True], [1]), 2):
        changed = await update(api, task["id"], metadata=value, action={"payload": value})
        assert repr(changed["metadata"]) == repr(changed["action"]["payload"]) == repr(value)
        assert changed["version"] == version


async def test_metadata_counts_for_the_cost_and_the_size(api: Api) -> None:
    """Descriptions and metadata cost four times what small values do."""
    aliases = " ".join(f"t{place}: tasks(first: 100) {{ nodes {{ description metadata }} }}" for place in range(30))
    [refused] = (await api.ask(f"{{ {aliases} }}"))["errors"]
    assert refused["extensions"]["code"] == "LIMIT_EXCEEDED"
    assert f"{30 * (1 + 1 + 100 * 8):,} values" in refused["message"]


async def test_rest_takes_and_shows_them(api: Api) -> None:
    """REST takes the notes in POST and PUT, shows them where they are set, and null or absence changes nothing."""
    notes: dict[str, Any] = {
        "external_id": "e", "description": "d", "metadata": {"b": 1, "a": [2]}, "delete_after_ms": 0,
        "retention_days": 3, "flow_key": "acme",
    }  # fmt: skip
    made = (await api.http.post(TASKS, json=CRON | notes)).json()
    assert {name: made[name] for name in notes} == notes
    path = f"{TASKS}/{made['id']}"
    assert (await api.http.get(path)).json() == made
    assert (await api.http.put(path, json=dict.fromkeys(notes))).json() == made
    assert (await api.http.put(path, json=made)).json() == made
    changed = (
        await api.http.put(path, json={"description": "", "metadata": 0, "external_id": "f", "flow_key": ""})
    ).json()
    assert (changed["metadata"], changed["external_id"], changed["delete_after_ms"]) == (0, "f", 0)
    assert changed.keys() & {"description", "flow_key"} == set()
    bare = (await api.http.post(TASKS, json=ONE_OFF | dict.fromkeys(notes))).json()
    assert bare.keys() & notes.keys() == set()
    listed = (await api.http.get(TASKS)).json()["tasks"]
    assert listed == [bare, changed]


async def test_rest_answers_409_for_a_taken_external_id(api: Api) -> None:
    """A taken external id is 409 in POST and PUT, with the task that has it in the usual error."""
    first = (await api.http.post(TASKS, json=CRON | {"external_id": "externalId"})).json()
    second = (await api.http.post(TASKS, json=CRON | {"external_id": "f"})).json()
    message = f"The task {first['id']} has the external_id 'externalId'; choose another one, or change that task"
    assert error(await api.http.post(TASKS, json=CRON | {"external_id": "externalId"}), 409) == message
    taken = await api.http.put(f"{TASKS}/{second['id']}", json={"external_id": "externalId", "name": "x"})
    assert error(taken, 409) == message
    assert (await api.http.get(f"{TASKS}/{second['id']}")).json() == second
    assert error(await api.http.post(TASKS, json=CRON | {"external_id": ""})).startswith("external_id: must have 1 to")
    assert error(await api.http.post(TASKS, json=CRON | {"external_id": 7})) == "external_id must be a string"
