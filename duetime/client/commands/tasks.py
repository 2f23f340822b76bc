"""`duetime tasks`: definitions of calls."""

from typing import Annotated, Any

import typer

from duetime.client import calls, choices, documents, filters
from duetime.client.apply import files
from duetime.client.commands import options, waiting
from duetime.client.commands.changing import TASKS, Change, change, chosen, confirm, finish
from duetime.client.commands.option_groups import (
    NameOptions,
    PolicyOptions,
    RequestOptions,
    TriggerOptions,
    with_groups,
    without_none,
)
from duetime.client.commands.options import AsJson, Data, File, Header, Limit, Payload, Profile, Where, Yes
from duetime.client.errors import ClientError, UsageError
from duetime.client.output import instant, print_json, print_members, print_table, say
from duetime.client.words import task_members, trigger_words

PAUSE = Change(kind=TASKS, done="paused", document=documents.PAUSE_TASKS, of="Task", action="PAUSE")
RESUME = Change(kind=TASKS, done="resumed", document=documents.RESUME_TASKS, of="Task", action="RESUME")
CANCEL = Change(kind=TASKS, done="cancelled", document=documents.CANCEL_TASKS, of="Task", action="CANCEL")
DELETE = Change(kind=TASKS, done="deleted", document=documents.DELETE_TASKS, of="DeletedTask", action="DELETE")
RUN = Change(kind=TASKS, done="started", document=documents.RUN_TASKS, of="Run", action="RUN", makes_runs=True)
Reference = Annotated[str, typer.Argument(metavar="TASK", help="The id or external id of the task.")]
References = Annotated[
    list[str] | None, typer.Argument(metavar="TASK", help="Ids or external ids of tasks.", show_default=False)
]
Order = Annotated[
    str, typer.Option("--order", metavar="ORDER", help="CREATED_AT_DESC, CREATED_AT_ASC, NEXT_RUN_AT_ASC or NAME_ASC.")
]
Count = Annotated[int, typer.Option("--count", min=0, max=100, metavar="N", help="How many instants to show.")]

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
    """List tasks, the newest first, or in another order."""
    chosen = filters.filter_of(where or (), filters.TASKS)
    order_by = options.choice("--order", order, choices.TASK_ORDERS)
    with calls.connected(profile) as api:
        found = calls.listed(api, documents.TASKS, limit=limit, filter=chosen, orderBy=order_by)
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
@with_groups
def create_task(
    *,
    named: NameOptions,
    trigger: TriggerOptions,
    request: RequestOptions,
    policies: PolicyOptions,
    file: File = None,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Create a task. It needs a name, a URL, and one of --cron, --every, --at and --in, here or in the file."""
    wanted = members_of(named, trigger, request, policies, file)
    missing = {"name": "--name", "trigger": "--cron, --every, --at or --in", "action": "--url"}
    for member, needed in missing.items():
        if member not in wanted:
            raise UsageError(f"a task needs {needed}")
    with calls.connected(profile) as api:
        created = calls.accepted(api.field(documents.CREATE_TASK, input=wanted), of=("Task",))
    print_task(created, as_json=as_json)


@tasks.command("update")
@with_groups
def update_task(
    *,
    task: Reference,
    named: NameOptions,
    trigger: TriggerOptions,
    request: RequestOptions,
    policies: PolicyOptions,
    file: File = None,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Change a task. Members that are not given stay; headers and tags replace all existing ones."""
    changes = members_of(named, trigger, request, policies, file)
    if not changes:
        raise UsageError("nothing to change is given; see `duetime tasks update --help`")
    with calls.connected(profile) as api:
        result = api.field(documents.UPDATE_TASK, id=calls.task_id(api, task), input=changes)
        print_task(calls.accepted(result, of=("Task",)), as_json=as_json)


def members_of(
    named: NameOptions,
    trigger: TriggerOptions,
    request: RequestOptions,
    policies: PolicyOptions,
    file: str | None,
) -> dict[str, Any]:
    """Return the members of a task: those of a file, overridden by the options. Raises `UsageError`."""
    given: dict[str, Any] = {
        "name": named.name,
        "trigger": trigger.input(),
        "action": request.input(named.url) or None,
        **policies.input(),
    }
    return options.merged(files.single_task(file) if file else {}, without_none(given))


@tasks.command("pause")
def pause_tasks(
    *,
    task: References = None,
    where: Where = None,
    reason: Annotated[str | None, options.option("--reason", text="The reason, shown with the tasks.")] = None,
    yes: Yes = False,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Stop the schedules of tasks until they are resumed."""
    change(PAUSE, task, where, yes=yes, as_json=as_json, profile=profile, reason=reason)


@tasks.command("resume")
def resume_tasks(
    *,
    task: References = None,
    where: Where = None,
    missed: Annotated[
        str | None,
        options.option(
            "--missed", metavar="POLICY", text="Which instants missed during the pause run: LATEST, SKIP or ALL."
        ),
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Resume the schedules of paused tasks."""
    policy = options.choice("--missed", missed, choices.MISFIRE_POLICIES)
    change(RESUME, task, where, yes=yes, as_json=as_json, profile=profile, missed=policy)


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
    change(CANCEL, task, where, yes=yes, as_json=as_json, profile=profile)


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
    change(DELETE, task, where, yes=yes, as_json=as_json, profile=profile)


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
    if given and len(task or ()) != 1:
        raise UsageError("--payload, --data and --header apply to one task, named by its id or external id")
    if not given and not wait:
        change(RUN, task, where, yes=yes, as_json=as_json, profile=profile)
        return
    with calls.connected(profile) as api:
        named = chosen(api, TASKS, task, where)
        if where:
            confirm(RUN, len(named), yes=yes)
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
        finish(RUN, references, results, as_json=as_json)
    if wait and any(result.get("state") != "SUCCEEDED" for result in results):
        raise ClientError("not all runs succeeded") if not as_json else typer.Exit(1)


@tasks.command("preview")
@with_groups
def preview(
    *,
    task: Annotated[
        str | None,
        typer.Argument(
            metavar="TASK",
            help="The id or external id of a task; without it, give a trigger by options.",
            show_default=False,
        ),
    ] = None,
    trigger: TriggerOptions,
    count: Count = 5,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Show the next instants of a task, or of a trigger without a task."""
    given = trigger.input()
    if (task is None) == (given is None):
        raise UsageError("give a task, or one of --cron, --every, --at and --in")
    with calls.connected(profile) as api:
        if task is not None:
            found = api.field(documents.UPCOMING, id=calls.task_id(api, task), count=count)
            if found is None:
                raise calls.no_task(task)
            shown = {"description": found["name"], "instants": found["upcoming"]}
        else:
            result = api.field(documents.PREVIEW, trigger=given, count=count)
            shown = calls.accepted(result, of=("TriggerPreview",))
    if as_json:
        print_json(shown)
        return
    say(shown["description"])
    for each in shown["instants"]:
        say(str(instant(each)))
