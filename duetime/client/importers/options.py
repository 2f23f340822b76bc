"""Reads the options of a command line as getopt does."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from duetime.client.importers.result import CannotTake


class Syntax(NamedTuple):
    """The options of a program: those of one letter with their long names, and which have a value."""

    flags: Mapping[str, str]
    flag_values: Mapping[str, str]
    long_values: set[str]


def options(words: Sequence[str], syntax: Syntax) -> Iterator[tuple[str | None, str]]:
    """Yield the options by their long names with their values, and arguments without a name. Raises `CannotTake`."""
    rest = iter(words)

    def following(option: str) -> str:
        value = next(rest, None)
        if value is None:
            raise CannotTake(f"{option} has no value")
        return value

    for word in rest:
        if word == "--":
            yield from ((None, each) for each in rest)
        elif word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            yield name, value if equals else following(word) if name in syntax.long_values else ""
        elif word.startswith("-") and len(word) > 1:
            for at in range(1, len(word)):
                flag = f"-{word[at]}"
                if flag in syntax.flag_values:
                    yield syntax.flag_values[flag], word[at + 1 :] or following(flag)
                    break
                yield syntax.flags.get(flag, flag), ""
        else:
            yield None, word
