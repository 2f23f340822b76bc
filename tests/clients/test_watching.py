"""Watching runs with npm's graphql-ws and graphql-sse, disconnected and resumed."""

from uuid import uuid4

import pytest

from tests.support.graphql import Api
from tests.support.history import append_events
from tests.support.node import node_json


@pytest.mark.parametrize("transport", ["websocket", "event-stream"])
async def test_cut_off_again_and_again_a_client_sees_every_event_once(api: Api, transport: str) -> None:
    """The client resumes with the last cursor that it saw, and receives every event exactly once."""
    cursor: str = (await api.data("{ runEventsCursor }"))["runEventsCursor"]
    await append_events(api.engine, 40, task_id=uuid4(), run_id=uuid4())
    scheme = "ws" if transport == "websocket" else "http"
    address = f"{api.url.replace('http', scheme, 1)}/graphql"
    events = await node_json("watch.ts", transport, address, cursor, "40", "7")
    assert [event["attempt"] for event in events] == list(range(1, 41))


async def test_operations_over_one_connection(api: Api) -> None:
    """graphql-sse in its single connection mode runs operations side by side over one stream."""
    cursor: str = (await api.data("{ runEventsCursor }"))["runEventsCursor"]
    await append_events(api.engine, 5, task_id=uuid4(), run_id=uuid4())
    [found] = await node_json("share.ts", f"{api.url}/graphql", cursor, "5")
    assert found["streams"] == 1
    assert found["queried"] == [{"data": {"__typename": "Query"}}]
    assert [each["data"]["runEvents"]["attempt"] for each in found["watched"]] == [1, 2, 3, 4, 5]
    [refused] = found["refused"]
    assert "nope" in refused["errors"][0]["message"]
