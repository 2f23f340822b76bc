"""Reads one line of shell: the words of its one command. What only a shell can do is refused."""

import re
from collections.abc import Mapping

from duetime.client.apply import reading
from duetime.client.importers.result import CannotTake

NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*)")
REDIRECTION = re.compile(r"(?:[0-9]|&)?>>?\s*(?:&[0-9-]|[^\s;|&<>]+)|<\s*/dev/null")
TRUE = re.compile(r"\|\|\s*(?:true|:)\s*$")
"""`|| true` at the end of a line makes a failure no failure."""


class Words:
    """The words of a line, as they are read."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.found: list[str] = []
        self._variables = variables
        self._word: str | None = None

    def add(self, text: str) -> None:
        """Add literal text to the present word. References of `apply` in it are escaped."""
        self._word = (self._word or "") + text

    def end(self) -> None:
        """End the present word, if there is one."""
        if self._word is not None:
            self.found.append(self._word)
        self._word = None

    @property
    def is_between(self) -> bool:
        """Whether no word has begun."""
        return self._word is None

    def variable(self, line: str, at: int) -> int:
        """Add the value of a variable whose $ is at an index, and return the index after it.

        A variable that the crontab does not set becomes a reference, whose value `apply` reads.
        """
        found = NAME.match(line, at + 1)
        if found is None:
            if line[at + 1 : at + 2] == "(":
                raise CannotTake("it uses the output of another command, $(…)")
            self.add("$")
            return at + 1
        name = found[1] or found[2]
        self.add(reading.escaped(self._variables[name]) if name in self._variables else f"${{{name}}}")
        return found.end()


def words(line: str, variables: Mapping[str, str]) -> list[str]:
    """Return the words of a line. Raises `CannotTake` for more than one command."""
    line = TRUE.sub("", line)
    read, at = Words(variables), 0
    while at < len(line):
        character = line[at]
        redirection = REDIRECTION.match(line, at) if read.is_between else None
        if redirection:
            at = redirection.end()
        elif character == "'":
            at = single_quoted(line, at, read)
        elif character == '"':
            at = double_quoted(line, at, read)
        elif character == "\\":
            at = escaped_character(line, at, read)
        elif character == "$":
            at = read.variable(line, at)
        elif character.isspace():
            read.end()
            at += 1
        else:
            check(line, at, read)
            read.add(character)
            at += 1
    read.end()
    return read.found


def check(line: str, at: int, read: Words) -> None:
    """Raise `CannotTake` for what is neither a word nor in quotes."""
    character = line[at]
    if character == "`":
        raise CannotTake("it uses the output of another command, `…`")
    if character == "|" and line[at + 1 : at + 2] != "|":
        raise CannotTake("it passes the output to another command by |")
    if character in ";|" or (character == "&" and line[at + 1 : at + 2] == "&"):
        raise CannotTake("it has more than one command")
    if character in "<>" or (character == "&" and line[at + 1 :].strip()):
        raise CannotTake(f"it has {character} outside of quotes")
    if character in "()" and read.is_between:
        raise CannotTake("it has a subshell")


def escaped_character(line: str, at: int, read: Words) -> int:
    """Add the character after a backslash, and return the index after it. A $ before a brace is doubled."""
    character = line[at + 1 : at + 2]
    read.add("$$" if character == "$" and line[at + 2 : at + 3] == "{" else character)
    return at + 2


def single_quoted(line: str, at: int, read: Words) -> int:
    """Add what single quotes enclose, and return the index after them."""
    end = line.find("'", at + 1)
    if end < 0:
        raise CannotTake("a quote is not closed")
    read.add(reading.escaped(line[at + 1 : end]))
    return end + 1


def double_quoted(line: str, at: int, read: Words) -> int:
    """Add what double quotes enclose, and return the index after them."""
    read.add("")
    at += 1
    while at < len(line) and line[at] != '"':
        if line[at] == "\\" and line[at + 1 : at + 2] in {'"', "\\", "$", "`"}:
            at = escaped_character(line, at, read)
        elif line[at] == "$":
            at = read.variable(line, at)
        elif line[at] == "`":
            raise CannotTake("it uses the output of another command, `…`")
        else:
            read.add(line[at])
            at += 1
    if at >= len(line):
        raise CannotTake("a quote is not closed")
    return at + 1
