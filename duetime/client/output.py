"""Output of commands: tables for people, JSON for programs."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from io import TextIOWrapper
from typing import IO, Any

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from duetime.client import digits

UNLIMITED = 100_000
"""The width without a terminal, so that nothing is cut off."""
FLEXIBLE = {"NAME", "RESULT", "TRIGGER"}
"""Columns that take several lines where a terminal is narrow."""
NARROWEST = 8
"""The width of a flexible column below which no table is readable."""
GAP = 2
"""Spaces between columns."""
JOINERS = {"\N{ZERO WIDTH JOINER}", "\N{ZERO WIDTH NON-JOINER}"}
"""Parts of words and emoji that Python does not count as printable."""
STYLES = {
    **dict.fromkeys(("SUCCEEDED", "SCHEDULED", "CREATED"), "green"),
    **dict.fromkeys(("FAILED", "ATTEMPT_FAILED", "ATTEMPT_LOST", "UNKNOWN", "MISSED", "DELETED"), "red"),
    **dict.fromkeys(("RUNNING", "STARTED"), "cyan"),
    **dict.fromkeys(("RETRYING", "QUEUED", "PAUSED", "SKIPPED", "UPDATED"), "yellow"),
    **dict.fromkeys(("CANCELLED", "COMPLETED", "UNCHANGED"), "dim"),
}


class OutputClosedError(Exception):
    """The reader of the output, such as `head`, has closed the pipe."""


class Screen(Console):
    """A console that reports a closed pipe in the same way as `write`."""

    def on_broken_pipe(self) -> None:
        """Raise `OutputClosedError`."""
        raise OutputClosedError


def prepare() -> None:
    """Let stdout and stderr show what their encoding lacks as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def console(file: IO[str]) -> Console:
    """Return a console for a file: coloured and as wide as the terminal if the file is one, and at full width
    otherwise. rich respects NO_COLOR, FORCE_COLOR and TERM.
    """
    terminal = file.isatty()
    return Screen(file=file, width=None if terminal else UNLIMITED, highlight=False, markup=False, emoji=False)


def write(text: str) -> None:
    """Write a text to stdout as it is. Raises `OutputClosedError`."""
    try:
        sys.stdout.write(text)
    except BrokenPipeError:
        raise OutputClosedError from None


def write_file(text: str) -> None:
    """Write JSON or YAML to stdout in UTF-8, whatever the locale. Raises `OutputClosedError`."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    write(text)


def flush() -> None:
    """Write what stdout has buffered. Raises `OutputClosedError`."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise OutputClosedError from None


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    write_file(f"{digits.indented(value)}\n")


def print_json_line(value: Any) -> None:
    """Print a value as JSON in one line, at once."""
    write_file(f"{digits.written(value)}\n")
    flush()


def say(text: str) -> None:
    """Print a line for people on stdout."""
    console(sys.stdout).print(shown(text), soft_wrap=True)


def tell(text: str) -> None:
    """Print a line for people on stderr."""
    console(sys.stderr).print(shown(text), soft_wrap=True)


def print_styled(text: str, style: str) -> None:
    """Print a line in a style, where there is a terminal for it."""
    line, screen = shown(text), console(sys.stdout)
    if screen.is_terminal:
        line.stylize(style)
        screen.print(line, soft_wrap=True)
    else:
        # A plan can have thousands of lines, and rich takes a fifth of a millisecond for each.
        write(f"{line.plain}\n")


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table. Where a terminal is too narrow for it, nothing is cut off, and the terminal breaks the lines."""
    cells = [[*map(shown, row)] for row in rows]
    widths = [max(cell_len(each.plain) for each in column) for column in zip(map(Text, headings), *cells, strict=True)]
    least = sum(
        min(width, NARROWEST) if heading in FLEXIBLE else width for heading, width in zip(headings, widths, strict=True)
    )
    gaps = GAP * len(headings)
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading not in FLEXIBLE)
    for row in cells:
        table.add_row(*row)
    print_lines(table, width=sum(widths) + gaps if least + gaps > console(sys.stdout).width else None)


def print_members(members: Iterable[tuple[str, Any]]) -> None:
    """Print names with their values; those without a value are left out."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in members:
        if value not in (None, "", [], {}):
            table.add_row(Text(name), shown(value))
    print_lines(table)


def print_lines(table: Table, *, width: int | None = None) -> None:
    """Print a table, without trailing spaces if the output is not a terminal. Lines of a `width` may be longer than
    those of the terminal."""
    screen = console(sys.stdout)
    if screen.is_terminal:
        screen.width = width or screen.width
        screen.print(table)
        return
    with screen.capture() as capture:
        screen.print(table)
    for line in capture.get().splitlines():
        write(f"{line.rstrip()}\n")


def shown(value: Any) -> Text:
    """Return a value as text without control characters; a state is coloured."""
    if value is None:
        return Text("-", style="dim")
    text = str(value)
    printable = "".join(
        character
        if character.isprintable() or character == "\n" or character in JOINERS
        else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )
    return Text(printable, style=STYLES.get(text, ""))


def instant(value: str | None) -> str | None:
    """Return an instant of the API in the local time zone, to the second."""
    if value is None:
        return None
    found = datetime.fromisoformat(value).astimezone()
    zone = "Z" if found.utcoffset() == datetime.now(UTC).utcoffset() else found.strftime("%z")
    return f"{found:%Y-%m-%d %H:%M:%S}{zone}"


def duration(milliseconds: int | None) -> str | None:
    """Return a duration in the units that people use."""
    if milliseconds is None:
        return None
    if milliseconds < 1_000:
        return f"{milliseconds} ms"
    parts, rest = [], milliseconds
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    if rest:
        parts.append(f"{rest / 1_000:.3f}".rstrip("0").rstrip(".") + "s")
    return "".join(parts)


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Progress]:
    """Show the progress of long work, on stderr if that is a terminal. `advance` the only task of the progress, 0."""
    screen = console(sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as shown_progress:
        shown_progress.add_task(what, total=total)
        yield shown_progress
