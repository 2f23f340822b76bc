"""One round of lists: a page of twenty tasks with the count of all, by GraphQL and by REST, against the bare API."""

from datetime import timedelta
from uuid import uuid4

from sqlalchemy import insert, text

from db.models import Task, utc_now
from db.states import TriggerType
from tests.bench.fill import execute
from tests.bench.requests import Rates, duetime_and_bare
from tests.bench.rounds import Servers

TASKS = 1_000
QUERY = "{ tasks(first: 20) { totalCount nodes { id name status nextRunAt createdAt action { method url } } } }"


async def lists(servers: Servers, count: int) -> Rates:
    """Read the page `count` times in each way."""
    await fill(servers)
    # Autovacuum would do so within a minute.
    await execute(servers, "VACUUM ANALYZE tasks, listed_tasks")
    async with duetime_and_bare(servers) as (api, bare):
        graphql = await api.measured("POST", "/graphql", {"query": QUERY}, count, wanted=b'"totalCount":1000')
        graphql_bare = await bare.measured("GET", "/tasks?limit=20", None, count, wanted=b'"total": 1000')
        rest = await api.measured("GET", "/api/v1/tasks?limit=20", None, count, wanted=b'"total": 1000')
        rest_bare = await bare.measured("GET", "/tasks?limit=20", None, count, wanted=b'"total": 1000')
    return Rates(graphql, graphql_bare, rest, rest_bare)


async def fill(servers: Servers) -> None:
    """Replace all tasks by some that are due tomorrow."""
    due = utc_now() + timedelta(days=1)
    columns = {
        "trigger_type": TriggerType.CRON,
        "cron_expr": "0 9 * * *",
        "next_run": due,
        "due_at": due,
        "method": "GET",
        "url": "http://localhost/",
        "host": "localhost:80",
    }
    async with servers.engine.begin() as connection:
        await connection.execute(text("TRUNCATE tasks, task_results, run_events CASCADE"))
        tasks = [{"id": uuid4(), "name": f"task {number}", **columns} for number in range(TASKS)]
        await connection.execute(insert(Task), tasks)
