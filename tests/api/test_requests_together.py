"""Requests at the same time share statements and look-ups, and none of them notices."""

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from db.connection import autocommit
from graphql_api.execution.schema import schema
from graphql_api.plain_values import READ
from jobs.http.resolver import TargetChecker
from jobs.http.targets import EgressPolicy
from tests.support.graphql import Api
from tests.support.rest import CRON, TASKS
from tests.support.statements import statements
from tests.support.waiting import wait_until

CREATE = """
mutation ($input: CreateTaskInput!) { createTask(input: $input) { __typename
    ... on Task { id name createdAt action { payload } } ... on InvalidInput { problems { path } } } }
"""
MANY = 40
END_CONNECTIONS = text("""
SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'duetime api'
""")
ALIVE = text("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(CAST(:pids AS int[]))")


def task_input(number: int) -> dict[str, Any]:
    """Return the input of a task; every tenth has a name that is too long, and every eighth a long payload."""
    payload = {"number": number, "text": "x" * (20_000 if number % 8 == 0 else 1)}
    return {
        "name": f"task {number}" if number % 10 else "x" * 300,
        "trigger": {"interval": {"everyMs": 60_000}},
        "action": {"method": "POST", "url": "http://127.0.0.1/", "payload": payload},
    }


async def test_tasks_that_are_created_at_the_same_time(api: Api) -> None:
    """Each request gets its own task or refusal, each task has one entry in the audit log, and few statements do it."""
    with statements(api) as seen:
        answers = await asyncio.gather(*(api.data(CREATE, input=task_input(number)) for number in range(MANY)))
    for number, answer in enumerate(answers):
        made = answer["createTask"]
        if number % 10 == 0:
            assert made == {"__typename": "InvalidInput", "problems": [{"path": ["name"]}]}
        else:
            assert made["name"] == f"task {number}"
            assert made["action"]["payload"] == task_input(number)["action"]["payload"]
    names = {made["id"]: made["name"] for answer in answers if "id" in (made := answer["createTask"])}
    async with api.engine.connect() as connection:
        entries = await connection.execute(text("SELECT task_id, action, key_name, after->>'name' FROM audit_log"))
        logged = [(str(row[0]), *row[1:]) for row in entries]
    assert sorted(logged) == sorted((task_id, "createTask", "anybody", name) for task_id, name in names.items())
    inserts = [statement for statement in seen if "INSERT INTO tasks" in statement]
    assert 1 <= len(inserts) < MANY * 0.9


async def test_an_answer_comes_after_the_commit(api: Api) -> None:
    """A task that was answered is stored, also by REST while others are created."""

    async def create_and_read() -> None:
        created = await api.http.post(TASKS, json=CRON)
        assert created.status_code == 201
        shown = await api.http.get(f"{TASKS}/{created.json()['id']}")
        assert shown.json() == created.json()

    await asyncio.gather(*(create_and_read() for _ in range(MANY)))


async def test_no_request_notices_the_end_of_idle_connections(api: Api) -> None:
    """When Postgres has ended the connections that stay open, as it does when it restarts, requests get new ones."""
    await api.data(CREATE, input=task_input(1))
    query = "{ tasks { totalCount nodes { name } } runs { totalCount } }"
    await asyncio.gather(*(api.data(query) for _ in range(8)), *(api.http.get(TASKS) for _ in range(8)))
    async with autocommit(api.engine).connect() as connection:
        ended = [*await connection.scalars(END_CONNECTIONS)]

        async def are_gone() -> bool:
            return not (await connection.execute(ALIVE, {"pids": ended})).scalar_one()

        await wait_until(are_gone, what="Postgres has ended the connections")
    assert len(ended) > 1
    for _ in range(10):
        tasks = {"totalCount": 1, "nodes": [{"name": "task 1"}]}
        assert await api.data(query) == {"tasks": tasks, "runs": {"totalCount": 0}}
        assert (await api.http.get(TASKS)).json()["pagination"]["total"] == 1


async def test_a_page_beyond_the_end_has_the_total(api: Api) -> None:
    """REST counts and reads in one statement, and counts where there is nothing to read as well."""
    empty = (await api.http.get(f"{TASKS}?page=3")).json()
    assert empty == {"tasks": [], "pagination": {"page": 3, "limit": 10, "total": 0, "total_pages": 0}}
    await asyncio.gather(*(api.data(CREATE, input=task_input(number)) for number in range(1, 4)))
    beyond = (await api.http.get(f"{TASKS}?page=2&limit=3")).json()
    assert beyond == {"tasks": [], "pagination": {"page": 2, "limit": 3, "total": 3, "total_pages": 1}}
    newest = (await api.http.get(f"{TASKS}?limit=2")).json()
    assert newest["pagination"] == {"page": 1, "limit": 2, "total": 3, "total_pages": 2}
    assert newest["tasks"] == sorted(newest["tasks"], key=lambda task: task["created_at"], reverse=True)


async def test_a_name_is_looked_up_once_for_requests_at_the_same_time() -> None:
    """Who asks while a name is looked up gets the same result, also when the first one who asked has gone."""
    asked: list[str] = []
    may_answer = asyncio.Event()

    async def lookup(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        await may_answer.wait()
        return ["127.0.0.1"]

    checker = TargetChecker(EgressPolicy(), lookup=lookup)
    requests = [asyncio.create_task(checker.problems_of(["http://inside.test/"])) for _ in range(5)]
    await asyncio.sleep(0.01)
    requests[0].cancel()
    may_answer.set()
    for request in requests[1:]:
        [[problem]] = await request
        assert problem.path == ("action", "url")
    assert asked == ["inside.test"]
    await checker.problems_of(["http://inside.test/"])
    assert asked == ["inside.test"] * 2


def test_plain_fields_are_known() -> None:
    """Only fields that need neither arguments nor a context are plain, and none of a root, which checks scopes.

    This fails when Strawberry no longer tells what a resolver takes, as `note_plain_fields` expects.
    """
    kinds: Any = {name: kind.implementation for name, kind in schema.schema_converter.type_map.items()}
    plain = {
        name: {field for field in kinds[name].fields if READ in kinds[name].fields[field].extensions}
        for name in ("Task", "TaskConnection", "Query", "Mutation", "Subscription")
    }
    assert {"id", "name", "status", "nextRunAt", "version", "action", "tags", "trigger"} <= plain["Task"]
    assert plain["Task"].isdisjoint({"metadata", "upcoming", "lastRun", "runs"})
    # A total is plain while it is known.
    assert plain["TaskConnection"] == {"edges", "nodes", "pageInfo", "totalCount", "totalCountCapped"}
    assert not plain["Query"] | plain["Mutation"] | plain["Subscription"]
