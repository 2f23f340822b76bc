"""A flow limit of the calls to the target, for tests of what happens to it under faults."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from tests.faults.cluster import Cluster
from tests.faults.order import SECOND
from tests.support.faulty_target import ReceivedCall

CREATE = "mutation ($input: CreateFlowLimitInput!) { createFlowLimit(input: $input) { ... on FlowLimit { id } } }"
DELETE = "mutation ($id: ID!) { deleteFlowLimit(id: $id) { __typename } }"


@asynccontextmanager
async def limiting(cluster: Cluster, *, most: int, rate: float) -> AsyncIterator[None]:
    """Limit the calls until the block ends, because other tests have no limit."""
    key = {"host": cluster.target.url.removeprefix("http://")}
    made = await cluster.ask(CREATE, {"input": {"key": key, "maxConcurrent": most, "ratePerSecond": rate}})
    try:
        yield
    finally:
        await cluster.mend()
        await cluster.ask(DELETE, {"id": made["createFlowLimit"]["id"]})


def beyond(rate: float, instants: Iterable[datetime]) -> float:
    """Return how many more have begun in any time than the rate allows for that time."""
    found = sorted(instants)
    least = most = 0.0
    for number, at in enumerate(found):
        # How many were ahead of the rate at this instant, counted from the first one.
        ahead = number - (at - found[0]) / SECOND * rate
        least = min(least, ahead)
        most = max(most, ahead - least)
    return most


def most_answered_at_once(calls: Sequence[ReceivedCall]) -> int:
    """Return how many of the calls that got their response were open at the same time."""
    changes = [
        (at, change) for call in calls if call.responded_at for at, change in ((call.at, 1), (call.responded_at, -1))
    ]
    now = most = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most
