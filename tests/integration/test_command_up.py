"""`duetime up`: everything with one command, and nothing left when it has ended, however it ended."""

import json
import os
import signal
import stat
import subprocess
import urllib.request
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil

from db.settings import DatabaseSettings
from duetime.local_stack.stack import free_port
from tests.support.command import Up, duetime, duetime_up
from tests.support.ordinary_user import ordinary_user
from tests.support.waiting import wait_for


def asked(up: Up, query: str) -> dict[str, object]:
    """The answer to a GraphQL document."""
    request = urllib.request.Request(
        up.graphql, json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        result: dict[str, object] = json.load(answer)
        return result


def gone(processes: list[psutil.Process]) -> bool:
    """Whether none of them runs any more."""
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def parts(up: Up, name: str) -> list[psutil.Process]:
    """The processes below `up` that run this part; one that is just ending has no command line any more."""
    found = []
    for process in up.descendants():
        with suppress(psutil.Error):
            if process.cmdline()[-2:] == ["duetime", name]:
                found.append(process)
    return found


def runs_again(up: Up, name: str, killed: psutil.Process) -> bool:
    """Whether the log tells of the death of a part, and another one is there."""
    return f"the {name} ended by itself" in up.text and any(process.pid != killed.pid for process in parts(up, name))


def test_the_first_task_of_the_welcome_works_and_survives_a_restart(data_dir: Path) -> None:
    """The user copies the curl that is printed. Then Ctrl-C, a second start, and the task is still there."""
    with duetime_up(data_dir) as up:
        assert "Targets  may be on loopback addresses too" in up.text
        line = next(line for line in up.text.splitlines() if "createTask" in line)
        told = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
        created = json.loads(told.stdout)["data"]["createTask"]
        assert created["__typename"] == "Task", told.stdout
        started = up.descendants()
        assert up.stop(signal.SIGINT) == 0
    assert gone(started)

    with duetime_up(data_dir) as up:
        task = asked(up, f'{{ task(id: "{created["id"]}") {{ name }} }}')
    assert task == {"data": {"task": {"name": "First task"}}}


def test_kill_9_leaves_nothing_behind_and_the_next_start_works(data_dir: Path) -> None:
    """Not even for a moment in which the next start could meet the old servers."""
    port = free_port()
    with duetime_up(data_dir, port=port) as up:
        started = up.descendants()
        up.kill()

        with duetime_up(data_dir, port=port) as again:
            assert gone(started)
            assert again.stop() == 0


def test_kill_9_of_the_whole_process_group_leaves_nothing_behind(data_dir: Path) -> None:
    """As a supervisor does that has lost patience."""
    with duetime_up(data_dir, own_group=True) as up:
        started = up.descendants()
        os.killpg(up.process.pid, signal.SIGKILL)
        up.process.wait(60)

        wait_for(lambda: gone(started), what="all servers have ended", within=30)


def test_the_death_of_its_parent_ends_it(data_dir: Path) -> None:
    """`make run` starts it `--with-parent`: a make that is killed passes nothing on."""
    with duetime_up(data_dir, arguments=["--with-parent"], through_shell=True) as up:
        started = up.descendants()
        up.kill()

        wait_for(lambda: gone(started), what="everything has ended", within=30)


def test_a_second_signal_ends_it_at_once(data_dir: Path) -> None:
    """Here the worker, stopped by SIGSTOP, would never end gracefully."""
    with duetime_up(data_dir) as up:
        started = up.descendants()
        [worker] = parts(up, "worker")
        worker.suspend()
        up.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "action=stopping" in up.text, what="it is stopping")
        up.process.send_signal(signal.SIGTERM)

        assert up.process.wait(10) == 130
        wait_for(lambda: gone(started), what="everything has ended", within=30)


def test_an_api_and_a_worker_that_die_are_started_again(data_dir: Path) -> None:
    """And the log says so."""
    with duetime_up(data_dir) as up:
        for name in ("api", "worker"):
            [killed] = parts(up, name)
            killed.kill()
            wait_for(partial(runs_again, up, name, killed), what=f"the {name} runs again")
        wait_for(up.is_healthy, what="all is well again", within=30)


def test_a_second_instance_and_a_folder_that_cannot_be_used_are_one_line(data_dir: Path, tmp_path: Path) -> None:
    """The line names the folder, and the process that has it."""
    (tmp_path / "file").touch()
    with duetime_up(data_dir) as up:
        for folder, told in (
            (data_dir, f"the data folder {data_dir} is in use by another Duetime (process {up.process.pid})"),
            (tmp_path / "file" / "data", f"the data folder {tmp_path}/file/data cannot be used: Not a directory"),
        ):
            environment = {"DUETIME_DATA_DIR": str(folder), "PORT": str(free_port())}
            refused = duetime("up", cwd=tmp_path, environment=environment)
            assert refused.returncode == 1
            assert refused.stderr.startswith(f"duetime: {told}")
            assert refused.stderr.count("\n") == 1
            assert refused.stdout == ""


def test_named_servers_are_used_and_none_is_brought(data_dir: Path, database: DatabaseSettings, redis_url: str) -> None:
    """With both variables set nothing is embedded; a data folder is not even made."""
    folder = data_dir / "none"
    environment = {"DATABASE_URL": str(database.database_url), "REDIS_URL": redis_url}
    with duetime_up(folder, environment=environment) as up:
        started = [" ".join(process.cmdline()) for process in up.descendants()]
        assert up.stop() == 0

    assert len(started) == 2
    assert not folder.exists()


def test_a_named_redis_goes_with_a_postgres_of_our_own(data_dir: Path, redis_url: str) -> None:
    """Each is brought only where it is not named."""
    with duetime_up(data_dir, environment={"REDIS_URL": redis_url}) as up:
        names = {process.name() for process in up.descendants()}
        assert up.stop() == 0

    assert "postgres" in names
    assert not {"valkey-server", "redis-server"} & names


def test_an_ordinary_user_can_run_it(data_dir: Path) -> None:
    """As root this starts it as nobody, with copies of what only root can reach; else it is ourselves once more."""
    with ordinary_user() as user:
        if user is not None:
            os.chown(data_dir.parent, user.account.uid, user.account.gid)
        with duetime_up(data_dir, user=user) as up:
            owners = {process.uids().real for process in [psutil.Process(up.process.pid), *up.descendants()]}
            assert asked(up, "{ __typename }") == {"data": {"__typename": "Query"}}
            assert up.stop() == 0

    assert owners == {user.account.uid if user else os.geteuid()}
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
