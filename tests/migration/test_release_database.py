"""The database of release 0.1.0 with data, without its program: everything in it goes on after the migrations.

`test_first_release` does the same with the program beside the present one, where the history of the repository is.
"""

import json
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest

from db.migrations import migrate
from db.settings import DatabaseSettings
from db.states import RunState
from graphql_api.settings import ApiSettings
from jobs.security.secret_headers import open_headers
from jobs.settings import JobsSettings
from tests.migration.conftest import load
from tests.migration.test_first_release import SECRET_KEY, TASK, ask
from tests.support.engine import opened, runs_of, task_of, working
from tests.support.graphql import serving
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

DUMP = Path(__file__).parents[1] / "data" / "release_0_1_0.sql"
KEY = "duetime_ThwILquhWyMaEweSF1gT127xAoccx_63FAUD4h-st24"
OFTEN = "e0389729-ed40-4f8f-95ef-012e7860f415"
EVERY = timedelta(seconds=1)
"""The interval of the task that runs often."""
MANY = 1_000
RARE = "bf317634-0e23-4fce-9ca5-1dbcef212d66"
FAILED = "3f7d3394-9ef1-455f-b096-2296c7b7a1da"
PAUSED = "464616c5-cc51-48c5-8b76-2c196b1fcbfb"
LOST = "e8eb64a4-d1ff-4af2-b3e0-28ca99ec0701"
RUNS = """query ($id: ID!) { task(id: $id) {
    status runs(first: 20) { nodes { state statusCode attempts { number statusCode } responseBody } }
} }"""
ALL = "{ auditLog(first: 20) { nodes { action keyName } } apiKeys { name scope } tasks { totalCount } }"


@pytest.fixture
async def released(empty: DatabaseSettings, target: Target) -> DatabaseSettings:
    """The database as release 0.1.0 left it when its worker was killed."""
    host = target.url.removeprefix("http://")
    await load(empty, DUMP.read_text("utf-8").replace("TARGET", target.url).replace("HOST", host))
    return empty


async def test_everything_goes_on(released: DatabaseSettings, redis_url: str, target: Target) -> None:
    """Keys, secrets, tasks, runs and the audit log are there, and what the killed worker was doing is done."""
    jobs = JobsSettings(redis_url=redis_url, secret_key=SECRET_KEY, targets_allowed="127.0.0.0/8")
    for path in ("/often", "/lost"):
        target.responds(path, CannedResponse())
    async with opened(released) as engine:
        await migrate(engine)
        async with serving(released, jobs, settings=ApiSettings(auth="keys")) as api:
            api.http.headers["authorization"] = f"Bearer {KEY}"
            rare = await ask(api.http, TASK, id=RARE)
            assert rare == {
                "name": "rare",
                "status": "SCHEDULED",
                "tags": ["a", "b"],
                "trigger": {
                    "__typename": "CronTrigger",
                    "expression": "30 2 29 2 *",
                    "timezone": "Europe/Berlin",
                    "jitterMs": 1000,
                },
                "action": {
                    "method": "POST",
                    "url": "http://127.0.0.1:9/rare",
                    "payload": {"n": 2**60},
                    "headers": [{"name": "X-Token", "value": None}],
                },
                "retry": {"maxAttempts": 7},
                "overlap": "QUEUE",
                "misfire": "ALL",
            }
            failed = await ask(api.http, RUNS, id=FAILED)
            assert failed["status"] == "COMPLETED"
            [run] = failed["runs"]["nodes"]
            assert (run["state"], run["statusCode"]) == ("FAILED", 500)
            assert [attempt["statusCode"] for attempt in run["attempts"]] == [500, 500]
            assert (await ask(api.http, TASK, id=PAUSED))["status"] == "PAUSED"
            found = await api.data(ALL)
            assert [entry["action"] for entry in found["auditLog"]["nodes"]].count("createTask") == 5
            assert found["apiKeys"] == [{"name": "ops", "scope": "ADMIN"}]
            assert found["tasks"]["totalCount"] == 5
            async with working(released, jobs):
                await wait_until(lambda: target.calls_of("/lost"), what="the lost call is made again")
                await wait_until(lambda: len(target.calls_of("/often")) >= 2, what="the interval goes on")
        [lost] = await runs_of(engine, UUID(LOST))
        assert (lost.state, lost.attempt) == (RunState.SUCCEEDED, 2)
        often = sorted(await runs_of(engine, UUID(OFTEN)), key=lambda run: run.scheduled_for)
        task = await task_of(engine, UUID(RARE))
    assert open_headers(task.headers or {}, origin="http://127.0.0.1:9", keys=jobs.secrets) == {"X-Token": "s3cret"}
    assert {json.loads(call.body)["n"] for call in target.calls} == {2**60}
    [call] = target.calls_of("/lost")
    assert (call.headers["idempotency-key"], call.headers["x-duetime-attempt"]) == (str(lost.id), "2")
    # Each instant has a run or is counted by the next run, those of the meantime by a single one.
    assert max(run.missed_count for run in often) > MANY
    for earlier, later in pairwise(often):
        assert later.scheduled_for - earlier.scheduled_for == EVERY * (later.missed_count + 1)
