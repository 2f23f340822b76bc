"""Reads the commands that run another one, such as flock and timeout: what they mean for a task."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from duetime.client.importers import shell
from duetime.client.importers.result import CannotTake

WITHOUT_EFFECT: dict[str, set[str]] = {
    "chronic": set(), "command": set(), "cronic": set(), "env": {"-u", "--unset"}, "exec": {"-a"},
    "ionice": {"-c", "-n", "--class", "--classdata"}, "nice": {"-n", "--adjustment"}, "nohup": set(), "setsid": set(),
    "sudo": {"-u", "-g", "--user", "--group"}, "time": {"-f", "-o"},
}  # fmt: skip
"""Commands that change nothing about the request of the one that they run, with their options that have a value."""
SHELLS = {"ash", "bash", "dash", "ksh", "sh", "zsh"}
PROXIES = re.compile(r"(?:https?|all|no)_proxy", re.IGNORECASE)
DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd]?)")
UNITS = {"": 1_000, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
WAITS = "without -n, flock lets every run wait; with the overlap QUEUE one waits, and further ones are skipped"


@dataclass(slots=True)
class Wrapped:
    """A command without those that run it, and what they mean for a task."""

    words: list[str]
    files: list[str]
    overlap: str | None = None
    lock: str | None = None
    """The file by which flock keeps runs apart."""
    within_ms: int | None = None
    """How long all attempts together may take."""
    notes: list[str] = field(default_factory=list)

    def options(self, with_values: set[str]) -> dict[str, str]:
        """Remove the options at the beginning, and return them with their values."""
        found: dict[str, str] = {}
        while self.words and self.words[0].startswith("-") and self.words[0] != "-":
            name, equals, value = self.words.pop(0).partition("=")
            if name == "--":
                break
            if not equals and not name.startswith("--") and name[:2] in with_values and name[2:]:
                name, value = name[:2], name[2:]
            elif not equals and name in with_values:
                value = self.next(f"{name} has no value")
            found[name] = value
        return found

    def next(self, missing: str) -> str:
        """Remove the first word and return it. Raises `CannotTake` if there is none."""
        if not self.words:
            raise CannotTake(missing)
        return self.words.pop(0)


def unwrapped(command: shell.Command, variables: Mapping[str, str]) -> Wrapped:
    """Return the command that makes the call. Raises `CannotTake`."""
    found = Wrapped([*command.words], [*command.files])
    while found.words:
        if assignment := shell.ASSIGNMENT.fullmatch(found.words[0]):
            if PROXIES.fullmatch(assignment[1]):
                raise CannotTake(f"{assignment[1]}: workers choose the proxy")
            found.words.pop(0)
            continue
        name = PurePosixPath(found.words[0]).name
        if name in WITHOUT_EFFECT:
            found.words.pop(0)
            found.options(WITHOUT_EFFECT[name])
        elif name in SHELLS:
            of_shell(found, variables)
        elif name in WRAPPERS:
            found.words.pop(0)
            WRAPPERS[name](found, variables)
        else:
            break
    return found


def of_shell(found: Wrapped, variables: Mapping[str, str]) -> None:
    """Read the line that a shell runs by -c."""
    name, *rest = found.words
    if len(rest) < 2 or not rest[0].startswith("-") or not rest[0].endswith("c"):
        raise CannotTake(f"it runs {PurePosixPath(name).name} without -c; only curl and wget make calls")
    inner = shell.command(shell.unescaped(rest[1]), variables)
    found.words = inner.words
    found.files += inner.files


def timeout(found: Wrapped, _variables: Mapping[str, str]) -> None:
    """Read timeout(1)."""
    found.options({"-k", "-s", "--kill-after", "--signal"})
    given = found.next("timeout has no duration")
    duration = DURATION.fullmatch(given)
    if duration is None:
        raise CannotTake(f"{given!r} is no duration of timeout")
    within = round(float(duration[1]) * UNITS[duration[2]])
    # The duration 0 means no timeout.
    found.within_ms = within or None


def flock(found: Wrapped, variables: Mapping[str, str]) -> None:
    """Read flock(1)."""
    given = found.options({"-w", "--wait", "--timeout", "-E", "--conflict-exit-code"})
    flags = {letter for name in given if not name.startswith("--") for letter in name[1:]}
    if flags & {"w"} or given.keys() & {"--wait", "--timeout"}:
        raise CannotTake("flock waits for some time only; a task skips a run at once, or lets it wait")
    if flags & {"s"} or "--shared" in given:
        raise CannotTake("flock shares the lock; a task keeps its runs apart, or does not")
    found.lock = found.next("flock has no file")
    if flags & {"n"} or given.keys() & {"--nonblock", "--nb"}:
        found.overlap = "SKIP"
    else:
        found.overlap = "QUEUE"
        found.notes.append(WAITS)
    if found.words[:1] in (["-c"], ["--command"]):
        found.words.insert(0, "sh")
        found.words[1] = "-c"
        of_shell(found, variables)


def run_one(found: Wrapped, _variables: Mapping[str, str]) -> None:
    """Read run-one(1), which does not run a command while it runs already."""
    found.overlap = "SKIP"


WRAPPERS: dict[str, Callable[[Wrapped, Mapping[str, str]], None]] = {
    "flock": flock,
    "run-one": run_one,
    "timeout": timeout,
}
