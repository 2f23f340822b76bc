"""Starts a server under a watchdog, which stops the server when this process ends, even if it is killed."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from duetime.errors import CannotStart
from duetime.local_stack.environment import server_environment
from duetime.local_stack.os_user import OsUser

WATCHDOG = Path(__file__).with_name("watchdog.py")


@dataclass(slots=True, kw_only=True)
class GuardedServer:
    """A running watchdog, and the write end of the pipe that it watches. The caller has to call `stop`."""

    process: Process
    pipe: int | None

    async def wait(self) -> int:
        """Wait until the server has ended, and return its exit status."""
        return await self.process.wait()

    async def stop(self) -> None:
        """Close the pipe, so that the watchdog stops the server, and wait until the server has ended."""
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None
        await self.process.wait()

    def kill(self) -> None:
        """Close the pipe, so that the watchdog stops the server, without waiting for it."""
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None


async def start_guarded_server(
    command: Sequence[str | Path],
    *,
    stop: Sequence[tuple[str, float]],
    user: OsUser | None,
    log: Path,
    lock: int,
    stdin: str | None = None,
) -> GuardedServer:
    """Start a server.

    `stop` lists the signals that stop it, with the seconds after which the next one follows. The server inherits the
    descriptor `lock`, and so holds that lock until it ends.
    """
    read_end, write_end = os.pipe()
    configuration = {
        "command": [str(word) for word in command],
        "pipe": read_end,
        "inherited": [lock],
        "stop": stop,
        "user": user and user.uid,
        "group": user and user.gid,
    }
    try:
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", WATCHDOG, json.dumps(configuration)),
                stdin=DEVNULL if stdin is None else PIPE,
                stdout=output,
                stderr=STDOUT,
                # In its own session, the server does not receive Ctrl-C, and survives a kill of our whole process
                # group.
                start_new_session=True,
                pass_fds=(read_end, lock),
                cwd="/",
                env=server_environment(),
            )
    except BaseException:
        os.close(write_end)
        raise
    finally:
        os.close(read_end)
    if process.stdin is not None and stdin is not None:
        process.stdin.write(stdin.encode())
        process.stdin.close()
    return GuardedServer(process=process, pipe=write_end)


async def wait_for_server(
    server: GuardedServer, is_ready: Callable[[], Awaitable[bool]], *, within: timedelta, name: str, log: Path
) -> None:
    """Wait until a server is ready. Stop it and raise CannotStart if it ends before that or takes too long."""
    try:
        async with asyncio.timeout(within.total_seconds()):
            while not await is_ready():
                if server.process.returncode is not None:
                    reason = f"ended during startup with status {server.process.returncode}"
                    break
                await asyncio.sleep(0.01)
            else:
                return
    except TimeoutError:
        reason = f"was not ready within {within.seconds} s"
    except BaseException:
        await server.stop()
        raise
    await server.stop()
    raise CannotStart(f"{name} {reason}; see the end of {log}")
