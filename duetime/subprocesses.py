"""The API and the worker as child processes of `duetime up`."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from duetime import parent_death


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A running part of the service, with how long it may take to stop."""

    process: Process
    patience: timedelta

    async def wait(self) -> int:
        """The exit status, once it has ended."""
        return await self.process.wait()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL when it takes too long."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), self.patience.total_seconds())
        except TimeoutError:
            self.kill()
            await self.process.wait()

    def kill(self) -> None:
        """SIGKILL; nothing when it has ended already."""
        with suppress(ProcessLookupError):
            self.process.kill()


async def start_child(
    part: str, *, environment: dict[str, str], pipe: int, inherited: Sequence[int], patience: timedelta
) -> Child:
    """Starts `duetime PART` with our output. `pipe` is its lifeline; `inherited` stays open in it while it runs."""
    process = await asyncio.create_subprocess_exec(
        # -P: a folder that happens to be named `db` or `jobs` where the command is started is not ours.
        *(sys.executable, "-P", "-m", "duetime", part),
        stdin=DEVNULL,
        # Ctrl-C reaches us alone; we stop the parts in their order.
        start_new_session=True,
        pass_fds=(pipe, *inherited),
        env=os.environ | environment | {parent_death.VARIABLE: str(pipe)},
    )
    return Child(process=process, patience=patience)
