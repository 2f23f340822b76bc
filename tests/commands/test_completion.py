"""Completion, in the shells themselves."""

import os
import pty
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.commands.conftest import Service
from tests.support.command import ENDS_WITHIN, clean_environment
from tests.support.waiting import wait_for

BASH = """
eval "$(duetime completion bash)"
COMP_WORDS=(duetime tasks pa); COMP_CWORD=2; _duetime_completion duetime; echo "${COMPREPLY[@]}"
COMP_WORDS=(duetime keys create --sc); COMP_CWORD=3; _duetime_completion duetime; echo "${COMPREPLY[@]}"
"""
FISH = """
duetime completion fish | source
complete --do-complete "duetime tasks pa" | cut -f 1
complete --do-complete "duetime keys create --sc" | cut -f 1
"""
ZSH = """
PS1='READY''> '; autoload -Uz compinit; compinit -u -D; eval "$(duetime completion zsh)"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment whose first command `duetime` is the one under test."""
    command = tmp_path / "duetime"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m duetime "$@"\n')
    command.chmod(0o755)
    return clean_environment({"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "xterm"})


def needs(shell: str) -> pytest.MarkDecorator:
    """Return the mark of a test that needs a shell."""
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


@pytest.mark.parametrize(
    ("words", "script"),
    [
        pytest.param(("bash", "--norc"), BASH, marks=needs("bash"), id="bash"),
        pytest.param(("fish", "--no-config"), FISH, marks=needs("fish"), id="fish"),
    ],
)
def test_bash_and_fish_complete(environment: dict[str, str], words: tuple[str, ...], script: str) -> None:
    """Commands of the client, and options of the commands of servers."""
    result = subprocess.run(
        [*words, "-c", script], env=environment, capture_output=True, text=True, timeout=ENDS_WITHIN, check=False
    )
    assert result.stdout == "pause\n--scope\n", result


@needs("zsh")
def test_zsh_completes(environment: dict[str, str]) -> None:
    """At a terminal, because it completes nowhere else."""
    master, slave = pty.openpty()
    output = bytearray()

    def read() -> None:
        try:
            while chunk := os.read(master, 10_000):
                output.extend(chunk)
        except OSError:
            # Linux reports the end of a pseudoterminal in this way.
            return

    def typed(text: bytes, expected: bytes) -> None:
        output.clear()
        os.write(master, text)
        wait_for(lambda: expected in output, what=f"the terminal shows {expected!r}", within=ENDS_WITHIN)

    with subprocess.Popen(
        ["zsh", "-f", "-i"], stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
    ) as process:
        os.close(slave)
        reader = threading.Thread(target=read)
        reader.start()
        try:
            typed(ZSH.encode(), b"READY> ")
            # Ctrl-A and Ctrl-E go to the ends of the line, so the shell prints what it has completed.
            typed(b"duetime tasks pa\t\x01echo \x05\n", b"\nduetime tasks pause")
            typed(b"duetime keys create --sc\t\x01echo \x05\n", b"\nduetime keys create --scope")
        finally:
            process.kill()
    reader.join()
    os.close(master)


def test_the_command_says_how_a_line_can_go_on(service: Service) -> None:
    """The scripts of the shells ask it, and it knows all commands, options and choices."""
    assert service.run("completion", "sh").stderr == (
        "duetime: there is no completion for 'sh'; there is one for bash, zsh, fish\n"
    )
    for shell in ("bash", "zsh", "fish"):
        assert "_DUETIME_COMPLETE" in service.output("completion", shell)
    for words, expected in (
        ("duetime ta", "tasks"),
        ("duetime completion z", "zsh"),
        ("duetime stats --bucket m", "minute"),
        ("duetime keys create --sc", "--scope"),
        ("duetime keys create --scope r", "read"),
    ):
        count = str(len(words.split()) - 1)
        asked = {"_DUETIME_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": count}
        assert service.run(environment=asked).stdout.split() == [expected]
