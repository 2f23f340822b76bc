# ruff: noqa: ASYNC221, ASYNC240 (local files, and nothing else runs on the loop)
"""The local stack: its folder, its lock, its servers, and its errors."""

import os
import stat
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from db.connection_strings import parse_database_url
from duetime.errors import CannotStart
from duetime.local_stack.data_folder import LOCK, open_data_folder
from duetime.local_stack.place import place_elsewhere
from duetime.local_stack.stack import LocalStack, local_stack
from duetime.settings import DuetimeSettings
from tests.support.waiting import wait_until


async def started(running: AsyncExitStack, folder: Path, settings: DuetimeSettings | None = None) -> LocalStack:
    """Run both servers on a data folder until `running` is closed."""
    opened = await running.enter_async_context(open_data_folder(folder))
    settings = settings or DuetimeSettings(data_dir=folder)
    return await running.enter_async_context(local_stack(opened, settings, postgres=True, valkey=True))


async def query(stack: LocalStack, statement: str) -> object:
    """Execute a statement, and return the single value of its result if it has one."""
    engine = create_async_engine(parse_database_url(stack.owner_url or ""), isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            result = await connection.execute(text(statement))
            return result.scalar_one() if result.returns_rows else None
    finally:
        await engine.dispose()


def servers_of(folder: Path) -> list[psutil.Process]:
    """Return the processes, other than this one, that have the folder's lock open."""
    lock = str(folder / LOCK)
    servers = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and any(file.path == lock for file in process.open_files()):
                servers.append(process)
        except psutil.Error:
            continue
    return servers


async def test_the_life_of_a_data_folder(data_dir: Path) -> None:
    """From its first start, after one that was killed, to a start with another version of Postgres."""
    folder = data_dir / "in" / "it"
    folder.parent.mkdir(parents=True)
    async with open_data_folder(folder):
        (folder / "unfinished-x" / "cluster").mkdir(parents=True)
    async with AsyncExitStack() as running:
        stack = await started(running, folder)
        assert not list(folder.glob("unfinished-*"))
        await query(stack, "CREATE TABLE kept AS SELECT 7 AS n")
        configured = "SELECT current_setting('fsync') || current_setting('listen_addresses')"
        assert await query(stack, configured) == "on127.0.0.1"
        await both_servers_require_a_password(stack, folder)
    assert servers_of(folder) == []
    no_other_user_can_read_it(folder)

    # After a power cut, another program may have the process ID of Postgres, which then would not start.
    (folder / "postgres" / "postmaster.pid").write_text(f"{os.getppid()}\n{folder}/postgres\n")
    async with AsyncExitStack() as running:
        stack = await started(running, folder)
        assert await query(stack, "SELECT n FROM kept") == 7
        for name in ("postgres", "valkey"):
            await a_killed_server_is_restarted_on_its_port(name, stack, folder)
    assert servers_of(folder) == []

    (folder / "postgres" / "PG_VERSION").write_text("9\n")
    async with AsyncExitStack() as running:
        with pytest.raises(CannotStart, match="was created by Postgres 9, and this is Postgres"):
            await started(running, folder)


def no_other_user_can_read_it(folder: Path) -> None:
    """And git ignores it."""
    assert (folder / ".gitignore").read_text() == "*\n"
    assert stat.S_IMODE(folder.stat().st_mode) & 0o707 == 0o700
    for path in [path for path in folder.rglob("*") if path.name != ".gitignore"]:
        assert path.stat().st_mode & 0o007 == 0, path


async def both_servers_require_a_password(stack: LocalStack, folder: Path) -> None:
    """Any program on this machine can connect to a loopback port."""
    url = parse_database_url(stack.owner_url or "").set(password="guessed")
    wrong = create_async_engine(url)
    with pytest.raises(Exception, match="password authentication failed"):
        async with wrong.connect():
            pass
    await wrong.dispose()
    async with Redis.from_url((stack.redis_url or "").replace("//:", "//:x")) as client:
        with pytest.raises(AuthenticationError):
            await client.ping()
    command_lines = " ".join(word for process in servers_of(folder) for word in process.cmdline())
    for url_with_password in (stack.owner_url, stack.database_url, stack.redis_url):
        password = str(urlsplit(url_with_password or "").password)
        assert len(password) >= 32
        assert password not in command_lines + repr(stack)


async def a_killed_server_is_restarted_on_its_port(name: str, stack: LocalStack, folder: Path) -> None:
    """The API and the workers can reconnect without a new address."""
    processes = [process for process in servers_of(folder) if name in process.name()]
    killed = next(process for process in processes if process.parent() not in processes)
    killed.kill()

    async def responds() -> bool:
        try:
            if name == "postgres":
                return await query(stack, "SELECT 1") == 1
            async with Redis.from_url(stack.redis_url or "") as client:
                return bool(await client.ping())
        except Exception:
            return False

    await wait_until(lambda: not killed.is_running(), what="the server was killed")
    await wait_until(responds, what=f"{name} responds again", within=30)


async def test_one_instance_at_a_time(data_dir: Path) -> None:
    """The error of the second instance names the folder and the process that uses it."""
    async with open_data_folder(data_dir):
        with pytest.raises(CannotStart, match=rf"{data_dir} is in use by another Duetime \(process {os.getpid()}\)"):
            async with open_data_folder(data_dir):
                pass


async def test_a_folder_with_other_files_is_rejected(data_dir: Path) -> None:
    """A wrong DUETIME_DATA_DIR must not make a home folder private, nor hide it from git."""
    data_dir.mkdir(mode=0o755)
    (data_dir / "letter").touch()

    with pytest.raises(CannotStart, match="contains other files; set DUETIME_DATA_DIR to a new or empty folder"):
        async with open_data_folder(data_dir):
            pass

    assert sorted(entry.name for entry in data_dir.iterdir()) == ["letter"]
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o755


async def test_a_folder_that_cannot_be_created_is_one_line_of_error(data_dir: Path) -> None:
    """There is a file where the folder should be, so even root cannot create it."""
    data_dir.mkdir()
    (data_dir / "file").touch()

    with pytest.raises(
        CannotStart, match=r"cannot be used: Not a directory; .* set DUETIME_DATA_DIR to another folder"
    ) as raised:
        async with open_data_folder(data_dir / "file" / "folder"):
            pass

    assert "\n" not in str(raised.value)


async def test_a_server_that_cannot_start_is_one_line_of_error(data_dir: Path) -> None:
    """A script that fails immediately replaces a Postgres that does not run on this machine."""
    data_dir.mkdir()
    for program in ("postgres", "initdb"):
        (data_dir / program).write_text(
            '#!/bin/sh\n[ "$1" = --version ] && exec echo postgres 18\necho error: no >&2\nexit 3\n'
        )
        (data_dir / program).chmod(0o755)
    settings = DuetimeSettings(data_dir=data_dir / "data", postgres_bin=data_dir)

    async with AsyncExitStack() as running:
        with pytest.raises(CannotStart, match=r"Postgres's data could not be created: error: no \(see .*initdb\.log"):
            await started(running, data_dir / "data", settings)


async def test_the_data_of_root_in_a_private_home_is_elsewhere(data_dir: Path) -> None:
    """The user that runs Postgres for root cannot enter the home folder. A remark names the other folder."""
    home = data_dir / "home"
    home.mkdir(mode=0o700, parents=True)
    folder = home / "data"
    try:
        for first in (True, False):
            async with AsyncExitStack() as running:
                stack = await started(running, folder)
                if os.geteuid() == 0:
                    assert str(place_elsewhere(folder)) in (stack.remark or "")
                else:
                    assert (folder / "postgres").exists()
                if first:
                    await query(stack, "CREATE TABLE kept AS SELECT 7 AS n")
                assert await query(stack, "SELECT n FROM kept") == 7
            home.chmod(0o755)
    finally:
        subprocess.run(["rm", "-rf", place_elsewhere(folder)], check=True)
