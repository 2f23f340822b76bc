"""Runs through GraphQL: requested, cancelled, retried."""

from typing import Any
from uuid import UUID, uuid4

from db.models import Run, utc_now
from db.states import OverlapPolicy, RunState, TaskStatus
from tests.support.engine import events_of, every, one_off, save, task_of
from tests.support.graphql import Api
from tests.support.history import HOUR, ago, run_of
from tests.support.rows import hourly, run_in

ANSWER = """
    __typename
    ... on Run {
      id cause state scheduledFor success finishedAt errorMessage statusCode durationMs taskVersion
      attempts { number errorMessage finishedAt } retryOf { id } task { id } action { url }
    }
    ... on NotFound { message }
    ... on Conflict { message reason run: currentRun { id state } }
"""
RUN = f"mutation ($id: ID!, $key: String) {{ runTask(id: $id, idempotencyKey: $key) {{ {ANSWER} }} }}"
RETRY = f"mutation ($id: ID!, $key: String) {{ retryRun(id: $id, idempotencyKey: $key) {{ {ANSWER} }} }}"
CANCEL = f"mutation ($id: ID!) {{ cancelRun(id: $id) {{ {ANSWER} }} }}"


async def do(api: Api, mutation: str, sought: UUID | str, key: str | None = None) -> dict[str, Any]:
    """Return the response of the mutation."""
    variables = {"id": str(sought)} | ({} if key is None else {"key": key})
    [answer] = (await api.data(mutation, **variables)).values()
    assert isinstance(answer, dict)
    return answer


async def row_of(api: Api, run_id: str) -> Run:
    """Return the row of a run."""
    async with api.services.session() as session:
        found = await session.get(Run, UUID(run_id))
    assert found is not None
    return found


async def test_run_now_is_due_at_once_whatever_the_status(api: Api) -> None:
    """A requested run waits for a slot without an event, has the current version, and leaves the schedule unchanged."""
    ended: dict[str, Any] = {"next_run": None, "due_at": None}
    for columns in ({}, ended | {"status": TaskStatus.PAUSED}, ended | {"status": TaskStatus.CANCELLED}):
        task = await hourly(api, version=5, **columns)
        made = await do(api, RUN, task.id)
        assert (made["cause"], made["state"], made["taskVersion"]) == ("MANUAL", "QUEUED", 5)
        assert (made["task"], made["retryOf"], made["attempts"]) == ({"id": str(task.id)}, None, [])
        row = await row_of(api, made["id"])
        assert row.id.version == 7
        assert row.next_attempt_at == row.scheduled_for == row.due_at
        assert row.host == task.host
        assert await events_of(api.engine, row.id) == []
        after = await task_of(api.engine, task.id)
        assert (after.status, after.next_run, after.version) == (task.status, task.next_run, 5)


async def test_run_now_counts_for_the_overlap_policy(api: Api) -> None:
    """ALLOW makes it due at once, SKIP records it as skipped, and QUEUE lets one wait and skips further ones."""
    states: dict[OverlapPolicy, list[tuple[str, bool, list[str]]]] = {}
    for overlap in OverlapPolicy:
        task = await hourly(api, overlap=overlap)
        await run_in(api, task, RunState.RUNNING)
        rows = [await row_of(api, (await do(api, RUN, task.id))["id"]) for _ in range(2)]
        states[overlap] = [
            (row.state, row.next_attempt_at is not None, await events_of(api.engine, row.id)) for row in rows
        ]
    assert states == {
        OverlapPolicy.ALLOW: [("queued", True, []), ("queued", True, [])],
        OverlapPolicy.SKIP: [("skipped", False, ["skipped"])] * 2,
        OverlapPolicy.QUEUE: [("queued", False, ["queued"]), ("skipped", False, ["skipped"])],
    }


async def test_run_that_is_about_to_begin_does_not_wait_behind_another(api: Api) -> None:
    """With QUEUE, of three requests the first run starts, the second waits behind it, and the third is skipped."""
    task = await hourly(api, overlap=OverlapPolicy.QUEUE)
    rows = [await row_of(api, (await do(api, RUN, task.id))["id"]) for _ in range(3)]
    assert [(row.state, row.next_attempt_at is not None) for row in rows] == [
        ("queued", True),
        ("queued", False),
        ("skipped", False),
    ]


async def test_same_key_makes_one_run(api: Api) -> None:
    """The same key for the same task returns the same run, whatever its state."""
    task, other = await hourly(api), await hourly(api)
    first = await do(api, RUN, task.id, "k")
    assert (await do(api, RUN, task.id, "k"))["id"] == first["id"]
    await do(api, CANCEL, first["id"])
    again = await do(api, RUN, task.id, "k")
    assert (again["id"], again["state"]) == (first["id"], "CANCELLED")
    assert (await do(api, RUN, task.id))["id"] != first["id"]
    assert (await do(api, RUN, other.id, "k"))["id"] != first["id"]
    repeated = await do(api, RETRY, first["id"], "k")
    assert repeated["retryOf"] == {"id": first["id"]}
    assert (await do(api, RETRY, first["id"], "k"))["id"] == repeated["id"]


async def test_cancelled_run_keeps_what_its_attempts_were(api: Api) -> None:
    """A waiting run ends as it is; a running one loses its worker, and its attempt is stored as cancelled."""
    task = await hourly(api, overlap=OverlapPolicy.ALLOW)
    attempt = {"number": 1, "started_at": ago(1).isoformat(), "finished_at": ago(1).isoformat(), "status_code": 500}
    queued = run_of(task, scheduled_for=ago(3), state=RunState.QUEUED)
    retrying = run_of(task, scheduled_for=ago(2), state=RunState.RETRYING, attempts=[attempt], status_code=500)
    running = run_of(
        task, scheduled_for=ago(1), state=RunState.RUNNING, attempt=2, epoch=2, attempts=[attempt], status_code=500
    )
    await save(api.engine, queued, retrying, running)
    ended = [await do(api, CANCEL, run.id) for run in (queued, retrying, running)]
    assert [(run["state"], run["success"], run["statusCode"]) for run in ended] == [
        ("CANCELLED", None, None),
        ("CANCELLED", False, 500),
        ("CANCELLED", False, None),
    ]
    assert [len(run["attempts"]) for run in ended] == [0, 1, 2]
    broken_off = ended[2]["attempts"][1]
    assert (broken_off["number"], broken_off["errorMessage"]) == (2, "cancelled")
    assert broken_off["finishedAt"] == ended[2]["finishedAt"]
    assert ended[2]["durationMs"] >= 3_600_000
    row = await row_of(api, ended[2]["id"])
    assert (row.worker_id, row.next_attempt_at, row.epoch) == (None, None, 3)
    assert await events_of(api.engine, running.id) == ["cancelled"]


async def test_finished_run_cannot_be_cancelled(api: Api) -> None:
    """A finished run is not cancelled; the conflict shows its state."""
    run = await run_in(api, await hourly(api), RunState.FAILED)
    refused = await do(api, CANCEL, run.id)
    assert (refused["__typename"], refused["reason"]) == ("Conflict", "WRONG_STATE")
    assert refused["run"] == {"id": str(run.id), "state": "FAILED"}


async def test_cancelling_its_run_completes_a_one_off(api: Api) -> None:
    """Cancelling its scheduled run completes a one-off; a requested run does not count."""
    ended: dict[str, Any] = {"next_run": None, "due_at": None}
    going, waiting = one_off("http://localhost/", ago(1), **ended), one_off("http://localhost/", utc_now() + HOUR)
    await save(api.engine, going, waiting)
    await do(api, CANCEL, (await run_in(api, going, RunState.RETRYING)).id)
    await do(api, CANCEL, (await do(api, RUN, waiting.id))["id"])
    assert (await task_of(api.engine, going.id)).status == TaskStatus.COMPLETED
    assert (await task_of(api.engine, waiting.id)).status == TaskStatus.SCHEDULED


async def test_cancelling_a_run_makes_due_what_waits_behind_it(api: Api) -> None:
    """Cancelling a run makes due the run that is queued behind it, or the next instant to catch up with."""
    queueing = await hourly(api, overlap=OverlapPolicy.QUEUE)
    behind = run_of(queueing, scheduled_for=ago(0.5), state=RunState.QUEUED)
    await save(api.engine, behind)
    catching_up = every("http://localhost/", HOUR, ago(3), next_run=ago(2), due_at=None)
    await save(api.engine, catching_up)
    for task in (queueing, catching_up):
        await do(api, CANCEL, (await run_in(api, task, RunState.RUNNING)).id)
    assert (await row_of(api, str(behind.id))).next_attempt_at is not None
    assert (await task_of(api.engine, catching_up.id)).due_at is not None


async def test_retry_makes_a_new_run_of_the_same_request(api: Api) -> None:
    """A retry sends the same request as the old run, although the task was changed since."""
    task = await hourly(api)
    old = await run_in(api, task, RunState.FAILED)
    change = 'mutation ($id: ID!) { updateTask(id: $id, input: {action: {url: "http://b/"}}) { __typename } }'
    await api.data(change, id=str(task.id))
    made = await do(api, RETRY, old.id)
    assert (made["cause"], made["state"], made["retryOf"]) == ("RETRY", "QUEUED", {"id": str(old.id)})
    assert (made["taskVersion"], made["action"]["url"]) == (1, "http://localhost/")
    row = await row_of(api, made["id"])
    assert (row.host, row.id.version) == (task.host, 7)
    assert (await do(api, RUN, task.id))["state"] == "SKIPPED"


async def test_unfinished_run_cannot_be_repeated(api: Api) -> None:
    """A run has to be finished before it can be retried."""
    run = await run_in(api, await hourly(api), RunState.RETRYING)
    refused = await do(api, RETRY, run.id)
    assert (refused["__typename"], refused["reason"]) == ("Conflict", "WRONG_STATE")
    assert refused["run"] == {"id": str(run.id), "state": "RETRYING"}


async def test_nothing_is_found_of_a_deleted_task(api: Api) -> None:
    """Neither a deleted task and its runs nor unknown ids are found."""
    task = await hourly(api)
    run = await run_in(api, task, RunState.FAILED)
    await api.data("mutation ($id: ID!) { deleteTask(id: $id) { __typename } }", id=str(task.id))
    for mutation, sought in ((RUN, task.id), (RETRY, run.id), (CANCEL, run.id), (RUN, uuid4()), (CANCEL, uuid4())):
        assert (await do(api, mutation, sought))["__typename"] == "NotFound"
