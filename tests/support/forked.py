"""Starts processes of Duetime by a fork server, which every process of pytest-xdist starts when it first needs one."""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

from tests.support import fork_server

FOR_NEW_PROCESSES = ("PYTHON", "LD_", "DYLD_", "COVERAGE_")
"""How variables begin that take effect only at the start of Python."""
CLOSES_WITHIN = 10


class ForkedProcess:
    """A process that the fork server has started. It has the methods of `subprocess.Popen` that tests use."""

    def __init__(self, arguments: Sequence[str], caller: socket.socket) -> None:
        self.returncode: int | None = None
        self._arguments = arguments
        self._caller = caller
        self.pid = self._receive()

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the process has ended, and return its exit status. Raise TimeoutExpired if it does not in time."""
        if self.returncode is None:
            self._caller.settimeout(timeout)
            try:
                self.returncode = self._receive()
            except (BlockingIOError, TimeoutError):
                raise subprocess.TimeoutExpired(self._arguments, timeout or 0) from None
            self._caller.close()
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send the process a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _receive(self) -> int:
        number: int
        [number] = fork_server.NUMBER.unpack(self._caller.recv(fork_server.NUMBER.size))
        return number


def start(
    *arguments: str, environment: Mapping[str, str], cwd: Path, output: IO[bytes]
) -> "ForkedProcess | subprocess.Popen[bytes]":
    """Start `duetime` with these arguments. Its standard output and error go to the file."""
    if any(name.startswith(FOR_NEW_PROCESSES) for name in environment):
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "duetime", *arguments],
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    caller, theirs = socket.socketpair()
    with theirs:
        socket.send_fds(channel(), [b"+"], [output.fileno(), theirs.fileno()])
    request = {"arguments": arguments, "environment": dict(environment), "cwd": str(cwd)}
    caller.sendall(json.dumps(request).encode() + b"\n")
    return ForkedProcess(arguments, caller)


@cache
def channel() -> socket.socket:
    """Start the fork server of this process, and return the socket to which requests go."""
    ours, theirs = socket.socketpair()
    with theirs:
        # In a session of its own it gets no Ctrl-C, on which the tests stop their processes in order.
        server = subprocess.Popen(
            [sys.executable, "-P", "-m", fork_server.__name__, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )

    def end() -> None:
        ours.close()
        server.wait(CLOSES_WITHIN)

    atexit.register(end)
    return ours
