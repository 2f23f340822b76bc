"""/health asks for real."""

from uuid import uuid4

from sqlalchemy import text

from db.settings import DatabaseSettings
from jobs.settings import JobsSettings
from tests.support.engine import UNREACHABLE_REDIS
from tests.support.graphql import Api, serving


async def test_healthy(api: Api) -> None:
    """Both servers answer; workers are counted by their leases, and none is no illness."""
    healthy = {"status": "healthy", "postgres": "healthy", "redis": "healthy"}
    for path in ("/health", "/api/v1/health"):
        answer = await api.http.get(path)
        assert (answer.status_code, answer.json()) == (200, healthy | {"workers": 0})
    async with api.engine.begin() as connection:
        for age in (0, 4, 6):
            await connection.execute(
                text(
                    "INSERT INTO workers (id, host, pid, slots, renewed_at) "
                    f"VALUES (:id, 'here', 1, 1, clock_timestamp() - interval '{age} s')"
                ),
                {"id": uuid4()},
            )
    assert (await api.http.get("/health")).json() == healthy | {"workers": 2}


async def test_redis_away(database: DatabaseSettings) -> None:
    """503, naming Redis; what needs Postgres alone goes on."""
    async with serving(database, JobsSettings.model_construct(redis_url=UNREACHABLE_REDIS)) as api:
        answer = await api.http.get("/health")
        assert answer.status_code == 503
        assert answer.json() == {"status": "unhealthy", "postgres": "healthy", "redis": "unreachable", "workers": 0}
        assert (await api.http.get("/api/v1/tasks")).status_code == 200
        action = {"method": "GET", "url": "http://localhost/"}
        body = {"name": "a", "trigger": {"type": "cron", "cron": "@every 1s"}, "action": action}
        assert (await api.http.post("/api/v1/tasks", json=body)).status_code == 201


async def test_postgres_away(jobs_settings: JobsSettings) -> None:
    """503, naming Postgres."""
    nowhere = DatabaseSettings.model_construct(database_url="postgresql://nobody:x@127.0.0.1:1/none")
    async with serving(nowhere, jobs_settings) as api:
        answer = await api.http.get("/health")
        assert answer.status_code == 503
        assert answer.json() == {"status": "unhealthy", "postgres": "unreachable", "redis": "healthy"}
        assert (await api.http.get("/api/v1/tasks")).status_code == 500
