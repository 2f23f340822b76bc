"""`duetime runs`: the runs of tasks."""

import sys
from contextlib import closing
from itertools import islice
from typing import Annotated, Any

import typer

from duetime.client import calls, documents, events, filters
from duetime.client.commands import options
from duetime.client.commands.changing import RUNS, Change, change
from duetime.client.commands.options import AsJson, Limit, Profile, Where, Yes
from duetime.client.errors import ClientError
from duetime.client.output import (
    console,
    duration,
    instant,
    print_json,
    print_json_line,
    print_members,
    print_table,
    shown,
    tell,
)
from duetime.client.words import run_members

RETRY = Change(kind=RUNS, done="retried", document=documents.RETRY_RUNS, of="Run", action="RETRY", makes_runs=True)
CANCEL = Change(kind=RUNS, done="cancelled", document=documents.CANCEL_RUNS, of="Run", action="CANCEL_RUNS")
Reference = Annotated[str, typer.Argument(metavar="RUN", help="The id of the run.")]
References = Annotated[list[str] | None, typer.Argument(metavar="RUN", help="Ids of runs.", show_default=False)]
OfTask = Annotated[
    str | None, options.option("--task", metavar="TASK", text="Only runs of this task, by id or external id.")
]

runs = typer.Typer(no_args_is_help=True, help="List, show, watch, retry and cancel runs.")


@runs.command("list")
def list_runs(
    *,
    task: OfTask = None,
    where: Where = None,
    limit: Limit = 20,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """List runs, the newest first."""
    chosen_runs = filters.filter_of(where or (), filters.RUNS)
    with calls.connected(profile) as api:
        if task is not None:
            chosen_runs["taskId"] = calls.task_id(api, task)
        found = calls.listed(api, documents.RUNS, limit=limit, filter=chosen_runs)
    if as_json:
        print_json(found)
        return
    print_table(
        ("RUN", "TASK", "STATE", "SCHEDULED FOR", "LATE BY", "RESULT", "DURATION"),
        [
            (
                run["id"],
                run["task"]["externalId"] or run["task"]["name"],
                run["state"],
                instant(run["scheduledFor"]),
                duration(run["latenessMs"]),
                run["statusCode"] or run["errorMessage"],
                duration(run["durationMs"]),
            )
            for run in found
        ],
    )


@runs.command("show")
def show_run(*, run: Reference, as_json: AsJson = False, profile: Profile = None) -> None:
    """Show a run with its request, its attempts and its response."""
    with calls.connected(profile) as api:
        found = api.field(documents.RUN_BY_ID, id=run)
    if found is None:
        raise ClientError(f"there is no run with the id {run!r}")
    if as_json:
        print_json(found)
    else:
        print_members(run_members(found))


@runs.command("watch")
def watch_runs(
    *,
    task: OfTask = None,
    after: Annotated[
        str | None,
        options.option(
            "--after", metavar="CURSOR", text="Start after the event with this cursor; --json prints the cursors."
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, metavar="N", help="Stop after N changes; 0 means never.")] = 0,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Print each change of a run as it happens, until Ctrl-C. A lost connection is resumed without a gap."""
    with calls.connected(profile) as api:
        task_id = None if task is None else calls.task_id(api, task)
        with closing(events.run_events(api, task_id=task_id, after=after)) as changes:
            for event in islice(changes, limit or None):
                if as_json:
                    print_json_line(event)
                else:
                    print_event(event)


def print_event(event: dict[str, Any]) -> None:
    """Print a change of a run in one line."""
    if event["__typename"] == "RunEventsGap":
        tell(f"duetime: {event['message']}")
        return
    task = event["run"] and event["run"]["task"]
    name = (task["externalId"] or task["name"]) if task else event["taskId"]
    attempt = f"attempt {event['attempt']}" if event["attempt"] else None
    outcome = event["statusCode"] or event["errorMessage"]
    words = (instant(event["at"]), f"{event['type']:<14}", name, attempt, outcome, duration(event["durationMs"]))
    line = shown("  ".join(str(word) for word in words if word is not None))
    line.stylize(shown(event["type"]).style)
    console(sys.stdout).print(line, soft_wrap=True)


@runs.command("retry")
def retry_runs(
    *,
    run: References = None,
    where: Where = None,
    yes: Yes = False,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Repeat finished runs, each as a new run with the same request."""
    change(RETRY, run, where, yes=yes, as_json=as_json, profile=profile)


@runs.command("cancel")
def cancel_runs(
    *,
    run: References = None,
    where: Where = None,
    yes: Yes = False,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Cancel runs. A call in progress is aborted, and its effect on the target is unknown."""
    change(CANCEL, run, where, yes=yes, as_json=as_json, profile=profile)
