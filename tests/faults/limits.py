"""A flow limit of the calls to the target, for tests of what happens to it under faults."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.cluster import Cluster

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
