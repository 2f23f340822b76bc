"""Runs the command `duetime` as users do, in a process with its own environment, or within the test's process."""

import io
import logging
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import psutil

from duetime import command
from jobs.settings import LOOPBACK
from tests.support import forked
from tests.support.forked import ForkedProcess
from tests.support.ordinary_user import OrdinaryUser
from tests.support.ports import free_port
from tests.support.waiting import wait_for

ENDS_WITHIN = 60
READY_WITHIN = 60
KEPT = ("PATH", "HOME", "LANG")


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a minimal environment with the given variables. It allows loopback targets."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {"DUETIME_TARGETS_ALLOWED": LOOPBACK} | dict(environment)


def duetime(
    *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `duetime` with these arguments until it ends."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "duetime", *arguments],
        cwd=cwd,
        env=clean_environment(environment or {}),
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN,
        check=False,
    )


@contextmanager
def interrupts_handled() -> Iterator[None]:
    """Do not ignore interrupts until the block ends, as tests in the background do, whose processes inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def duetime_started(*arguments: str, cwd: Path, environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    """Start `duetime` with these arguments. It can be interrupted, and its output is read through pipes."""
    with interrupts_handled():
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "duetime", *arguments],
            cwd=cwd,
            env=clean_environment(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def duetime_in_process(
    *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None, stdin: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run `duetime` with these arguments until it ends, like `duetime`, but within this process.

    It takes a second less, because nothing has to be imported. It runs an event loop, so asynchronous tests call it in
    a thread.
    """
    status = 0
    with (
        patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")),
        patch.dict(os.environ, clean_environment(environment or {}), clear=True),
        chdir(cwd),
        redirect_stdout(io.StringIO()) as stdout,
        redirect_stderr(io.StringIO()) as stderr,
        logging_restored(),
    ):
        try:
            command.main(arguments)
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return subprocess.CompletedProcess(["duetime", *arguments], status, stdout.getvalue(), stderr.getvalue())


@contextmanager
def logging_restored() -> Iterator[None]:
    """Undo at the end what `duetime.logs.configure` changes."""
    root = logging.getLogger()
    loggers = [root, *(found for found in root.manager.loggerDict.values() if isinstance(found, logging.Logger))]
    levels = [(logger, logger.level) for logger in loggers]
    with patch.object(root, "handlers", []), patch.object(sys, "unraisablehook", sys.unraisablehook):
        try:
            yield
        finally:
            logging.captureWarnings(capture=False)
            for logger, level in levels:
                logger.setLevel(level)


class Up:
    """A running `duetime up`."""

    def __init__(self, process: "ForkedProcess | subprocess.Popen[bytes]", output: Path, port: int) -> None:
        self.process = process
        self.output = output
        self.url = f"http://127.0.0.1:{port}"
        self.graphql = f"{self.url}/graphql"
        self.websocket = f"ws://127.0.0.1:{port}/graphql"
        self.rest = f"{self.url}/api/v1"

    @property
    def text(self) -> str:
        """Return its output so far, on stdout and stderr."""
        return self.output.read_text(errors="replace")

    def descendants(self) -> list[psutil.Process]:
        """Return all its child processes and their descendants."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def wait_ready(self) -> None:
        """Wait until it reports that it is ready. Fail with its output if it ends instead."""

        def ready() -> bool:
            assert self.process.poll() is None, f"`duetime up` ended with {self.process.returncode}:\n{self.text}"
            return "Duetime is ready" in self.text

        wait_for(ready, what="`duetime up` is ready", within=READY_WITHIN)

    def is_healthy(self) -> bool:
        """Return whether its health check responds with 200."""
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal, and return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(ENDS_WITHIN)

    def kill(self) -> None:
        """Send SIGKILL to the command alone."""
        self.process.kill()
        self.process.wait(ENDS_WITHIN)


@contextmanager
def duetime_up(
    data_dir: Path,
    *,
    environment: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
    user: OrdinaryUser | None = None,
    port: int | None = None,
    own_group: bool = False,
    through_shell: bool = False,
) -> Iterator[Up]:
    """Run `duetime up`, and stop it at the end if the test has not.

    Without a `port` it uses a free one. With `user` it runs as that user, and with `own_group` in a new process group.
    With `through_shell` a shell is its parent, and `Up.process` is the shell.
    """
    port = port or free_port()
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        # The empty list proves that `up` allows loopback targets by itself.
        defaults = {"DUETIME_DATA_DIR": str(data_dir), "PORT": str(port), "DUETIME_TARGETS_ALLOWED": ""}
        settings = defaults | dict(environment or {})
        variables = clean_environment(settings | (user.environment if user else {}))
        process: ForkedProcess | subprocess.Popen[bytes]
        with output.open("wb") as stream:
            if user or own_group or through_shell:
                command = [user.python if user else sys.executable, "-P", "-m", "duetime", "up", *arguments]
                process = subprocess.Popen(
                    ["/bin/sh", "-c", f"{shlex.join(command)}; true"] if through_shell else command,
                    cwd="/" if user else folder,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    user=user.os_user.uid if user else None,
                    group=user.os_user.gid if user else None,
                    extra_groups=[] if user else None,
                    start_new_session=own_group,
                )
            else:
                process = forked.start("up", *arguments, environment=variables, cwd=Path(folder), output=stream)
        up = Up(process, output, port)
        try:
            up.wait_ready()
            assert up.is_healthy()
            yield up
        finally:
            if process.poll() is None:
                up.stop()
