"""The local stack among other programs of its machine: what its servers are given, and who can take its port."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from db.models import utc_now
from duetime.errors import CannotStart
from duetime.local_stack.data_folder import open_data_folder
from duetime.local_stack.place import choose_place
from duetime.local_stack.stack import local_stack
from duetime.local_stack.valkey import MAX_MEMORY, Valkey
from duetime.settings import DuetimeSettings
from graphql_api.settings import ApiSettings
from jobs.queue import QUEUE_NAME, Queue
from tests.support.command import Up, duetime_in_process, duetime_up
from tests.support.ports import free_port
from tests.support.waiting import wait_for

KEY = "c2VjcmV0LWtleS1vZi10aGUtaG9zdGlsZS10ZXN0cy4="
GIVEN = {"DUETIME_SECRET_KEY": KEY, "AWS_SECRET_ACCESS_KEY": "of-the-user"}
ALLOWED = {"PATH", "LC_ALL", "LC_CTYPE"}
"""LC_CTYPE is what Python sets by itself in the C locale."""
SERVERS = {"postgres", "valkey-server"}


def test_helper_programs_are_not_given_the_secrets_of_the_environment(data_dir: Path) -> None:
    """Scripts that record their environment replace the programs of Postgres, which another user runs under root."""
    data_dir.mkdir()
    data_dir.chmod(0o755)
    recorded = data_dir / "recorded"
    recorded.touch()
    recorded.chmod(0o666)
    for program in ("postgres", "initdb"):
        script = data_dir / program
        script.write_text(f'#!/bin/sh\nenv >> {recorded}\n[ "$1" = --version ] && exec echo postgres 18\nexit 3\n')
        script.chmod(0o755)
    environment = GIVEN | {
        "DUETIME_POSTGRES_BIN": str(data_dir),
        "DUETIME_VALKEY_BIN": str(data_dir / "postgres"),
        "DUETIME_DATA_DIR": str(data_dir / "data"),
        "PORT": str(free_port()),
    }

    result = duetime_in_process("up", cwd=data_dir, environment=environment)

    assert "could not be created" in result.stderr
    names = {line.partition("=")[0] for line in recorded.read_text().splitlines()}
    # The shell adds these two.
    assert names - {"PWD", "_", "OLDPWD", "SHLVL"} <= ALLOWED


HEALTHY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@contextmanager
def taking(port: int, *, after: Path) -> Iterator[list[bytes]]:
    """Try to take a port as soon as a file exists, and claim to be healthy there. Yield the requests received."""
    received: list[bytes] = []
    over = threading.Event()

    def take() -> None:
        while not after.exists() and not over.is_set():
            over.wait(0.001)
        while not over.is_set():
            with suppress(OSError), socket.create_server(("127.0.0.1", port)) as listener:
                listener.settimeout(1)
                while not over.is_set():
                    with suppress(TimeoutError):
                        connection, _ = listener.accept()
                        with connection:
                            received.append(connection.recv(65536))
                            connection.sendall(HEALTHY)
            over.wait(0.001)

    thread = threading.Thread(target=take)
    thread.start()
    try:
        yield received
    finally:
        over.set()
        thread.join()


def test_other_programs_get_neither_the_secrets_nor_the_port(data_dir: Path) -> None:
    """Neither the secrets of the environment nor the port, while Duetime starts or its API restarts."""
    port, created = free_port(), data_dir / "logs" / "initdb.log"
    with taking(port, after=created) as received, duetime_up(data_dir, environment=GIVEN, port=port) as up:
        the_servers_are_not_given_the_secrets_of_the_environment(up)
        no_program_can_take_the_port_while_the_api_restarts(up)
        assert up.stop() == 0
    assert received == []


def the_servers_are_not_given_the_secrets_of_the_environment(up: Up) -> None:
    """An attacker in an embedded server reads its environment, which contains neither our key nor the user's."""
    guarded = [
        process
        for process in up.descendants()
        if process.name() in SERVERS or any("watchdog.py" in word for word in process.cmdline())
    ]
    assert {process.name() for process in guarded} >= SERVERS
    for process in guarded:
        assert set(process.environ()) <= ALLOWED, process
    workers = [process for process in up.descendants() if process.cmdline()[-1:] == ["worker"]]
    assert [process.environ()["DUETIME_SECRET_KEY"] for process in workers] == [KEY]


def no_program_can_take_the_port_while_the_api_restarts(up: Up) -> None:
    """Duetime would print commands that send an API key to the other program, and clients would send theirs."""
    [api] = [process for process in up.descendants() if process.cmdline()[-1:] == ["api"]]
    api.kill()
    wait_for(lambda: "action=process_ended program=api " in up.text, what="the API has ended")
    wait_for(up.is_healthy, what="the API responds again", within=30)


def test_a_port_that_is_taken_is_reported_before_anything_starts(data_dir: Path) -> None:
    """The error names the port and what to do. There is no data yet, and nothing says that Duetime is ready."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = duetime_in_process(
            "up", cwd=Path("/"), environment={"DUETIME_DATA_DIR": str(data_dir), "PORT": str(port)}
        )

    assert result.returncode == 1
    assert result.stdout == ""
    assert f"PORT={port}: is in use by another program on 127.0.0.1" in result.stderr
    assert "stop that program, or use another port" in result.stderr
    assert not (data_dir / "logs" / "initdb.log").exists()


@pytest.mark.parametrize(
    ("settings", "only"),
    [
        ({}, True),
        ({"host": "::1"}, True),
        ({"auth": "off"}, True),
        ({"auth": "keys"}, False),
        ({"proxies": "127.0.0.1"}, False),
        ({"auth": "off", "proxies": "10.0.0.0/8"}, False),
        ({"host": "0.0.0.0", "auth": "off"}, False),
    ],
)
def test_clients_are_on_this_machine_only_without_keys_and_proxies(settings: dict[str, Any], only: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    """`duetime up` allows loopback targets only then."""
    assert ApiSettings.model_construct(**settings).only_for_this_machine == only


async def test_expiring_keys_cannot_push_the_queue_out_of_valkey(data_dir: Path) -> None:
    """Valkey evicts persisted documents when its memory is used up; wake-ups stay, and are accepted."""
    settings = DuetimeSettings(data_dir=data_dir)
    async with (
        open_data_folder(data_dir) as folder,
        local_stack(folder, settings, postgres=False, valkey=True) as stack,
    ):
        url = str(stack.redis_url)
        queue = Queue.open(url)
        async with Redis.from_url(url) as redis:
            configured = await redis.config_get("maxmemory*")
            await redis.config_set("maxmemory", 8 * 1024 * 1024)
            await redis.zadd(QUEUE_NAME, {"dispatch:1": 1})
            for number in range(300):
                await redis.set(f"duetime:apq:{number}", b"x" * 65_536, ex=86_400)
            evicted = (await redis.info("stats"))["evicted_keys"]
            accepted = await queue.wake([utc_now()], now=utc_now())
            members = await redis.zcard(QUEUE_NAME)
        await queue.close()

    assert configured["maxmemory"] == str(256 * 1024 * 1024)
    assert configured["maxmemory-policy"] == "volatile-lru"
    assert evicted > 100
    assert accepted
    assert members == 2


def test_the_compose_file_limits_the_memory_of_valkey_too() -> None:
    """Its Valkey has the same limit and the same policy."""
    compose = (Path(__file__).parents[2] / "docker-compose.yml").read_text()
    words = [line.strip().removeprefix("- ") for line in compose.splitlines()]
    assert words[words.index("--maxmemory") + 1] == MAX_MEMORY
    assert words[words.index("--maxmemory-policy") + 1] == "volatile-lru"


async def test_a_program_on_valkeys_port_is_not_told_its_password(data_dir: Path) -> None:
    """It would see the password of the server that could not start, and could answer in its place."""
    received: list[bytes] = []

    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            received.append(data)
            writer.write(b"+OK\r\n" * data.count(b"*"))
        writer.close()

    pretender = await asyncio.start_server(pretend, "127.0.0.1", 0)
    port = pretender.sockets[0].getsockname()[1]
    settings = DuetimeSettings(data_dir=data_dir)
    async with pretender, open_data_folder(data_dir) as folder:
        with pytest.raises(CannotStart, match="Valkey ended during startup"):
            await Valkey(choose_place(folder, settings), folder, port=port).start()
    assert received == []
