"""Authentication at startup: when the API starts without a key, and the error when it does not."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from db.settings import DatabaseSettings
from tests.support import forked
from tests.support.command import clean_environment, duetime_in_process
from tests.support.ports import free_port
from tests.support.waiting import wait_for

SCRIPT = Path(sys.executable).parent / "duetime"
WITHOUT_SCRIPT = "/usr/bin:/bin"
NO_ACTIVE_KEY = (
    "duetime: an API key is required (DUETIME_AUTH=keys, or HOST is not a loopback address), and there is no active "
    "key; create one with `duetime keys create --name NAME --scope admin`, or set DUETIME_AUTH=off\n"
)


def run_script(command: str, *, cwd: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run a command by the path of the script that pip installs, on a free port, until it ends."""
    return subprocess.run(
        [SCRIPT, command],
        cwd=cwd,
        env=clean_environment(environment | {"PORT": str(free_port())}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def running_api(environment: dict[str, str], *, cwd: Path) -> Iterator[tuple[httpx.Client, Path]]:
    """Run `duetime api`, and yield a client and the path of its log."""
    port, log = str(free_port()), cwd / "log"
    with log.open("wb") as output:
        process = forked.start(
            "api", environment=clean_environment(environment | {"PORT": port}), cwd=cwd, output=output
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:

            def responds() -> bool:
                assert process.poll() is None, log.read_text()
                try:
                    return client.get("/health/live").status_code == 200
                except httpx.TransportError:
                    return False

            wait_for(responds, what="the API responds", within=30)
            yield client, log
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_when_the_api_requires_a_key(tmp_path: Path, database: DatabaseSettings, redis_url: str) -> None:
    """Beyond the loopback address the API starts only once there is a key, or with DUETIME_AUTH=off.

    On the loopback address it starts without a key, even with DUETIME_AUTH=keys.
    """
    servers = {"DATABASE_URL": str(database.database_url), "REDIS_URL": redis_url}
    for setting in ({"HOST": "0.0.0.0"}, {"HOST": "::"}, {"HOST": "0.0.0.0", "DUETIME_AUTH": "keys"}):
        result = duetime_in_process("api", cwd=tmp_path, environment=servers | setting | {"PORT": str(free_port())})
        assert (result.returncode, result.stdout, result.stderr) == (1, "", NO_ACTIVE_KEY), setting

    with running_api(servers, cwd=tmp_path) as (client, log):
        assert client.get("/api/v1/tasks").status_code == 200
        assert "action=keys_off" not in log.read_text()
    with running_api(servers | {"HOST": "0.0.0.0", "DUETIME_AUTH": "off"}, cwd=tmp_path) as (client, log):
        assert client.get("/api/v1/tasks").status_code == 200
        assert "action=keys_off host=0.0.0.0" in log.read_text()

    with running_api(servers | {"DUETIME_AUTH": "keys"}, cwd=tmp_path) as (client, log):
        assert client.get("/api/v1/tasks").status_code == 401
        assert "action=no_keys" in log.read_text()
        command = ("keys", "create", "--name", "ops", "--scope", "read")
        created = duetime_in_process(*command, cwd=tmp_path, environment=servers)
        token = created.stdout.splitlines()[-1]
        assert client.get("/api/v1/tasks", headers={"authorization": f"Bearer {token}"}).status_code == 200
    with running_api(servers | {"HOST": "0.0.0.0"}, cwd=tmp_path) as (client, log):
        assert client.get("/api/v1/tasks").status_code == 401
        assert client.get("/api/v1/tasks", headers={"authorization": f"Bearer {token}"}).status_code == 200
        assert log.read_text() == ""


def test_up_does_not_retry_an_api_without_a_key(tmp_path: Path, database: DatabaseSettings, redis_url: str) -> None:
    """`duetime up` ends with the error of the API, which names the command as `up` was called."""
    servers = {"DATABASE_URL": str(database.database_url), "REDIS_URL": redis_url}
    result = run_script("up", cwd=tmp_path, environment=servers | {"HOST": "0.0.0.0", "PATH": WITHOUT_SCRIPT})
    assert result.returncode == 1
    assert NO_ACTIVE_KEY.replace("`duetime keys", f"`{SCRIPT} keys") in result.stderr
    assert "Duetime is ready" not in result.stdout


def test_messages_name_the_command_as_it_was_called(tmp_path: Path, database: DatabaseSettings, redis_url: str) -> None:
    """`make run` calls the command by its path, because the shell does not find it by its name."""
    servers = {"DATABASE_URL": str(database.database_url), "REDIS_URL": redis_url, "HOST": "0.0.0.0"}
    for path, name in ((WITHOUT_SCRIPT, str(SCRIPT)), (f"{SCRIPT.parent}:{WITHOUT_SCRIPT}", "duetime")):
        result = run_script("api", cwd=tmp_path, environment=servers | {"PATH": path})
        assert f"create one with `{name} keys create --name NAME --scope admin`" in result.stderr, result.stderr
