"""Parts of Duetime as processes of their own, which a test may kill, pause, stop and start again."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import psutil

from tests.support.command import clean_environment

ENDS_WITHIN = 40
LAST_LINES = 15


class Part:
    """A worker or an API, and its present process, if it has one. What it says goes to the file `log`."""

    def __init__(self, part: str, *, environment: Mapping[str, str], cwd: Path, name: str) -> None:
        self.name = name
        self.log = cwd / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._part = part
        self._environment = environment
        self._cwd = cwd
        self._heard = 0

    @property
    def pid(self) -> int:
        """The number of the present process."""
        assert self.process is not None, f"{self.name} is not running"
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether the process that was started last still runs, paused or not."""
        return self.process is not None and self.process.poll() is None

    @property
    def memory(self) -> int:
        """How much memory it holds, in bytes."""
        size: int = psutil.Process(self.pid).memory_info().rss
        return size

    def last_words(self) -> str:
        """The end of what it has said."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([f"--- {self.name} ---", *lines[-LAST_LINES:]])

    def surprises(self) -> list[str]:
        """Every traceback that it has written since `forget`, with what stands before and after it."""
        text = self.log.read_text(errors="replace")[self._heard :] if self.log.exists() else ""
        return [text[max(found.start() - 500, 0) : found.start() + 6000] for found in re.finditer("Traceback", text)]

    def forget(self) -> None:
        """Lets bygones be bygones."""
        self._heard = len(self.log.read_text(errors="replace")) if self.log.exists() else 0

    def start(self) -> None:
        """Starts it where it is not running; that it has begun to work is for the caller to wait for."""
        if self.alive:
            return
        output: IO[bytes]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "duetime", self._part],
                cwd=self._cwd,
                env=clean_environment(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    async def kill(self) -> None:
        """SIGKILL."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        return await self._end(signal.SIGTERM)

    def pause(self) -> None:
        """SIGSTOP: it stands still, and its connections stay open."""
        assert self.process is not None, f"{self.name} is not running"
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: it goes on as if no time had passed."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    async def _end(self, number: signal.Signals) -> int:
        assert self.process is not None, f"{self.name} is not running"
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            return await asyncio.to_thread(process.wait, ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.name} did not end within {ENDS_WITHIN} s of {number.name}") from None
