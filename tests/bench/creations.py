"""One round of creations: tasks created by single requests, by GraphQL and by REST, against the bare API."""

from tests.bench.requests import Rates, duetime_and_bare
from tests.bench.rounds import Servers
from tests.support.rest import CRON

CREATE = """
mutation Create($input: CreateTaskInput!) { createTask(input: $input) { __typename ... on Task { id name nextRunAt } } }
"""
INPUT = {
    "name": CRON["name"],
    "trigger": {"cron": {"expression": CRON["trigger"]["cron"]}},
    "action": {
        "method": "POST",
        "url": CRON["action"]["url"],
        "headers": [{"name": name, "value": value} for name, value in CRON["action"]["headers"].items()],
        "payload": CRON["action"]["payload"],
    },
}


async def creations(servers: Servers, count: int) -> Rates:
    """Create `count` tasks in each way."""
    body = {"query": CREATE, "variables": {"input": INPUT}}
    async with duetime_and_bare(servers) as (api, bare):
        graphql = await api.measured("POST", "/graphql", body, count, wanted=b'"__typename":"Task"')
        graphql_bare = await bare.measured("POST", "/tasks", CRON, count, wanted=b'"id"')
        rest = await api.measured("POST", "/api/v1/tasks", CRON, count, wanted=b'"id"')
        rest_bare = await bare.measured("POST", "/tasks", CRON, count, wanted=b'"id"')
    return Rates(graphql, graphql_bare, rest, rest_bare)
