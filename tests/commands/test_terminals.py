"""What the commands print where the output is no wide UTF-8 terminal: pipes that close, full disks, other encodings."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from tests.commands.conftest import Service
from tests.support.command import ENDS_WITHIN, clean_environment

COMMAND = [sys.executable, "-P", "-m", "duetime"]
NAME = "\u65e5\u672c \xfc \U0001f469\u200d\U0001f467"
ASCII = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(scope="module")
def task(service: Service) -> str:
    """Return the external id of a task whose name has characters that not every terminal has."""
    create = ("tasks", "create", "--name", NAME, "--url", service.target, "--every", "24h")
    service.output(*create, "--external-id", "terminal", "--tag", "terminal")
    return "terminal"


def shell(service: Service, line: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a line of bash, in which `duetime` is the command."""
    return subprocess.run(
        ["bash", "-c", f'duetime() {{ {sys.executable} -P -m duetime "$@"; }}; {line}'],
        env=clean_environment(service.environment(**environment)),
        cwd=service.folder,
        capture_output=True,
        timeout=ENDS_WITHIN,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments", ["tasks list", "tasks list --json", "export --where tags=terminal", "tasks preview --every 1h"]
)
def test_a_reader_may_leave(service: Service, task: str, arguments: str) -> None:
    """`duetime … | head` is no failure, however little there is to print."""
    result = shell(service, f"duetime {arguments} | true; exit ${{PIPESTATUS[0]}}")
    assert (result.returncode, result.stderr) == (0, b""), task


@pytest.mark.parametrize(
    ("redirection", "message"),
    [(">/dev/full", b"the output cannot be written: No space left on device"), (">&-", b"stdout is closed")],
)
def test_output_that_is_lost_is_a_failure(service: Service, task: str, redirection: str, message: bytes) -> None:
    """It is one line, like any other failure."""
    result = shell(service, f"duetime tasks show {task} {redirection}")
    assert (result.returncode, result.stderr) == (1, b"duetime: " + message + b"\n")


def test_a_terminal_without_unicode_shows_escapes_and_files_are_utf_8(service: Service, task: str) -> None:
    """JSON and YAML are read by programs, and by `apply`, which reads UTF-8; so is stdin."""
    where = "--where tags=terminal"
    shown = shell(service, f"duetime tasks list {where}", **ASCII)
    assert shown.returncode == 0, shown
    assert NAME.encode("ascii", "backslashreplace") in shown.stdout
    printed = shell(service, f"duetime tasks list {where} --json", **ASCII)
    assert [each["name"] for each in json.loads(printed.stdout)] == [NAME]
    compared = shell(service, f"duetime export {where} | duetime diff -f -", **ASCII)
    assert compared.stdout.endswith(b"0 to create, 0 to change, 0 to delete, 1 unchanged.\n"), (task, compared)
    invalid = shell(service, r"printf 'externalId: \xff' | duetime diff -f -", **ASCII)
    assert (invalid.returncode, invalid.stderr) == (2, b"duetime: stdin is not UTF-8\n")


@pytest.mark.parametrize("columns", [40, 80])
def test_a_narrow_terminal_cuts_nothing_off(service: Service, task: str, columns: int) -> None:
    """Ids are there in full, to be copied, and so is every column."""
    service.output("tasks", "run", task, "--wait")
    [run, *_] = json.loads(service.output("runs", "list", "--task", task, "--json"))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(
        [*COMMAND, "runs", "list", "--task", task, "--limit", "1"],
        env=clean_environment(service.environment(TERM="xterm")),
        cwd=service.folder,
        stdout=slave,
    ):
        os.close(slave)
        output = b""
        try:
            while chunk := os.read(master, 10_000):
                output += chunk
        except OSError:
            # Linux reports the end of a pseudoterminal in this way.
            pass
    os.close(master)
    [headings, row] = ESCAPES.sub("", output.decode()).splitlines()
    assert headings.split() == ["RUN", "TASK", "STATE", "SCHEDULED", "FOR", "LATE", "BY", "RESULT", "DURATION"]
    assert row.split()[:3] == [run["id"], task, "SUCCEEDED"]
