"""A server that ends with this process: started under a watchdog, which holds a pipe from us (see `watchdog`)."""

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
from duetime.local_stack.os_user import Account

WATCHDOG = Path(__file__).with_name("watchdog.py")


@dataclass(slots=True, kw_only=True)
class Guarded:
    """A running watchdog and our end of the pipe. Whoever started it calls `stop`."""

    process: Process
    pipe: int | None

    async def wait(self) -> int:
        """The server's exit status, once it has ended."""
        return await self.process.wait()

    async def stop(self) -> None:
        """Lets the watchdog stop the server, and waits until it has; nothing when it has ended already."""
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None
        await self.process.wait()

    def kill(self) -> None:
        """Leaves the server to its watchdog, which stops it while we go on."""
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None


async def start_guarded(
    command: Sequence[str | Path],
    *,
    stop: Sequence[tuple[str, float]],
    account: Account | None,
    log: Path,
    lock: int,
    stdin: str | None = None,
) -> Guarded:
    """Starts a server. `stop`: signals, and how many seconds each may take; `lock`: inherited, and so held as long."""
    theirs, ours = os.pipe()
    order = {
        "command": [str(word) for word in command],
        "pipe": theirs,
        "keep": [lock],
        "stop": stop,
        "user": account and account.uid,
        "group": account and account.gid,
    }
    try:
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", WATCHDOG, json.dumps(order)),
                stdin=DEVNULL if stdin is None else PIPE,
                stdout=output,
                stderr=STDOUT,
                # Away from the terminal's Ctrl-C, and from whoever kills our whole process group.
                start_new_session=True,
                pass_fds=(theirs, lock),
                cwd="/",
                env=environment(),
            )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    if process.stdin is not None and stdin is not None:
        process.stdin.write(stdin.encode())
        process.stdin.close()
    return Guarded(process=process, pipe=ours)


async def until_ready(
    server: Guarded, is_ready: Callable[[], Awaitable[bool]], *, within: timedelta, name: str, log: Path
) -> None:
    """Waits for a server that was just started. CannotStart, once it is stopped, when it ends or takes too long."""
    try:
        async with asyncio.timeout(within.total_seconds()):
            while not await is_ready():
                if server.process.returncode is not None:
                    reason = f"ended at its start with status {server.process.returncode}"
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


def environment() -> dict[str, str]:
    """Ours without what would steer Postgres (PGDATA, PGOPTIONS, …), and a locale that every system has."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))} | {"LC_ALL": "C"}
