"""The shared part of the commands that change tasks or runs, by reference or by a filter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from duetime.client import bulk, calls, documents, filters
from duetime.client.api import Api
from duetime.client.commands import options
from duetime.client.errors import ClientError, UsageError
from duetime.client.output import print_json, say, tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How to name, select and find tasks or runs."""

    noun: str
    kinds: filters.Kinds
    ids: str
    bulk: str
    find: Callable[[Api, str], str]


TASKS = Kind(
    noun="task",
    kinds=filters.TASKS,
    ids=documents.TASK_IDS,
    bulk=documents.BULK_OF_TASKS,
    find=calls.task_id,
)
RUNS = Kind(
    noun="run",
    kinds=filters.RUNS,
    ids=documents.RUN_IDS,
    bulk=documents.BULK_OF_RUNS,
    find=lambda _, identifier: identifier,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a command does: its mutation for ids, the type of the results, its bulk action for a filter, and whether the
    results are new runs.
    """

    kind: Kind
    done: str
    document: str
    of: str
    action: str
    makes_runs: bool = False


def change(
    what: Change,
    references: Sequence[str] | None,
    where: Sequence[str] | None,
    *,
    yes: bool,
    as_json: bool,
    profile: str | None,
    **variables: Any,
) -> None:
    """Change tasks or runs, and print the results. Ask for confirmation when a filter selects them. A bulk operation
    has no `variables`, so with variables each task or run is changed by its id.
    """
    with calls.connected(profile) as api:
        if where and not references and all(value is None for value in variables.values()):
            by_filter(api, what, where, yes=yes, as_json=as_json)
            return
        named = chosen(api, what.kind, references, where)
        if where:
            confirm(what, len(named), yes=yes)
        ids = [identifier for _, identifier in named]
        results = calls.in_batches(api, what.document, ids, what=what.done.capitalize(), **variables)
    finish(what, [reference for reference, _ in named], results, as_json=as_json)


def by_filter(api: Api, what: Change, where: Sequence[str], *, yes: bool, as_json: bool) -> None:
    """Change all that a filter selects, and print how many. Raises `typer.Exit` if any was refused."""
    wanted = filters.filter_of(where, what.kind.kinds)
    if not yes:
        confirm(what, bulk.counted(api, what.kind.bulk, what.action, wanted), yes=yes)
    operation = bulk.carried_out(api, what.kind.bulk, what.action, wanted, what=what.done.capitalize())
    for problem in operation["problems"]:
        tell(f"duetime: {problem['id']}: {problem['message']}")
    if more := operation["refused"] - len(operation["problems"]):
        tell(f"duetime: {more:,} more were refused")
    if as_json:
        print_json(operation)
    else:
        say(f"{operation['succeeded']:,} of {operation['total']:,} {what.done}.")
    if operation["state"] != "COMPLETED":
        raise ClientError(f"the operation is {operation['state'].lower()} after {operation['done']:,}")
    if operation["refused"]:
        raise typer.Exit(1)


def confirm(what: Change, number: int, *, yes: bool) -> None:
    """Ask whether to change that many. Raises as `options.confirm` does."""
    noun = what.kind.noun if number == 1 else f"{what.kind.noun}s"
    options.confirm(f"{number:,} {noun} will be {what.done}.", yes=yes)


def chosen(
    api: Api, kind: Kind, references: Sequence[str] | None, where: Sequence[str] | None
) -> list[tuple[str, str]]:
    """Return the names and ids of the tasks or runs to change, from references or a filter. Raises `UsageError`."""
    if bool(references) == bool(where):
        raise UsageError(f"name the {kind.noun}s, or select them by --where, but not both")
    if references:
        return [(reference, kind.find(api, reference)) for reference in references]
    found = calls.listed(api, kind.ids, limit=0, filter=filters.filter_of(where or (), kind.kinds))
    return [(item.get("externalId") or item["id"], item["id"]) for item in found]


def finish(what: Change, references: Sequence[str], results: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """Print the results, and the id of a new run if it is the only one. Raises `typer.Exit` if any was refused."""
    refused = calls.tell_refused(references, results, of=what.of)
    if as_json:
        print_json(results)
    elif len(results) == 1 and not refused:
        new_run = f": run {results[0]['id']}" if what.makes_runs else ""
        say(f"{references[0]} is {what.done}{new_run}.")
    else:
        say(f"{len(results) - refused:,} of {len(results):,} {what.done}.")
    if refused:
        raise typer.Exit(1)
