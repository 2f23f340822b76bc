"""`duetime try`: one call, as a task would make it."""

from typing import Annotated, Any

import typer

from duetime.client import calls, documents
from duetime.client.apply import files
from duetime.client.commands import options
from duetime.client.commands.option_groups import RequestOptions, with_groups
from duetime.client.commands.options import AsJson, Profile, option
from duetime.client.errors import UsageError
from duetime.client.output import duration, print_json, print_members

Target = Annotated[str | None, typer.Argument(metavar="URL", help="The URL to call.", show_default=False)]
TaskFile = Annotated[
    str | None, option("--file", "-f", metavar="FILE|-", text="Take the call from a task in YAML or JSON.")
]


@with_groups
def try_action(
    *,
    url: Target = None,
    request: RequestOptions,
    file: TaskFile = None,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Make one call now, as a task would, and show its result. Nothing is stored.

    The exit status is 1 if the call did not succeed.
    """
    action = request.input(url)
    base = files.single_task(file).get("action") or {} if file else {}
    if not isinstance(base, dict):
        raise UsageError(f"{file}: action must be an object")
    wanted = options.merged_action(base, action)
    if "url" not in wanted:
        raise UsageError("give a URL, or a task by --file")
    with calls.connected(profile) as api:
        tried = calls.accepted(api.field(documents.TRY, action=wanted), of=("TriedAction",))
    if as_json:
        print_json(tried)
    else:
        print_members(members(tried))
    if not tried["success"]:
        raise typer.Exit(1)


def members(tried: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the parts of a call's result to show."""
    return [
        ("result", "SUCCEEDED" if tried["success"] else "FAILED"),
        ("status", tried["statusCode"]),
        ("error", tried["errorMessage"]),
        ("duration", duration(tried["durationMs"])),
        *(("header", f"{header['name']}: {header['value']}") for header in tried["responseHeaders"] or ()),
        ("response", tried["responseBody"]),
    ]
