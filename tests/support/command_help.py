"""Writes the part of docs/cli.md that is the commands' own help: `python -m tests.support.command_help`."""

import argparse
import io
import os
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from unittest.mock import patch

import typer

from duetime import command
from duetime.cli import parser
from duetime.client.completion import commands_of
from duetime.client.main import application

GUIDE = Path(__file__).parents[2] / "docs" / "cli.md"
HEADING = "## All commands\n"
COLUMNS = "100"


def names_of_client(app: typer.Typer, *, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the commands of the client, in the order of their help."""
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from names_of_client(group.typer_instance, above=(*above, str(group.name)))
    for each in app.registered_commands:
        yield (*above, str(each.name))


def names_of_servers(found: argparse.ArgumentParser, *, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the commands of servers."""
    for name, below, _ in commands_of(found):
        if any(commands_of(below)):
            yield from names_of_servers(below, above=(*above, name))
        else:
            yield (*above, name)


def help_of(*names: str) -> str:
    """Return the help of a command."""
    with (
        patch.dict(os.environ, {"COLUMNS": COLUMNS, "NO_COLOR": "1"}),
        redirect_stdout(io.StringIO()) as printed,
        suppress(SystemExit),
    ):
        command.main([*names, "--help"])
    return "\n".join(line.rstrip() for line in printed.getvalue().strip().splitlines())


def reference() -> str:
    """Return the help of all commands as Markdown."""
    client = sorted(names_of_client(application()))
    servers = [names for names in names_of_servers(parser()) if names[0] not in {each[0] for each in client}]
    parts = [((), help_of()), *((names, help_of(*names)) for names in (*client, *servers))]
    sections = (f"### {' '.join(('duetime', *names))}\n\n```text\n{text}\n```\n" for names, text in parts)
    return f"{HEADING}\n" + "\n".join(sections)


def main() -> None:
    """Write the part of the guide."""
    above = GUIDE.read_text("utf-8").partition(HEADING)[0]
    GUIDE.write_text(above + reference(), "utf-8")


if __name__ == "__main__":
    main()
