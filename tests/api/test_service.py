"""The state of the service as a dashboard shows it: health, workers, and the newest runs of tasks."""

from datetime import timedelta
from importlib.metadata import version
from socket import gethostname
from uuid import uuid4

from sqlalchemy import text

from db.settings import DatabaseSettings
from db.states import RunState
from jobs.settings import LOOPBACK, JobsSettings
from tests.support.engine import UNREACHABLE_REDIS, every, one_off, save, soon, working
from tests.support.graphql import Api, serving
from tests.support.history import HOUR, ago, run_of
from tests.support.statements import statements
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

HEALTH = """{ health { status postgres redis workers oldestDueAgeMs lastSweepAgeMs latenessP99Ms now version } }"""
WORKERS = "{ workers { id host startedAt lastSeenAt alive slots runningRuns version } }"
LOST = text("""
INSERT INTO workers (id, host, pid, slots, renewed_at)
VALUES (:id, 'lost', 1, 1, clock_timestamp() - interval '10 s')
""")


async def test_health_and_workers(database: DatabaseSettings, jobs_settings: JobsSettings, target: Target) -> None:
    """Without a worker the service is degraded; with one it is healthy, and shows what the worker does."""
    async with serving(database, jobs_settings) as api:
        found = (await api.data(HEALTH))["health"]
        assert (found["status"], found["postgres"], found["redis"], found["workers"]) == ("DEGRADED", True, True, 0)
        assert (found["oldestDueAgeMs"], found["lastSweepAgeMs"], found["latenessP99Ms"]) == (None, None, None)
        assert found["version"] == version("duetime")
        lost = uuid4()
        async with api.engine.begin() as connection:
            await connection.execute(LOST, {"id": lost})
        held = target.responds("/held", CannedResponse(delay=timedelta(minutes=1)))
        await save(api.engine, one_off(held, soon()), one_off(f"{target.url}/other", soon()))
        async with working(database, jobs_settings.model_copy(update={"grace_seconds": 0})):

            async def is_busy() -> bool:
                workers = (await api.data(WORKERS))["workers"]
                health = (await api.data(HEALTH))["health"]
                return any(worker["runningRuns"] for worker in workers) and health["latenessP99Ms"] is not None

            await wait_until(is_busy, what="one run goes on, and another one has ended")
            health = (await api.data(HEALTH))["health"]
            workers = {worker["alive"]: worker for worker in (await api.data(WORKERS))["workers"]}
    assert (health["status"], health["workers"], health["oldestDueAgeMs"]) == ("HEALTHY", 1, None)
    assert health["lastSweepAgeMs"] < 10_000
    alive, gone = workers[True], workers[False]
    assert (alive["host"], alive["slots"], alive["runningRuns"]) == (gethostname(), jobs_settings.slots, 1)
    assert (alive["version"], alive["startedAt"] <= alive["lastSeenAt"]) == (version("duetime"), True)
    assert (gone["id"], gone["host"], gone["version"], gone["runningRuns"]) == (str(lost), "lost", None, 0)


async def test_health_without_redis(database: DatabaseSettings) -> None:
    """The answer says which server is away."""
    without = JobsSettings.model_construct(redis_url=UNREACHABLE_REDIS, targets_allowed=LOOPBACK)
    async with serving(database, without) as api:
        found = (await api.data(HEALTH))["health"]
    assert (found["status"], found["postgres"], found["redis"]) == ("UNHEALTHY", True, False)


async def test_recent_runs(api: Api) -> None:
    """A page of tasks shows the newest runs of each, unfinished ones too, oldest first, from one statement."""
    tasks = [every("http://localhost/", HOUR, ago(-1), name=f"task {number}") for number in range(3)]
    await save(api.engine, *tasks)
    runs = [run_of(task, scheduled_for=ago(hours)) for task in tasks[:2] for hours in range(1, 6)]
    newest = run_of(tasks[0], scheduled_for=ago(0), state=RunState.RUNNING)
    await save(api.engine, *runs, newest)
    query = "query ($last: Int!) { tasks(orderBy: NAME_ASC) { nodes { name recentRuns(last: $last) { id state } } } }"
    with statements(api) as seen:
        nodes = (await api.data(query, last=3))["tasks"]["nodes"]
    assert len([statement for statement in seen if "FROM finished_runs" in statement]) == 1
    expected = [str(runs[1].id), str(runs[0].id), str(newest.id)]
    assert [run["id"] for run in nodes[0]["recentRuns"]] == expected
    assert [run["state"] for run in nodes[0]["recentRuns"]] == ["SUCCEEDED", "SUCCEEDED", "RUNNING"]
    assert [len(node["recentRuns"]) for node in nodes] == [3, 3, 0]
    for last in (0, 101):
        assert await api.code(query, last=last) == "INVALID_PAGE"
    assert await api.code("{ tasks(first: 100) { nodes { recentRuns(last: 100) { id state } } } }") == "LIMIT_EXCEEDED"
