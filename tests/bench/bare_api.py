"""The counterpart of creations and lists: a bare API that does the same statements with asyncpg.

Run it as `python -m tests.bench.bare_api DATABASE_URL`; it prints its port. It has no validation, no keys, no schedule
and no GraphQL.
"""

import json
import socket
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from duetime import loop

TASK = """
INSERT INTO tasks (id, name, trigger_type, cron_expr, timezone, method, url, host, headers, header_order, payload,
                   next_run, due_at, settled_until, created_at, updated_at)
VALUES ($1, $2, 'cron', $3, 'UTC', $4, $5, $6, $7, $8, $9, $10, $10, $11, $11, $11)
"""
AUDIT_ENTRY = "INSERT INTO audit_log (at, key_name, action, task_id, after) VALUES ($1, 'anybody', $2, $3, $4)"
PAGE = """
SELECT t.id, external_id, t.name, description, trigger_type, trigger_time, cron_expr, timezone, every_ms, start_at,
       end_at, jitter_ms, method, url, host, headers, header_order, success_statuses, signing_secrets, timeout_ms,
       redirects, max_attempts, initial_delay_ms, backoff_factor, max_delay_ms, retry_statuses, max_elapsed_ms, overlap,
       misfire, on_lost, tags, t.status, version, next_run, due_at, settled_until, resume_from, misfire_once,
       deleted_at, delete_after_ms, ended_at, delete_at, l.created_at, updated_at
FROM (SELECT * FROM listed_tasks ORDER BY created_at DESC, task_id DESC LIMIT $1) l
CROSS JOIN LATERAL (SELECT * FROM tasks WHERE id = l.task_id OFFSET 0) t
ORDER BY l.created_at DESC, l.task_id DESC
"""
COUNT = "SELECT count(*) FROM (SELECT FROM listed_tasks LIMIT 10001) AS counted"
POOL_SIZE = 10


def row_of(row: asyncpg.Record) -> dict[str, Any]:
    """Return the members of a task that both lists show."""
    return {
        "id": str(row["id"]),
        "name": row["name"],
        "status": row["status"],
        "method": row["method"],
        "url": row["url"],
        "nextRunAt": row["next_run"].isoformat(),
        "createdAt": row["created_at"].isoformat(),
    }


async def serve(database_url: str) -> None:
    """Serve on a free port of the loopback address until the process is terminated."""
    pool = await asyncpg.create_pool(database_url, min_size=POOL_SIZE, max_size=POOL_SIZE)

    async def create(request: Request) -> Response:
        task = json.loads(await request.body())
        action, task_id, now = task["action"], uuid4(), datetime.now(UTC)
        headers = json.dumps(action.get("headers", {}))
        values = (
            task["name"], task["trigger"]["cron"], action["method"].upper(), action["url"], "localhost", headers,
            list(action.get("headers", {})), json.dumps(action.get("payload")), now + timedelta(days=1),
        )  # fmt: skip
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(TASK, task_id, *values, now)
            await connection.execute(AUDIT_ENTRY, now, "createTask", task_id, json.dumps(task))
        return Response(json.dumps({"id": str(task_id)} | task), media_type="application/json")

    async def listed(request: Request) -> Response:
        limit = int(request.query_params["limit"])
        async with pool.acquire() as connection:
            rows = await connection.fetch(PAGE, limit + 1)
            total = await connection.fetchval(COUNT)
        body = {"tasks": [row_of(row) for row in rows[:limit]], "total": total}
        return Response(json.dumps(body), media_type="application/json")

    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(listener.getsockname()[1], flush=True)  # noqa: T201 (the parent reads it)
    app = Starlette(routes=[Route("/tasks", create, methods=["POST"]), Route("/tasks", listed, methods=["GET"])])
    server = uvicorn.Server(uvicorn.Config(app, http="httptools", log_config=None, access_log=False, lifespan="off"))
    await server.serve(sockets=[listener])


if __name__ == "__main__":
    loop.run(serve(sys.argv[1]))
