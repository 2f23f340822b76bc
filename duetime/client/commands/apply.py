"""`duetime apply`, `diff` and `export`: tasks as code."""

from importlib.resources import files as package_files
from typing import Annotated

import typer

from duetime.client import calls, documents, filters
from duetime.client.api import Api
from duetime.client.apply import files, writing
from duetime.client.apply.carrying_out import Done, carry_out
from duetime.client.apply.differences import as_json as plan_as_json
from duetime.client.apply.differences import print_plan
from duetime.client.apply.files import OWNER_TAG
from duetime.client.apply.plan import Plan, Refused, plan
from duetime.client.commands import options
from duetime.client.commands.options import AsJson, Profile, Where, Yes, option
from duetime.client.errors import ClientError, UsageError
from duetime.client.output import print_json, say, tell, write_file

SCHEMA_FILE = "tasks.schema.json"
FULL_PAGE = 40
"""Tasks of a page with all members, whose cost the API limits."""

Files = Annotated[
    list[str] | None,
    option(
        "--file",
        "-f",
        metavar="FILE|FOLDER|-",
        text="YAML or JSON; may be repeated. A folder means all files in it, and - stdin.",
    ),
]
Owner = Annotated[str | None, option("--owner", metavar="NAME", text="The owner of the tasks, if the files name none.")]
OfOwner = Annotated[str | None, option("--owner", metavar="NAME", text="Only tasks of this owner.")]
Prune = Annotated[
    bool,
    typer.Option("--prune/--no-prune", help="Delete tasks of the owner that are no longer in any file, or keep them."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]
ShowSchema = Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the files, for editors.")]


def apply(
    *,
    file: Files = None,
    owner: Owner = None,
    prune: Prune = True,
    dry_run: DryRun = False,
    yes: Yes = False,
    schema: ShowSchema = False,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Make tasks match files: create and change them, and delete tasks of the owner that are no longer in any file.

    It prints a plan first. Running it again changes nothing. It asks before it deletes anything, unless --yes is given.
    """
    if schema:
        write_file(package_files("duetime.client.apply").joinpath(SCHEMA_FILE).read_text("utf-8"))
        return
    with calls.connected(profile) as api:
        found = planned(api, file, owner=owner, prune=prune)
        if not as_json:
            print_plan(found)
        if found.deletes and not dry_run:
            number = "1 task" if len(found.deletes) == 1 else f"{len(found.deletes):,} tasks"
            options.confirm(f"{number} will be deleted; --no-prune keeps them.", yes=yes)
        done = Done() if dry_run or found.is_empty else carry_out(api, found)
    if as_json:
        numbers = {"created": done.created, "updated": done.updated, "deleted": done.deleted}
        print_json(plan_as_json(found) | ({} if dry_run else {"done": numbers}))
    elif not dry_run and not found.is_empty:
        say(f"Done: {done}.")


def diff(
    *, file: Files = None, owner: Owner = None, prune: Prune = True, as_json: AsJson = False, profile: Profile = None
) -> None:
    """Show what apply would change. The exit status is 0 without differences, 1 with differences, and 2 or more on
    failure."""
    try:
        with calls.connected(profile) as api:
            found = planned(api, file, owner=owner, prune=prune)
    except ClientError as error:
        # As in diff(1), status 1 means differences.
        error.status = max(error.status, UsageError.status)
        raise
    if as_json:
        print_json(plan_as_json(found))
    else:
        print_plan(found)
    if not found.is_empty:
        raise typer.Exit(1)


def planned(api: Api, sources: list[str] | None, *, owner: str | None, prune: bool) -> Plan:
    """Return the plan for files. Raises `ClientError`, after a line for each task that is refused."""
    if not sources:
        raise UsageError("give at least one file or folder with --file")
    wanted, owners = files.wanted_tasks(sources, owner=owner)
    try:
        return plan(api, wanted, owners=owners | ({owner} if owner else set()), prunes=prune)
    except Refused as refused:
        for reason in refused.reasons:
            tell(f"duetime: {reason}")
        raise


def export(*, owner: OfOwner = None, where: Where = None, profile: Profile = None) -> None:
    """Print tasks as a file for apply. Secrets are references to environment variables, which stderr names.

    Tasks without an external id are left out; stderr says how many.
    """
    chosen = filters.filter_of(where or (), filters.TASKS)
    if owner:
        chosen["tags"] = [*chosen.get("tags", ()), OWNER_TAG + owner]
    found, nameless = [], 0
    variables: dict[str, None] = {}
    with calls.connected(profile) as api:
        for page in calls.pages(api, documents.DEFINITIONS, size=FULL_PAGE, filter=chosen):
            for task in page:
                if task["externalId"] is None:
                    nameless += 1
                    continue
                found.append(writing.escaped(writing.task_document(task, variables)))
    write_file(writing.yaml_text(found, owner=owner))
    if nameless:
        tell(f"duetime: left out because they have no externalId: {nameless:,}; `duetime tasks update` can give one")
    if variables:
        tell(f"duetime: apply needs the secrets in {', '.join(variables)}")
