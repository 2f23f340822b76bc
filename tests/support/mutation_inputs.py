"""What each mutation needs to change something: its variables, and what has to be there before."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from tests.support.graphql import Api
from tests.support.keys import make_key
from tests.support.operations import MUTATIONS

RUN = "mutation ($id: ID!) { runTask(id: $id) { ... on Run { id } } }"
MAKE = "mutation ($input: CreateTaskInput!) { createTask(input: $input) { ... on Task { id } } }"
TASK: dict[str, Any] = {
    "name": "a task",
    "trigger": {"cron": {"expression": "0 9 * * *"}},
    "action": {
        "url": "http://localhost/",
        "headers": [{"name": "Authorization", "value": "Bearer swordfish"}, {"name": "X-Plain", "value": "plain"}],
    },
}
CHANNEL = {
    "name": "a channel",
    "target": {"webhook": {"url": "http://127.0.0.1:1/", "signingSecrets": ["whsec_" + "A" * 32]}},
}


async def task(api: Api) -> str:
    """Return the id of a new task."""
    return str((await api.data(MAKE, input=TASK))["createTask"]["id"])


async def run(api: Api, task_id: str) -> str:
    """Return the id of a new run, which no worker makes."""
    return str((await api.data(RUN, id=task_id))["runTask"]["id"])


async def finished_run(api: Api) -> str:
    """Return the id of a run that was cancelled."""
    run_id = await run(api, await task(api))
    await api.data(MUTATIONS["cancelRun"], id=run_id)
    return run_id


async def paused_task(api: Api) -> str:
    """Return the id of a paused task."""
    task_id = await task(api)
    await api.data(MUTATIONS["pauseTask"], id=task_id)
    return task_id


async def of_task(api: Api) -> dict[str, Any]:
    """Return the variables of a mutation of one task."""
    return {"id": await task(api)}


async def of_tasks(api: Api) -> dict[str, Any]:
    """Return the variables of a mutation of several tasks: two, and one that does not exist."""
    return {"ids": [await task(api), str(uuid4()), await task(api)]}


async def to_resume(api: Api) -> dict[str, Any]:
    """Return the ids of two paused tasks."""
    return {"ids": [await paused_task(api), await paused_task(api)]}


async def of_runs(api: Api) -> dict[str, Any]:
    """Return the ids of two runs, and one that does not exist."""
    return {"ids": [await run(api, await task(api)), str(uuid4()), await run(api, await task(api))]}


async def of_finished_runs(api: Api) -> dict[str, Any]:
    """Return the ids of two finished runs."""
    return {"ids": [await finished_run(api), await finished_run(api)]}


async def channel(api: Api) -> dict[str, Any]:
    """Return the id of a new channel, which refuses connections."""
    made = await api.data(
        "mutation ($input: CreateChannelInput!) { createChannel(input: $input) { ... on Channel { id } } }",
        input=CHANNEL,
    )
    return {"id": made["createChannel"]["id"]}


async def rule(api: Api) -> dict[str, Any]:
    """Return the id of a new rule."""
    made = await api.data(
        "mutation ($input: CreateNotificationRuleInput!) {"
        " createNotificationRule(input: $input) { ... on NotificationRule { id } } }",
        input=(await of_rule(api))["input"],
    )
    return {"id": made["createNotificationRule"]["id"]}


async def of_rule(api: Api) -> dict[str, Any]:
    """Return a rule to create, for a new channel."""
    return {"input": {"name": "a rule", "channelIds": [(await channel(api))["id"]], "events": ["FAILED"]}}


async def renamed_channel(api: Api) -> dict[str, Any]:
    """Return an update of a new channel."""
    return {**await channel(api), "input": {"name": "another"}}


async def renamed_rule(api: Api) -> dict[str, Any]:
    """Return an update of a new rule."""
    return {**await rule(api), "input": {"name": "another"}}


async def flow_limit(api: Api) -> dict[str, Any]:
    """Return the id of a new flow limit."""
    made = await api.data(
        "mutation ($input: CreateFlowLimitInput!) { createFlowLimit(input: $input) { ... on FlowLimit { id } } }",
        input={"key": {"flowKey": "a key"}, "maxConcurrent": 1},
    )
    return {"id": made["createFlowLimit"]["id"]}


async def changed_flow_limit(api: Api) -> dict[str, Any]:
    """Return an update of a new flow limit."""
    return {**await flow_limit(api), "input": {"maxConcurrent": 2}}


async def old_key(api: Api) -> dict[str, Any]:
    """Return the id of a new key."""
    await make_key(api.engine, "old")
    listed = await api.data("{ apiKeys { id name } }")
    return {"id": next(key["id"] for key in listed["apiKeys"] if key["name"] == "old")}


async def renamed_task(api: Api) -> dict[str, Any]:
    """Return the first version of a task that was renamed since."""
    task_id = await task(api)
    await api.data(MUTATIONS["updateTask"], id=task_id, input={"name": "renamed"})
    return {"id": task_id, "version": 1}


async def operation(api: Api) -> dict[str, Any]:
    """Return the id of an operation that no worker goes on with."""
    await task(api)
    started = await api.data("mutation { bulk(action: PAUSE, tasks: {}) { ... on BulkOperation { id } } }")
    return {"id": started["bulk"]["id"]}


Prepare = Callable[[Api], Awaitable[dict[str, Any]]]


async def given(**variables: Any) -> dict[str, Any]:
    """Return variables that need no preparation."""
    return variables


PREPARE: dict[str, tuple[Prepare, int]] = {
    "createTask": (lambda _: given(input=TASK), 1),
    "createTasks": (lambda _: given(inputs=[TASK, {**TASK, "name": ""}, TASK]), 2),
    "pauseTasks": (of_tasks, 2),
    "resumeTasks": (to_resume, 2),
    "cancelTasks": (of_tasks, 2),
    "deleteTasks": (of_tasks, 2),
    "upsertTask": (lambda _: given(input={**TASK, "externalId": "e"}), 1),
    "upsertTasks": (lambda _: given(inputs=[{**TASK, "externalId": "e"}, TASK], dryRun=False), 1),
    "runTasks": (of_tasks, 2),
    "cancelRuns": (of_runs, 2),
    "retryRuns": (of_finished_runs, 2),
    "createChannel": (lambda _: given(input=CHANNEL), 1),
    "updateChannel": (renamed_channel, 1),
    "deleteChannel": (channel, 1),
    "testChannel": (channel, 1),
    "createNotificationRule": (of_rule, 1),
    "updateNotificationRule": (renamed_rule, 1),
    "deleteNotificationRule": (rule, 1),
    "createFlowLimit": (lambda _: given(input={"key": {"host": "*.example.com"}, "ratePerSecond": 1}), 1),
    "updateFlowLimit": (changed_flow_limit, 1),
    "deleteFlowLimit": (flow_limit, 1),
    "createApiKey": (lambda _: given(input={"name": "new", "scope": "READ"}), 1),
    "revokeApiKey": (old_key, 1),
    "bulk": (lambda _: given(action="PAUSE", tasks={}, dryRun=False), 1),
    "cancelBulkOperation": (operation, 1),
    "rollbackTask": (renamed_task, 1),
    "tryAction": (lambda _: given(action={"url": "http://127.0.0.1:9/"}), 1),
}


async def variables_of(api: Api, mutation: str) -> tuple[dict[str, Any], int]:
    """Return the variables of a mutation, and the number of entries that it leaves in the audit log."""
    if mutation in PREPARE:
        prepare, entries = PREPARE[mutation]
        return await prepare(api), entries
    if mutation == "updateTask":
        return {"id": await task(api), "input": {"name": "renamed"}}, 1
    if mutation == "resumeTask":
        return {"id": await paused_task(api)}, 1
    if mutation == "cancelRun":
        return {"id": await run(api, await task(api))}, 1
    if mutation == "retryRun":
        return {"id": await finished_run(api)}, 1
    return await of_task(api), 1
