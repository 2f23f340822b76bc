"""`duetime tasks`: definitions of calls."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from duetime.client import calls, documents, filters
from duetime.client.api import Api
from duetime.client.apply import files
from duetime.client.commands import options, waiting
from duetime.client.commands.options import (
    AsJson,
    At,
    Attempts,
    Cron,
    Data,
    Description,
    Every,
    ExternalId,
    File,
    Header,
    In,
    Limit,
    Method,
    Misfire,
    Name,
    Overlap,
    Payload,
    Profile,
    SecretHeader,
    Tag,
    Timeout,
    Timezone,
    Url,
    Where,
    Yes,
)  # fmt: skip
from duetime.client.errors import ClientError, UsageError
from duetime.client.output import instant, print_json, print_members, print_table, say
from duetime.client.words import task_members, trigger_words

Reference = Annotated[str, typer.Argument(metavar="TASK", help="Its id or external id.")]
References = Annotated[
    list[str] | None, typer.Argument(metavar="[TASK]...", help="Ids or external ids.", show_default=False)
]
Order = Annotated[
    str, typer.Option("--order", metavar="ORDER", help="CREATED_AT_DESC, CREATED_AT_ASC, NEXT_RUN_AT_ASC or NAME_ASC.")
]
Count = Annotated[int, typer.Option("--count", min=0, max=100, metavar="N", help="Number of instants.")]

tasks = typer.Typer(no_args_is_help=True, help="List, show, create and change tasks.")


@tasks.command("list")
def list_tasks(
    *,
    where: Where = None,
    order: Order = "CREATED_AT_DESC",
    limit: Limit = 50,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """List tasks."""
    with calls.connected(profile) as api:
        chosen = filters.filter_of(where or (), filters.TASKS)
        found = calls.listed(api, documents.TASKS, limit=limit, filter=chosen, orderBy=order.upper())
    if as_json:
        print_json(found)
        return
    print_table(
        ("ID", "NAME", "STATUS", "TRIGGER", "NEXT RUN", "LAST RUN"),
        [
            (
                task["externalId"] or task["id"],
                task["name"],
                task["status"],
                trigger_words(task["trigger"]),
                instant(task["nextRunAt"]),
                task["lastRun"] and task["lastRun"]["state"],
            )
            for task in found
        ],
    )


@tasks.command("show")
def show_task(*, task: Reference, as_json: AsJson = False, profile: Profile = None) -> None:
    """Show a task. Secrets are never shown."""
    document = documents.TASK_BY_ID if calls.is_id(task) else documents.TASK_BY_EXTERNAL_ID
    with calls.connected(profile) as api:
        found = api.field(document, id=task)
    if found is None:
        raise calls.no_task(task)
    print_task(found, as_json=as_json)


def print_task(task: dict[str, Any], *, as_json: bool) -> None:
    """Print a task with everything that belongs to it."""
    if as_json:
        print_json(task)
    else:
        print_members(task_members(task))


@tasks.command("create")
def create_task(
    *,
    name: Name = None,
    url: Url = None,
    cron: Cron = None,
    timezone: Timezone = None,
    every: Every = None,
    at: At = None,
    delay: In = None,
    method: Method = None,
    header: Header = None,
    secret_header: SecretHeader = None,
    payload: Payload = None,
    data: Data = None,
    timeout: Timeout = None,
    max_attempts: Attempts = None,
    overlap: Overlap = None,
    misfire: Misfire = None,
    external_id: ExternalId = None,
    tag: Tag = None,
    description: Description = None,
    file: File = None,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Create a task. It needs a name, a URL, and one of --cron, --every, --at and --in, here or in the file."""
    trigger = options.trigger_input(cron=cron, timezone=timezone, every=every, at=at, delay=delay)
    action = options.action_input(
        url=url, method=method, header=header, secret_header=secret_header, payload=payload, data=data, timeout=timeout
    )
    members = options.task_input(
        name=name, trigger=trigger, action=action, max_attempts=max_attempts, overlap=overlap, misfire=misfire,
        external_id=external_id, tag=tag, description=description,
    )  # fmt: skip
    wanted = options.merged(files.single_task(file) if file else {}, members)
    missing = {"name": "--name", "trigger": "--cron, --every, --at or --in", "action": "--url"}
    for member, needed in missing.items():
        if member not in wanted:
            raise UsageError(f"a task needs {needed}")
    with calls.connected(profile) as api:
        created = calls.accepted(api.field(documents.CREATE_TASK, input=wanted), of=("Task",))
    print_task(created, as_json=as_json)


@tasks.command("update")
def update_task(
    *,
    task: Reference,
    name: Name = None,
    url: Url = None,
    cron: Cron = None,
    timezone: Timezone = None,
    every: Every = None,
    at: At = None,
    delay: In = None,
    method: Method = None,
    header: Header = None,
    secret_header: SecretHeader = None,
    payload: Payload = None,
    data: Data = None,
    timeout: Timeout = None,
    max_attempts: Attempts = None,
    overlap: Overlap = None,
    misfire: Misfire = None,
    external_id: ExternalId = None,
    tag: Tag = None,
    description: Description = None,
    file: File = None,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Change a task. What is not given stays; headers and labels replace all old ones."""
    trigger = options.trigger_input(cron=cron, timezone=timezone, every=every, at=at, delay=delay)
    action = options.action_input(
        url=url, method=method, header=header, secret_header=secret_header, payload=payload, data=data, timeout=timeout
    )
    members = options.task_input(
        name=name, trigger=trigger, action=action, max_attempts=max_attempts, overlap=overlap, misfire=misfire,
        external_id=external_id, tag=tag, description=description,
    )  # fmt: skip
    changes = options.merged(files.single_task(file) if file else {}, members)
    if not changes:
        raise UsageError("nothing to change is given; see `duetime tasks update --help`")
    with calls.connected(profile) as api:
        result = api.field(documents.UPDATE_TASK, id=calls.task_id(api, task), input=changes)
        print_task(calls.accepted(result, of=("Task",)), as_json=as_json)


@tasks.command("pause")
def pause_tasks(
    *,
    task: References = None,
    where: Where = None,
    reason: Annotated[str | None, options.option("--reason", text="Why, for people.")] = None,
    yes: Yes = False,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Stop the schedules of tasks until they are resumed."""
    change(task, where, documents.PAUSE_TASKS, "paused", yes=yes, as_json=as_json, profile=profile, reason=reason)


@tasks.command("resume")
def resume_tasks(
    *,
    task: References = None,
    where: Where = None,
    missed: Annotated[
        str | None,
        options.option("--missed", metavar="POLICY", text="What becomes of missed instants: LATEST, SKIP or ALL."),
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Resume the schedules of paused tasks."""
    policy = missed and missed.upper()
    change(task, where, documents.RESUME_TASKS, "resumed", yes=yes, as_json=as_json, profile=profile, missed=policy)


@tasks.command("cancel")
def cancel_tasks(
    *,
    task: References = None,
    where: Where = None,
    yes: Yes = False,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """End the schedules of tasks permanently. The tasks and their history are kept."""
    change(task, where, documents.CANCEL_TASKS, "cancelled", yes=yes, as_json=as_json, profile=profile)


@tasks.command("delete")
def delete_tasks(
    *,
    task: References = None,
    where: Where = None,
    yes: Yes = False,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Delete tasks with their history."""
    change(task, where, documents.DELETE_TASKS, "deleted", yes=yes, as_json=as_json, profile=profile, of="DeletedTask")


def change(
    references: Sequence[str] | None,
    where: Sequence[str] | None,
    document: str,
    done: str,
    *,
    yes: bool,
    as_json: bool,
    profile: str | None,
    of: str = "Task",
    **variables: Any,
) -> None:
    """Change tasks, and print what became of each. Ask before all that a filter selects."""
    with calls.connected(profile) as api:
        named = chosen_tasks(api, references, where)
        if where:
            options.confirm(f"{counted(len(named), 'task')} will be {done}.", yes=yes)
        ids = [identifier for _, identifier in named]
        results = calls.in_batches(api, document, ids, what=done.capitalize(), **variables)
    finish([reference for reference, _ in named], results, of=of, done=done, as_json=as_json)


def chosen_tasks(api: Api, references: Sequence[str] | None, where: Sequence[str] | None) -> list[tuple[str, str]]:
    """Return the names and ids of the tasks to change."""

    def find(reference: str) -> str:
        return calls.task_id(api, reference)

    return chosen(api, references, where, document=documents.TASK_IDS, find=find, kinds=filters.TASKS)


def chosen(
    api: Api,
    references: Sequence[str] | None,
    where: Sequence[str] | None,
    *,
    document: str,
    find: Callable[[str], str],
    kinds: filters.Kinds,
) -> list[tuple[str, str]]:
    """Return the names and ids of what to change, by references or else by a filter. Raises `UsageError`."""
    if bool(references) == bool(where):
        raise UsageError("name what to change, or select it by --where; one of both")
    if references:
        return [(reference, find(reference)) for reference in references]
    found = calls.listed(api, document, limit=0, filter=filters.filter_of(where or (), kinds))
    return [(item.get("externalId") or item["id"], item["id"]) for item in found]


def finish(references: Sequence[str], results: Sequence[dict[str, Any]], *, of: str, done: str, as_json: bool) -> None:
    """Print the results. Raises `typer.Exit` if any was refused."""
    refused = calls.tell_refused(references, results, of=of)
    if as_json:
        print_json(results)
    elif len(results) == 1 and not refused:
        say(f"{references[0]} is {done}.")
    else:
        say(f"{len(results) - refused} of {len(results)} {done}.")
    if refused:
        raise typer.Exit(1)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@tasks.command("run")
def run_tasks(
    *,
    task: References = None,
    where: Where = None,
    payload: Payload = None,
    data: Data = None,
    header: Header = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the end of the runs; the exit status says whether all succeeded.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Run tasks now, in addition to their schedules. --payload, --data and --header replace those of one task."""
    given = options.body_input(payload=payload, data=data)
    if header:
        given["headers"] = [options.header_of(each) for each in header]
    with calls.connected(profile) as api:
        named = chosen_tasks(api, task, where)
        if given and len(named) != 1:
            raise UsageError("--payload, --data and --header go with one task")
        if where:
            options.confirm(f"{counted(len(named), 'task')} will be run.", yes=yes)
        references = [reference for reference, _ in named]
        ids = [identifier for _, identifier in named]
        after = api.field(documents.NEWEST_EVENT) if wait else None
        if given:
            results = [api.field(documents.RUN_TASK, id=ids[0], input=given)]
        else:
            results = calls.in_batches(api, documents.RUN_TASKS, ids, what="Run")
        if after is not None:
            results = waiting.finished(api, results, after=after)
    if wait and not as_json:
        waiting.print_finished(references, results)
    else:
        finish(references, results, of="Run", done="requested", as_json=as_json)
    if wait and any(result.get("state") != "SUCCEEDED" for result in results):
        raise ClientError("not all runs succeeded") if not as_json else typer.Exit(1)


@tasks.command("preview")
def preview(
    *,
    task: Annotated[
        str | None, typer.Argument(metavar="[TASK]", help="A task, or else a trigger by options.", show_default=False)
    ] = None,
    cron: Cron = None,
    timezone: Timezone = None,
    every: Every = None,
    at: At = None,
    delay: In = None,
    count: Count = 5,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Show the next instants of a task, or of a trigger before there is a task."""
    trigger = options.trigger_input(cron=cron, timezone=timezone, every=every, at=at, delay=delay)
    if (task is None) == (trigger is None):
        raise UsageError("name a task, or give one of --cron, --every, --at and --in")
    with calls.connected(profile) as api:
        if task is not None:
            found = api.field(documents.UPCOMING, id=calls.task_id(api, task), count=count)
            if found is None:
                raise calls.no_task(task)
            shown = {"description": found["name"], "instants": found["upcoming"]}
        else:
            result = api.field(documents.PREVIEW, trigger=trigger, count=count)
            shown = calls.accepted(result, of=("TriggerPreview",))
    if as_json:
        print_json(shown)
        return
    say(shown["description"])
    for each in shown["instants"]:
        say(str(instant(each)))
