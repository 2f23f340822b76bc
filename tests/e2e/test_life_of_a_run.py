"""The life of a run, from outside: one command, real servers, a real call. Read this file first."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.support.command import Up, duetime_up
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

CREATE = """
mutation ($input: CreateTaskInput!) {
  createTask(input: $input) {
    __typename
    ... on Task { id name status nextRunAt trigger { __typename } action { method url payload } }
    ... on InvalidInput { message problems { path message } }
  }
}
"""
WATCH = """
subscription { runEvents {
  __typename
  ... on RunEvent { type state attempt taskId runId statusCode run { state } }
} }
"""
READ = """
query ($id: ID!) { task(id: $id) { status runs { totalCount nodes {
  id state cause success statusCode responseBody scheduledFor startedAt latenessMs attempts { number statusCode }
} } } }
"""


async def ask(up: Up, query: str, **variables: Any) -> dict[str, Any]:
    """Send a GraphQL operation over HTTP, and return its data."""
    async with httpx.AsyncClient() as client:
        answer = await client.post(up.graphql, json={"query": query, "variables": variables})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    assert "errors" not in body, body
    data: dict[str, Any] = body["data"]
    return data


async def watch(socket: ClientConnection) -> None:
    """Start the subscription."""
    await socket.send(json.dumps({"type": "connection_init"}))
    assert json.loads(await socket.recv())["type"] == "connection_ack"
    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": WATCH}}))


async def next_event(socket: ClientConnection, *, task_id: str) -> dict[str, Any]:
    """Return the task's next event."""
    while True:
        message = json.loads(await socket.recv())
        if message["type"] == "next" and message["payload"]["data"]["runEvents"]["taskId"] == task_id:
            event: dict[str, Any] = message["payload"]["data"]["runEvents"]
            return event


async def test_the_life_of_a_run(data_dir: Path, up_environment: dict[str, str], target: Target) -> None:
    """Start, create by GraphQL and by REST, watch live, see the call, read it back by both, restart: still there."""
    hook = target.responds(
        "/hook", CannedResponse(status=201, body=b'{"done": true}', headers={"Content-Type": "text/plain"})
    )
    with duetime_up(data_dir, environment=up_environment) as up:
        up.wait_ready()
        async with connect(up.websocket, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
            await watch(socket)

            # A task by GraphQL: once, in a second.
            at = (datetime.now(UTC) + timedelta(seconds=1)).replace(microsecond=0) + timedelta(seconds=1)
            created = await ask(
                up,
                CREATE,
                input={
                    "name": "one call",
                    "trigger": {"oneOff": {"at": at.isoformat()}},
                    "action": {"method": "POST", "url": hook, "payload": {"big": 12345678901234567890123}},
                },
            )
            task = created["createTask"]
            assert task["__typename"] == "Task", task
            assert task["status"] == "SCHEDULED"
            assert datetime.fromisoformat(task["nextRunAt"]) == at

            # It is seen live.
            started = await next_event(socket, task_id=task["id"])
            finished = await next_event(socket, task_id=task["id"])
        assert (started["type"], started["attempt"]) == ("STARTED", 1)
        assert (finished["type"], finished["statusCode"]) == ("SUCCEEDED", 201)
        assert finished["run"]["state"] == "SUCCEEDED"

        # The call came, once, and not early.
        [call] = target.calls_of("/hook")
        assert call.at >= at
        assert call.headers["idempotency-key"] == finished["runId"]
        assert json.loads(call.body) == {"big": 12345678901234567890123}

        # A task by REST, as clients of the older scheduler make it.
        soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        async with httpx.AsyncClient(base_url=up.rest) as client:
            made = await client.post(
                "/tasks",
                json={
                    "name": "by REST",
                    "trigger": {"type": "one-off", "datetime": soon},
                    "action": {"method": "GET", "url": f"{target.url}/rest"},
                },
            )
            assert made.status_code == 201, made.text
            rest_id = made.json()["id"]

            async def results() -> Any:
                return (await client.get(f"/tasks/{rest_id}/results")).json()["results"]

            [result] = await wait_until(results, what="the REST task has its result")
            assert (result["success"], result["status_code"], result["task"]["status"]) == (True, 200, "completed")
            refused = await client.post("/tasks", json={"name": "no trigger"})
            assert refused.status_code == 400
            assert list(refused.json()) == ["error"]
        before = await ask(up, READ, id=task["id"])
        [run] = before["task"]["runs"]["nodes"]
        assert before["task"]["status"] == "COMPLETED"
        assert (run["id"], run["responseBody"]) == (finished["runId"], '{"done": true}')
        assert up.stop() == 0

    with duetime_up(data_dir, environment=up_environment) as up:
        up.wait_ready()
        assert await ask(up, READ, id=task["id"]) == before
        async with httpx.AsyncClient(base_url=up.rest) as client:
            assert (await client.get(f"/tasks/{rest_id}/results")).json()["results"] == [result]
        assert up.stop() == 0
    assert len(target.calls) == 2
