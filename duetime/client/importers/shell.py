"""Reads a line of shell: its one command, with its words. What only a shell can do is refused."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from duetime.client.apply import reading
from duetime.client.importers.result import CannotTake

VARIABLE = re.compile(r"\{([A-Za-z_]\w*)(?::-([^}$`\"'\\]*))?\}|([A-Za-z_]\w*)", re.ASCII)
"""What can follow a $: a name in braces, perhaps with a default, or a name."""
ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.ASCII | re.DOTALL)
OUTPUT = re.compile(r"[0-9&]?>>?(?:&[0-9-](?=$|[\s;|&<>]))?")
"""A redirection of output; with &N it needs no file."""
NOWHERE = "/dev/null"
TRUE = re.compile(r"\|\|\s*(?:true|:|exit 0)\s*$")
"""`|| true` at the end of a line makes a failure no failure."""
WITHOUT_EFFECT = {"cd", "set", "true", ":"}
"""Commands that change nothing about a call that follows."""


@dataclass(slots=True)
class Command:
    """The words of a command, and the files to which its output goes."""

    words: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def command(line: str, variables: Mapping[str, str]) -> Command:
    """Return the one command of a line. Raises `CannotTake`.

    A variable without a value among `variables` becomes a reference, whose value `apply` reads.
    """
    found = [each for each in Reader(TRUE.sub("", line.strip()), variables).commands() if not is_preparation(each)]
    if len(found) != 1:
        raise CannotTake("it has more than one command" if found else "it runs nothing")
    return found[0]


def is_preparation(given: Command) -> bool:
    """Return whether a command changes nothing about the call. Raises `CannotTake` for one that waits."""
    if given.words[0] == "sleep":
        raise CannotTake("it sleeps before the call; a cron expression has no seconds, and jitterMs spreads calls")
    return given.words[0] in WITHOUT_EFFECT


def literal(text: str) -> str:
    """Return the text that words without references stand for. Raises `CannotTake` if there is a reference."""
    for found in reading.REFERENCE.finditer(text):
        if not found[1]:
            raise CannotTake(f"it encodes the variable {found[2]}, whose value is not known here")
    return unescaped(text)


def unescaped(text: str) -> str:
    """Return a text with its references, and with what is escaped as it was."""
    return reading.REFERENCE.sub(lambda found: found.group()[1:] if found[1] else found.group(), text)


class Reader:
    """Reads a line from left to right. In what it finds, only unknown variables are references of `apply`."""

    def __init__(self, line: str, variables: Mapping[str, str]) -> None:
        self._line = line
        self._at = 0
        self._variables = {name: reading.escaped(value) for name, value in variables.items()}
        self._word: str | None = None
        self._target: str | None = None
        self._command = Command()
        self._found: list[Command] = []

    def commands(self) -> list[Command]:
        """Return the commands of the line. Raises `CannotTake`."""
        readers = {"'": self._single_quoted, '"': self._double_quoted, "\\": self._backslash, "`": self._substitution}
        while self._at < len(self._line):
            character = self._line[self._at]
            if character == "$":
                self._variable(quoted=False)
            elif character in readers:
                readers[character]()
            elif character == "#" and self._word is None:
                # The rest of the line is a comment.
                self._at = (self._line + "\n").index("\n", self._at)
            elif character in "<>&;|()\n" or (self._word is None and OUTPUT.match(self._line, self._at)):
                self._operator(character)
            elif character.isspace():
                self._end_word()
                self._at += 1
            else:
                self._add(character)
                self._at += 1
        self._end_command()
        return self._found

    def _add(self, text: str) -> None:
        """Add text to the present word."""
        self._word = (self._word or "") + text

    def _end_word(self) -> None:
        """End the present word, if there is one."""
        word, self._word = self._word, None
        target, self._target = (self._target, None) if word is not None else (None, self._target)
        if word is None:
            return
        if target is None:
            self._command.words.append(word)
        elif target == ">":
            self._command.files += [word] if word != NOWHERE else []
        elif word != NOWHERE:
            raise CannotTake(f"its input is in a file of that machine, {word}")

    def _end_command(self) -> None:
        """End the present command. One that only sets variables sets them."""
        self._end_word()
        if self._target is not None:
            raise CannotTake("a redirection has no file")
        ended, self._command = self._command, Command()
        words = ended.words[1:] if ended.words[:1] == ["export"] else ended.words
        assignments = [ASSIGNMENT.fullmatch(word) for word in words]
        if not all(assignments):
            self._found.append(ended)
        self._variables |= {found[1]: found[2] for found in assignments if found}

    def _operator(self, character: str) -> None:
        """Read what ends a word or a command, or refuse it."""
        rest = self._line[self._at + 1 :]
        if character in ";\n" or (character == "&" and (rest.startswith("&") or not rest.strip())):
            self._end_command()
            self._at += 1 + (character == "&" and rest.startswith("&"))
        elif character == "|":
            raise CannotTake(
                "it has more than one command"
                if rest.startswith("|")
                else "it passes the output to another command by |"
            )
        elif character == "(":
            raise CannotTake("it has a subshell")
        elif character == "<" and not rest.startswith("<"):
            self._end_word()
            self._target, self._at = "<", self._at + 1
        elif output := OUTPUT.match(self._line, self._at):
            self._end_word()
            self._target = ">" if output.group().endswith(">") else None
            self._at = output.end()
        else:
            raise CannotTake(f"it has {character} outside of quotes")

    def _substitution(self) -> None:
        """Refuse what another command prints."""
        raise CannotTake("it uses the output of another command, `…`")

    def _backslash(self) -> None:
        """Add the character after a backslash; a backslash at the end of a line joins it with the next one."""
        character = self._line[self._at + 1 : self._at + 2]
        if character != "\n":
            self._add("$$" if character == "$" and self._line[self._at + 2 : self._at + 3] == "{" else character)
        self._at += 2

    def _single_quoted(self) -> None:
        """Add what single quotes enclose."""
        end = self._line.find("'", self._at + 1)
        if end < 0:
            raise CannotTake("a quote is not closed")
        self._add(reading.escaped(self._line[self._at + 1 : end]))
        self._at = end + 1

    def _double_quoted(self) -> None:
        """Add what double quotes enclose."""
        self._add("")
        self._at += 1
        while (character := self._line[self._at : self._at + 1]) != '"':
            if not character:
                raise CannotTake("a quote is not closed")
            if character == "\\" and self._line[self._at + 1 : self._at + 2] in {'"', "\\", "$", "`", "\n"}:
                self._backslash()
            elif character == "$":
                self._variable(quoted=True)
            elif character == "`":
                self._substitution()
            else:
                self._add(character)
                self._at += 1
        self._at += 1

    def _variable(self, *, quoted: bool) -> None:
        """Add the value of a variable, or a reference to it. Without quotes, spaces of the value separate words."""
        found = VARIABLE.match(self._line, self._at + 1)
        if found is None:
            self._no_variable(self._line[self._at + 1 : self._at + 3])
            self._add("$")
            self._at += 1
            return
        name, default = found[1] or found[3], found[2]
        if name == "RANDOM":
            raise CannotTake("it uses a random number")
        if name in self._variables:
            value = self._variables[name] or default or ""
        else:
            value = f"${{{name}}}" if default is None else f"${{{name}:-{default}}}"
        self._at = found.end()
        if quoted:
            self._add(value)
            return
        for number, part in enumerate(re.split(r"\s+", value)):
            if number:
                self._end_word()
            if part:
                self._add(part)

    def _no_variable(self, following: str) -> None:
        """Refuse what a shell computes after a $ that begins no variable."""
        if following.startswith("(("):
            raise CannotTake("it computes a number, $((…))")
        if following.startswith("("):
            raise CannotTake("it uses the output of another command, $(…)")
        if following.startswith("{"):
            raise CannotTake("it changes the value of a variable, ${…}")
        if following[:1] and following[0] in "0123456789?@*#!$-'":
            raise CannotTake(f"it uses ${following[0]}, which only a shell knows")
