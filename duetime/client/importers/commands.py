"""Reads a command that runs curl or wget as the task that makes its call."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from duetime.client.importers import shell
from duetime.client.importers.curl import curl
from duetime.client.importers.request import LONGEST_TIMEOUT, Request, least, members
from duetime.client.importers.result import CannotTake
from duetime.client.importers.wget import wget
from duetime.client.importers.wrappers import unwrapped

PROGRAMS: dict[str, Callable[[Sequence[str], Request], None]] = {"curl": curl, "wget": wget}
LOCAL = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}  # noqa: S104 (compared, and not listened on)


class Taken(NamedTuple):
    """The members of a task for a command, what to know about it, and the lock that keeps its runs apart."""

    members: dict[str, Any]
    notes: list[str]
    lock: str | None


def taken(command: shell.Command, variables: Mapping[str, str], *, stdin: str | None = None) -> Taken:
    """Return what becomes of a command. Raises `CannotTake`."""
    found = unwrapped(command, variables)
    program = PurePosixPath(found.words[0]).name if found.words else "nothing"
    if program not in PROGRAMS:
        raise CannotTake(f"it runs {program}; only curl and wget make calls")
    request = Request(stdin=stdin, within_ms=found.within_ms)
    PROGRAMS[program](found.words[1:], request)
    task = members(request) | ({"overlap": found.overlap} if found.overlap else {})
    files = [*found.files, *request.files]
    notes = [*found.notes, *(f"its output went to {file}; a task keeps the response with its run" for file in files)]
    if (least(request.timeout_ms, request.within_ms) or 0) > LONGEST_TIMEOUT:
        notes.append("it waits longer than an hour for a response, which is the longest timeout of a task")
    host = urlsplit(task["action"]["url"]).hostname
    if host in LOCAL:
        notes.append(f"{host} is the machine of the worker, which may be another one")
    return Taken(task, notes, found.lock)
