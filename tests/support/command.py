"""The command `duetime` as a user runs it: a process of its own, with an environment of its own."""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from duetime.local_stack.stack import free_port
from jobs.settings import LOOPBACK
from tests.support.ordinary_user import OrdinaryUser
from tests.support.waiting import wait_for

ENDS_WITHIN = 60
READY_WITHIN = 60
KEPT = ("PATH", "HOME", "LANG", "COVERAGE_PROCESS_CONFIG")
"""The last one has coverage.py measure the process."""


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Nothing of ours but what finds programs and homes, and what a test gives; targets may be on loopback."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {"DUETIME_TARGETS_ALLOWED": LOOPBACK} | dict(environment)


def duetime(
    *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Runs a command to its end."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "duetime", *arguments],
        cwd=cwd,
        env=clean_environment(environment or {}),
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN,
        check=False,
    )


def write_key(*, cwd: Path, environment: Mapping[str, str]) -> str:
    """A new key of the scope write."""
    made = duetime("keys", "create", "--name", "me", "--scope", "write", cwd=cwd, environment=environment)
    return made.stdout.splitlines()[-1]


class Up:
    """A running `duetime up`."""

    def __init__(self, process: "subprocess.Popen[bytes]", output: Path, port: int) -> None:
        self.process = process
        self.output = output
        self.url = f"http://127.0.0.1:{port}"
        self.graphql = f"{self.url}/graphql"
        self.websocket = f"ws://127.0.0.1:{port}/graphql"
        self.rest = f"{self.url}/api/v1"

    @property
    def text(self) -> str:
        """What it has said so far, on stdout and stderr."""
        return self.output.read_text(errors="replace")

    def descendants(self) -> list[psutil.Process]:
        """Every process that it has started, and those that these have started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def wait_ready(self) -> None:
        """Waits until it says so. Fails with its output when it ends instead."""

        def ready() -> bool:
            assert self.process.poll() is None, f"`duetime up` ended with {self.process.returncode}:\n{self.text}"
            return "Duetime is ready" in self.text

        wait_for(ready, what="`duetime up` is ready", within=READY_WITHIN)

    def is_healthy(self) -> bool:
        """Whether its health page says so."""
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Asks it to stop; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(ENDS_WITHIN)

    def kill(self) -> None:
        """SIGKILL, to the command alone."""
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
    """Runs `duetime up` on a free port, and ends it, with all that it has started, when the test has not.

    As ourselves, or as another `user`; in our process group, or in its own one; as
    our child, or as that of a shell, which is then what `Up` knows.
    """
    port = port or free_port()
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        # It allows loopback targets by itself.
        own = {"DUETIME_DATA_DIR": str(data_dir), "PORT": str(port), "DUETIME_TARGETS_ALLOWED": ""}
        given = own | dict(environment or {})
        command = [user.python if user else sys.executable, "-P", "-m", "duetime", "up", *arguments]
        if through_shell:
            command = ["/bin/sh", "-c", f"{shlex.join(command)}; true"]
        with output.open("wb") as stream:
            process = subprocess.Popen(
                command,
                cwd="/" if user else folder,
                env=clean_environment(given | (user.environment if user else {})),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                user=user.account.uid if user else None,
                group=user.account.gid if user else None,
                extra_groups=[] if user else None,
                start_new_session=own_group,
            )
        up = Up(process, output, port)
        try:
            up.wait_ready()
            assert up.is_healthy()
            yield up
        finally:
            if process.poll() is None:
                up.stop()
