"""docs/cli.md and the README: their commands print what the pages show, and the reference is the commands' own help."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.conftest import Service
from tests.support import command_help

SHOWN_URL = "http://127.0.0.1:8080"
README = command_help.GUIDE.parents[1] / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\S+\.(?:yaml|txt))\n")
"""The first line of a block that is a file."""
ASSIGNMENT = re.compile(r"([A-Z_]+)=(.*)", re.DOTALL)
VARYING = (
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"), "INSTANT"),
    (re.compile(r"\b\d+ ms\b|\b\d+\.\d+s\b"), "DURATION"),
    (re.compile(r"\(secret [0-9a-f]{8}\)"), "(secret)"),
    (re.compile(r" +"), " "),
)


def comparable(text: str) -> str:
    """Return an output without what differs each time."""
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return "\n".join(line.strip() for line in text.splitlines())


def transcripts(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command with the output that a page shows."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def run(service: Service, line: str) -> str:
    """Run a line of the page, and return what it prints on stdout and then on stderr."""
    words, environment = shlex.split(line.replace(SHOWN_URL, service.url)), {}
    while assignment := ASSIGNMENT.fullmatch(words[0]):
        environment[assignment[1]] = assignment[2]
        del words[0]
    is_silent = words[-2:] == [">", "/dev/null"]
    assert words[0] == "duetime"
    result = service.run(*words[1 : -2 if is_silent else None], environment=environment)
    return (("" if is_silent else result.stdout) + result.stderr).replace(service.url, SHOWN_URL)


@pytest.mark.parametrize("page", [command_help.GUIDE, README], ids=lambda page: page.name)
def test_commands_print_what_the_pages_show(service: Service, page: Path) -> None:
    """Ids, instants, durations and the marks of secrets differ each time."""
    commands = 0
    for kind, block in BLOCK.findall(page.read_text("utf-8")):
        if file := FILE.match(block):
            (service.folder / file[1]).write_text(block.replace(SHOWN_URL, service.url))
        for line, shown in transcripts(block) if kind == "console" else ():
            assert comparable(run(service, line)) == comparable(shown), line
            commands += 1
    assert commands >= 2
    service.run("tasks", "delete", "--where", "tags=owner:billing", "--yes")


def test_the_reference_is_the_help_of_the_commands() -> None:
    """`make schema` writes it."""
    assert command_help.GUIDE.read_text("utf-8").endswith(command_help.reference())
