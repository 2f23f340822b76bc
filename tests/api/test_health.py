"""/health checks the servers for each request."""

from datetime import timedelta
from email.utils import parsedate_to_datetime
from uuid import uuid4

from sqlalchemy import text

from db.models import utc_now
from db.settings import DatabaseSettings
from jobs.settings import LOOPBACK, JobsSettings
from tests.support.engine import UNREACHABLE_REDIS, every, save, working
from tests.support.graphql import Api, serving
from tests.support.history import HOUR, ago
from tests.support.rest import text as written
from tests.support.waiting import wait_until


async def test_healthy(api: Api) -> None:
    """Both servers answer. Workers are counted by their leases, and the service is healthy without any."""
    healthy = {"status": "healthy", "postgres": "healthy", "redis": "healthy"} | {
        "last_sweep_age_ms": None,
        "oldest_due_age_ms": None,
        "oldest_due_task": None,
    }
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


async def test_oldest_due_task(api: Api) -> None:
    """The oldest due task is the one that has been due and unclaimed for longest; tasks of the future do not count."""
    tasks = [every("http://a/", HOUR, at) for at in (ago(-1), ago(1), ago(2))]
    await save(api.engine, *tasks)
    found = (await api.http.get("/health")).json()
    assert 2 * HOUR // timedelta(milliseconds=1) <= found["oldest_due_age_ms"] < 3 * HOUR // timedelta(milliseconds=1)
    assert found["oldest_due_task"] == {"id": str(tasks[2].id), "due_at": written(tasks[2].due_at or utc_now())}


async def test_age_of_the_last_sweep(api: Api, database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """A worker sweeps every second or two. When it is gone, the age of the last sweep grows."""

    async def age() -> int | None:
        found: int | None = (await api.http.get("/health")).json()["last_sweep_age_ms"]
        return found

    async def swept() -> bool:
        return await age() is not None

    async with working(database, jobs_settings):
        await wait_until(swept, what="a sweep has come to its end")
        assert 0 <= (await age() or 0) < 5_000
    left = await age() or 0
    assert (await age() or 0) > left


async def test_live(database: DatabaseSettings) -> None:
    """Liveness depends on the process alone."""
    nowhere = DatabaseSettings.model_construct(database_url="postgresql://nobody:x@127.0.0.1:1/none")
    async with serving(nowhere, JobsSettings.model_construct(redis_url=UNREACHABLE_REDIS)) as api:
        for path in ("/health/live", "/api/v1/health/live"):
            answer = await api.http.get(path)
            assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_redis_away(database: DatabaseSettings) -> None:
    """Without Redis the status is 503, naming Redis; what needs only Postgres still works."""
    async with serving(
        database, JobsSettings.model_construct(redis_url=UNREACHABLE_REDIS, targets_allowed=LOOPBACK)
    ) as api:
        answer = await api.http.get("/health")
        assert answer.status_code == 503
        body = answer.json()
        assert (body["status"], body["postgres"], body["redis"]) == ("unhealthy", "healthy", "unreachable")
        assert (await api.http.get("/api/v1/tasks")).status_code == 200
        action = {"method": "GET", "url": "http://localhost/"}
        body = {"name": "a", "trigger": {"type": "cron", "cron": "@every 1s"}, "action": action}
        assert (await api.http.post("/api/v1/tasks", json=body)).status_code == 201


async def test_postgres_away(jobs_settings: JobsSettings) -> None:
    """Without Postgres the status is 503, naming Postgres."""
    nowhere = DatabaseSettings.model_construct(database_url="postgresql://nobody:x@127.0.0.1:1/none")
    async with serving(nowhere, jobs_settings) as api:
        answer = await api.http.get("/health")
        assert answer.status_code == 503
        assert answer.json() == {"status": "unhealthy", "postgres": "unreachable", "redis": "healthy"}
        assert (await api.http.get("/api/v1/tasks")).status_code == 500


async def test_responses_are_dated(api: Api) -> None:
    """Each response has the date of its moment, to the second."""
    asked = utc_now().replace(microsecond=0)
    date = (await api.http.get("/health")).headers["date"]
    assert asked <= parsedate_to_datetime(date) <= utc_now()
