"""Where the API may be started without keys, and what it says where it may not."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from db.settings import DatabaseSettings
from duetime.local_stack.stack import free_port
from tests.support.command import clean_environment, duetime
from tests.support.waiting import wait_for

NOBODY = (
    "duetime: nobody could get in: keys are wanted (DUETIME_AUTH=keys, or HOST beyond the loopback address), and there "
    "is none in force; make one with `duetime keys create --name NAME --scope admin`, or set DUETIME_AUTH=off\n"
)


@contextmanager
def started(environment: dict[str, str], *, cwd: Path) -> Iterator[tuple[httpx.Client, Path]]:
    """A running `duetime api`, a client of it, and the file with what it says."""
    said = cwd / "said"
    port = str(free_port())
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "duetime", "api"],
            cwd=cwd,
            env=clean_environment(environment | {"PORT": port}),
            stderr=output,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:

            def answers() -> bool:
                assert process.poll() is None, said.read_text()
                try:
                    return client.get("/health/live").status_code == 200
                except httpx.TransportError:
                    return False

            wait_for(answers, what="the API answers", within=30)
            yield client, said
    finally:
        process.terminate()
        assert process.wait(30) == 0


def test_the_doors_of_the_api(tmp_path: Path, database: DatabaseSettings, redis_url: str) -> None:
    """Beyond the loopback address it wants keys, and starts once there is one; or without, when it is told so.

    On the loopback address it may be told to want keys before there is one.
    """
    servers = {"DATABASE_URL": str(database.database_url), "REDIS_URL": redis_url}
    for setting in ({"HOST": "0.0.0.0"}, {"HOST": "::"}, {"HOST": "0.0.0.0", "DUETIME_AUTH": "keys"}):
        refused = duetime("api", cwd=tmp_path, environment=servers | setting | {"PORT": str(free_port())})
        assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", NOBODY), setting

    with started(servers, cwd=tmp_path) as (client, said):
        assert client.get("/api/v1/tasks").status_code == 200
        assert "action=keys_off" not in said.read_text()
    with started(servers | {"HOST": "0.0.0.0", "DUETIME_AUTH": "off"}, cwd=tmp_path) as (client, said):
        assert client.get("/api/v1/tasks").status_code == 200
        assert "Anybody who reaches the API may do everything: DUETIME_AUTH=off" in said.read_text()

    with started(servers | {"DUETIME_AUTH": "keys"}, cwd=tmp_path) as (client, said):
        assert client.get("/api/v1/tasks").status_code == 401
        assert "nobody could get in" in said.read_text()
        made = duetime("keys", "create", "--name", "ops", "--scope", "read", cwd=tmp_path, environment=servers)
        token = made.stdout.splitlines()[-1]
        assert client.get("/api/v1/tasks", headers={"authorization": f"Bearer {token}"}).status_code == 200
    with started(servers | {"HOST": "0.0.0.0"}, cwd=tmp_path) as (client, said):
        assert client.get("/api/v1/tasks").status_code == 401
        assert client.get("/api/v1/tasks", headers={"authorization": f"Bearer {token}"}).status_code == 200
        assert said.read_text() == ""


def test_everything_at_once_is_refused_at_once(tmp_path: Path, database: DatabaseSettings, redis_url: str) -> None:
    """`duetime up` does not try again and again to start an API that nobody could use."""
    servers = {"DATABASE_URL": str(database.database_url), "REDIS_URL": redis_url}
    refused = duetime("up", cwd=tmp_path, environment=servers | {"HOST": "0.0.0.0", "PORT": str(free_port())})
    assert refused.returncode == 1
    assert NOBODY in refused.stderr
    assert "Duetime is ready" not in refused.stdout
