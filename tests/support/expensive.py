"""Operations that cost the API much, and what refuses them."""

from typing import Any

from sqlalchemy import text

from db.models import Task
from tests.support.graphql import Api

BODY = 64 * 1024
"""Bytes of a large response."""
RARE = "0 0 29 2 */7"
"""Every 29 February that is a Sunday: once in 28 years."""
CREATE = "mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { __typename } }"
INSERT_RUNS = text("""
    INSERT INTO task_results (id, task_id, state, scheduled_for, due_at, finished_at, success, response_body)
    SELECT gen_random_uuid(), :task_id, 'succeeded', now() - n * interval '1 s', now(), now(), true, :body
    FROM generate_series(1, :number) AS n
""")


async def run_often(api: Api, task: Task, number: int, body: str) -> None:
    """Give a task finished runs with the same response."""
    async with api.engine.begin() as connection:
        await connection.execute(INSERT_RUNS, {"task_id": task.id, "number": number, "body": body})


def refusal_of(answer: dict[str, Any]) -> str:
    """Return the message of the only error, which a limit must have caused, of an operation without data."""
    [error] = answer["errors"]
    assert error["extensions"] == {"code": "LIMIT_EXCEEDED"}, error
    assert answer.get("data") is None
    message: str = error["message"]
    return message


def task_input(**cron: Any) -> dict[str, Any]:
    """Return a task whose trigger takes long to validate."""
    trigger = {"cron": {"expression": RARE, "timezone": "Europe/Berlin", "jitterMs": 3_600_000, **cron}}
    return {"name": "many", "trigger": trigger, "action": {"url": "http://127.0.0.1/"}}
