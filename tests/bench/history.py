"""Measures lists over a long history against the same lists over a short one, or at its start."""

import httpx
from sqlalchemy import text

from graphql_api import cursors
from tests.bench.fill import EMPTY, execute
from tests.bench.filters import took
from tests.bench.line import Line
from tests.bench.metrics import BATCH, MAKE_RUNS, MAKE_TASKS
from tests.bench.rounds import Servers, module
from tests.bench.subscribers import answers, free_port

FEW = 10_000
MANY = 10_000_000
PAGE = "query ($after: String) { runs(first: 50, after: $after) { nodes { id state } pageInfo { hasNextPage } } }"


async def history_lines(servers: Servers, *, runs: int = MANY) -> list[Line]:
    """Return the lines for a page far from the start of the list of runs, and for results with their exact total."""
    await execute(servers, EMPTY, MAKE_TASKS)
    port = free_port()
    async with (
        module("duetime", "api", environment=servers.environment | {"PORT": str(port)}),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http,
    ):
        await answers(port)
        await fill(servers, first=1, last=FEW)
        few = await took(http, "GET", "/api/v1/results")
        await fill(servers, first=FEW + 1, last=runs)
        many = await took(http, "GET", "/api/v1/results")
        assert (await http.get("/api/v1/results")).json()["pagination"]["total"] == runs
        key = text("SELECT scheduled_for, id FROM task_results ORDER BY scheduled_for, id OFFSET 1000 LIMIT 1")
        async with servers.engine.connect() as connection:
            scheduled_for, run_id = (await connection.execute(key)).one()
        after = cursors.of_row(cursors.RUNS, (scheduled_for, run_id))
        first = await took(http, "POST", "/graphql", {"query": PAGE})
        deep = await took(http, "POST", "/graphql", {"query": PAGE, "variables": {"after": after}})
    return [
        Line(
            f"a page deep in {runs:,} runs",
            f"{deep:.1f} ms",
            f"{first:.1f} ms (the first page)",
            deep / first,
            "at most 1.2",
        ),
        Line(
            f"`/results`, first page and exact total of {runs:,}",
            f"{many:.1f} ms",
            f"{few:.1f} ms ({FEW:,} runs)",
            many / few,
            "at most 3",
        ),
    ]


async def fill(servers: Servers, *, first: int, last: int) -> None:
    """Insert runs by their numbers, in batches."""
    for start in range(first, last + 1, BATCH):
        await execute(servers, MAKE_RUNS, values={"first": start, "last": min(start + BATCH - 1, last)})
    await execute(servers, "VACUUM (ANALYZE) task_results", "VACUUM (ANALYZE) run_summaries")
