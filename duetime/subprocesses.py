"""Runs the API and the worker as child processes of `duetime up`."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from duetime import command_name, parent_death


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildProcess:
    """A running child process, and how long it may take to stop."""

    process: Process
    stop_timeout: timedelta

    async def wait(self) -> int:
        """Wait until the process has ended, and return its exit status."""
        return await self.process.wait()

    async def stop(self) -> None:
        """Send SIGTERM, and SIGKILL if the process does not end in time."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), self.stop_timeout.total_seconds())
        except TimeoutError:
            self.kill()
            await self.process.wait()

    def kill(self) -> None:
        """Send SIGKILL. Do nothing if the process has already ended."""
        with suppress(ProcessLookupError):
            self.process.kill()


def child_environment() -> dict[str, str]:
    """Return our environment without the URL of the tables' owner, which only migrations need."""
    return {name: value for name, value in os.environ.items() if name != "DUETIME_MIGRATE_DATABASE_URL"}


async def start_child(
    command: str, *, environment: dict[str, str], pipe: int, inherited: Sequence[int], stop_timeout: timedelta
) -> ChildProcess:
    """Start `duetime COMMAND`, which shares our standard output and error.

    `pipe` is the read end that `parent_death` watches. The descriptors in `inherited` stay open while the child runs.
    """
    process = await asyncio.create_subprocess_exec(
        # -P keeps folders named `db` or `jobs` in the current folder from being imported instead of ours.
        *(sys.executable, "-P", "-m", "duetime", command),
        stdin=DEVNULL,
        # In its own session, the child does not receive Ctrl-C: `up` stops its processes in order.
        start_new_session=True,
        pass_fds=(pipe, *inherited),
        env=child_environment()
        | environment
        | {parent_death.VARIABLE: str(pipe), command_name.VARIABLE: command_name.command_name()},
    )
    return ChildProcess(process=process, stop_timeout=stop_timeout)
