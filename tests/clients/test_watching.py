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
