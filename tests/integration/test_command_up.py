"""`duetime up`: it runs everything, and leaves no process behind however it ends."""

import json
import os
import signal
import stat
import subprocess
import urllib.request
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx
import psutil

from db.settings import DatabaseSettings
from db.states import KeyScope
from tests.support.command import Up, duetime_in_process, duetime_up
from tests.support.engine import opened
from tests.support.keys import bearer, make_key
from tests.support.ordinary_user import ordinary_user
from tests.support.ports import free_port
from tests.support.waiting import wait_for

FIRST_TASK = {"data": {"task": {"name": "First task"}}}


def execute(up: Up, query: str) -> dict[str, object]:
    """Execute a GraphQL document and return the response."""
    request = urllib.request.Request(
        up.graphql, json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        result: dict[str, object] = json.load(response)
        return result


def all_ended(processes: list[psutil.Process]) -> bool:
    """Return whether all processes have ended."""
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def children(up: Up, command: str) -> list[psutil.Process]:
    """Return the processes of `up` that run this command. A process that is ending has no command line any more."""
    found = []
    for process in up.descendants():
        with suppress(psutil.Error):
            if process.cmdline()[-2:] == ["duetime", command]:
                found.append(process)
    return found


def was_restarted(up: Up, command: str, killed: psutil.Process) -> bool:
    """Return whether the log reports the end of a process, and another one runs."""
    reported = f"action=process_ended program={command} " in up.text
    return reported and any(process.pid != killed.pid for process in children(up, command))


def test_the_first_task_of_the_banner_survives_every_end(
    data_dir: Path, tmp_path: Path, measured_environment: dict[str, str]
) -> None:
    """The user runs the curl command that is printed, and finds the task after each restart: after Ctrl-C, after the
    API and the worker were killed, and after `kill -9`. A second signal ends it at once.
    """
    port = free_port()
    with duetime_up(data_dir, port=port, environment=measured_environment) as up:
        assert f"  Dashboard  {up.url}\n" in up.text
        assert "Targets    loopback addresses are allowed" in up.text
        line = next(line for line in up.text.splitlines() if "createTask" in line)
        result = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
        created = json.loads(result.stdout)["data"]["createTask"]
        assert created["__typename"] == "Task", result.stdout
        found = partial(execute, query=f'{{ task(id: "{created["id"]}") {{ name }} }}')
        started = up.descendants()
        assert up.stop(signal.SIGINT) == 0
    assert all_ended(started)

    with duetime_up(data_dir, port=port) as up:
        assert found(up) == FIRST_TASK
        refuses_a_data_folder_that_cannot_be_used(data_dir, tmp_path, up)
        restarts_what_is_killed(up)
        assert found(up) == FIRST_TASK
        started = up.descendants()
        up.kill()

        # The next start waits until the old servers have ended.
        with duetime_up(data_dir, port=port) as again:
            assert all_ended(started)
            assert found(again) == FIRST_TASK
            ends_immediately_at_a_second_signal(again)


def refuses_a_data_folder_that_cannot_be_used(data_dir: Path, tmp_path: Path, up: Up) -> None:
    """The error is one line. It names the folder and, if another instance is using it, that process."""
    (tmp_path / "file").touch()
    for folder, message in (
        (data_dir, f"the data folder {data_dir} is in use by another Duetime (process {up.process.pid})"),
        (tmp_path / "file" / "data", f"the data folder {tmp_path}/file/data cannot be used: Not a directory"),
    ):
        environment = {"DUETIME_DATA_DIR": str(folder), "PORT": str(free_port())}
        result = duetime_in_process("up", cwd=tmp_path, environment=environment)
        assert result.returncode == 1
        assert result.stderr.startswith(f"duetime: {message}")
        assert result.stderr.count("\n") == 1
        assert result.stdout == ""


def restarts_what_is_killed(up: Up) -> None:
    """The log reports it."""
    for command in ("api", "worker"):
        [killed] = children(up, command)
        killed.kill()
        wait_for(partial(was_restarted, up, command, killed), what=f"the {command} is restarted")
    wait_for(up.is_healthy, what="everything is healthy again", within=30)


def ends_immediately_at_a_second_signal(up: Up) -> None:
    """The worker is suspended, so it would never end gracefully."""
    started = up.descendants()
    [worker] = children(up, "worker")
    worker.suspend()
    up.process.send_signal(signal.SIGTERM)
    wait_for(lambda: "action=stopping" in up.text, what="it is stopping")
    up.process.send_signal(signal.SIGTERM)

    assert up.process.wait(10) == 130
    wait_for(lambda: all_ended(started), what="everything has ended", within=30)


def test_an_ordinary_user_can_run_it_and_kill_9_of_its_process_group_leaves_nothing_behind(data_dir: Path) -> None:
    """Under root, it runs as the user nobody, with copies of the files that only root can reach. Some supervisors kill
    the whole group when a graceful stop takes too long.
    """
    with ordinary_user() as user:
        if user is not None:
            os.chown(data_dir.parent, user.os_user.uid, user.os_user.gid)
        with duetime_up(data_dir, user=user, own_group=True) as up:
            started = up.descendants()
            owners = {process.uids().real for process in [psutil.Process(up.process.pid), *started]}
            assert execute(up, "{ __typename }") == {"data": {"__typename": "Query"}}
            os.killpg(up.process.pid, signal.SIGKILL)
            up.process.wait(60)

            wait_for(lambda: all_ended(started), what="all servers have ended", within=30)

    assert owners == {user.os_user.uid if user else os.geteuid()}
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700


def test_a_configured_redis_works_with_the_embedded_postgres_and_all_ends_with_the_parent(
    data_dir: Path, redis_url: str
) -> None:
    """Only the server that is not configured is embedded. `make run` uses `--with-parent`, because a killed `make` does
    not pass its signal on.
    """
    environment = {"REDIS_URL": redis_url}
    with duetime_up(data_dir, environment=environment, arguments=["--with-parent"], through_shell=True) as up:
        started = up.descendants()
        names = {process.name() for process in started}
        assert "postgres" in names
        assert not {"valkey-server", "redis-server"} & names
        up.kill()

        wait_for(lambda: all_ended(started), what="everything has ended", within=30)


async def test_configured_servers_are_used_and_keys_exclude_loopback_targets(
    data_dir: Path, database: DatabaseSettings, redis_url: str
) -> None:
    """With both variables set, no embedded server runs and no data folder is created."""
    folder = data_dir / "none"
    async with opened(database) as engine:
        key = await make_key(engine, "writer", scope=KeyScope.WRITE)
    environment = {"DATABASE_URL": str(database.database_url), "REDIS_URL": redis_url, "DUETIME_AUTH": "keys"}
    with duetime_up(folder, environment=environment) as up:
        started = [" ".join(process.cmdline()) for process in up.descendants()]
        loopback_targets_need_a_setting_of_their_own_if_keys_are_required(up, key)
        assert up.stop() == 0

    assert len(started) == 2
    assert not folder.exists()


def loopback_targets_need_a_setting_of_their_own_if_keys_are_required(up: Up, key: str) -> None:
    """With a TLS proxy in front of the API, each holder of a write key could have the host's own services called."""
    mutation = f"""mutation {{ createTask(input: {{
        name: "inside", trigger: {{interval: {{everyMs: 60000}}}}, action: {{url: "{up.url}/health"}}
    }}) {{ __typename ... on InvalidInput {{ problems {{ message }} }} }} }}"""
    created = httpx.post(up.graphql, json={"query": mutation}, headers=bearer(key)).json()["data"]["createTask"]

    assert created["__typename"] == "InvalidInput"
    assert "127.0.0.1" in created["problems"][0]["message"]
    assert "public addresses only; DUETIME_TARGETS_ALLOWED=127.0.0.0/8,::1 allows this machine's own" in up.text
    assert "https://example.com/" in next(line for line in up.text.splitlines() if "createTask" in line)
