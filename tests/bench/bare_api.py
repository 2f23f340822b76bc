"""The counterpart of creations: the same HTTP server, whose one route inserts what it is sent into a table.

Run it as `python -m tests.bench.bare_api DATABASE_URL`; it prints its port. It has no validation, no keys, no schedule
and no GraphQL.
"""

import json
import socket
import sys
from datetime import timedelta
from uuid import uuid4

from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.connection import open_engine
from db.settings import DatabaseSettings
from duetime import loop
from duetime.api import configuration
from duetime.compat import SignalFreeServer

MAKE = "CREATE TABLE IF NOT EXISTS bare_tasks (id uuid PRIMARY KEY, task jsonb NOT NULL)"
INSERT = text("INSERT INTO bare_tasks VALUES (:id, CAST(:task AS jsonb))")


async def serve(database_url: str) -> None:
    """Serve on a free port of the loopback address until the process is terminated."""
    url = DatabaseSettings.model_construct(database_url=database_url).url()
    engine = open_engine(url, pool_size=10, application_name="duetime bench")
    async with engine.begin() as connection:
        await connection.execute(text(MAKE))

    async def create(request: Request) -> Response:
        task, name = json.loads(await request.body()), uuid4()
        async with engine.begin() as connection:
            await connection.execute(INSERT, {"id": name, "task": json.dumps(task)})
        return Response(json.dumps({"id": str(name)} | task), media_type="application/json")

    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(listener.getsockname()[1], flush=True)  # noqa: T201 (the parent reads it)
    app = Starlette(routes=[Route("/tasks", create, methods=["POST"])])
    await SignalFreeServer(configuration(app, grace=timedelta(seconds=1))).serve(sockets=[listener])


if __name__ == "__main__":
    loop.run(serve(sys.argv[1]))
