"""Processes of Duetime that a test can kill, pause, stop and restart."""

import asyncio
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import psutil

from tests.support import forked
from tests.support.command import clean_environment
from tests.support.forked import ForkedProcess

ENDS_WITHIN = 40
LAST_LINES = 15
STACK_LINES = 200


class ServiceProcess:
    """A worker or an API, and its current process, if it has one. Its output goes to the file `log`."""

    def __init__(self, command: str, *, environment: Mapping[str, str], cwd: Path, name: str) -> None:
        self.name = name
        self.log = cwd / f"{name}.log"
        self.process: ForkedProcess | subprocess.Popen[bytes] | None = None
        self._command = command
        self._environment = environment
        self._cwd = cwd
        self._log_start = 0

    @property
    def pid(self) -> int:
        """Return the ID of the current process."""
        assert self.process is not None, f"{self.name} is not running"
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Return whether the current process is alive, which includes a paused one."""
        return self.process is not None and self.process.poll() is None

    @property
    def memory(self) -> int:
        """Return its resident memory in bytes."""
        size: int = psutil.Process(self.pid).memory_info().rss
        return size

    def log_tail(self, number: int = LAST_LINES) -> str:
        """Return the last lines of the log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([f"--- {self.name} ---", *lines[-number:]])

    def tracebacks(self) -> list[str]:
        """Return every traceback in the log since `ignore_log_so_far`, with the text around it."""
        text = self.log.read_text(errors="replace")[self._log_start :] if self.log.exists() else ""
        return [text[max(match.start() - 500, 0) : match.start() + 6000] for match in re.finditer("Traceback", text)]

    def ignore_log_so_far(self) -> None:
        """Leave the present contents of the log out of `tracebacks`."""
        self._log_start = len(self.log.read_text(errors="replace")) if self.log.exists() else 0

    def start(self) -> None:
        """Start a process if there is none. The caller has to wait until it is ready."""
        if self.alive:
            return
        output: IO[bytes]
        with self.log.open("ab") as output:
            self.process = forked.start(
                self._command, environment=clean_environment(self._environment), cwd=self._cwd, output=output
            )

    async def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """Send SIGTERM, wait for the end, and return the exit status."""
        return await self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Send SIGSTOP: the process is suspended, and its connections stay open."""
        assert self.process is not None, f"{self.name} is not running"
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Send SIGCONT: the process resumes where it was suspended."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    async def _end(self, number: signal.Signals) -> int:
        assert self.process is not None, f"{self.name} is not running"
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            return await asyncio.to_thread(process.wait, ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            # Python then writes the stack of each thread to the log.
            process.send_signal(signal.SIGABRT)
            process.wait()
            problem = f"{self.name} did not end within {ENDS_WITHIN} s of {number.name}"
            raise AssertionError(f"{problem}\n{self.log_tail(STACK_LINES)}") from None
