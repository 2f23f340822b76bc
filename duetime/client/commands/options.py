"""Options that several commands have, and the input that the options of a task describe."""

from pathlib import Path
from typing import Annotated, Any

import typer

from duetime.client import choices, digits, durations
from duetime.client.apply import reading
from duetime.client.errors import UsageError

Profile = Annotated[
    str | None,
    typer.Option(
        "--profile", metavar="NAME", help="The stored profile to use; see `duetime login`.", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="NAME=VALUE|JSON",
        help="Select by a filter of the API, such as tags=billing; may be repeated. Commas separate values of a list.",
        show_default=False,
    ),
]
Limit = Annotated[int, typer.Option("--limit", min=0, metavar="N", help="Show at most N; 0 means all.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a change.")]
File = Annotated[
    str | None,
    typer.Option(
        "--file", "-f", metavar="FILE|-", help="Read the task from YAML or JSON; options replace its members.",
        show_default=False,
    ),
]  # fmt: skip


def option(name: str, *more: str, text: str, metavar: str = "TEXT", panel: str | None = None) -> Any:
    """Return an option whose default is not shown."""
    return typer.Option(name, *more, metavar=metavar, help=text, show_default=False, rich_help_panel=panel)


Cron = Annotated[str | None, option("--cron", metavar="EXPRESSION", text="Run by a cron expression.")]
Timezone = Annotated[str | None, option("--timezone", metavar="ZONE", text="The time zone of --cron; UTC by default.")]
Every = Annotated[str | None, option("--every", metavar="DURATION", text="Run at an interval, such as 5m.")]
At = Annotated[
    str | None, option("--at", metavar="INSTANT", text="Run once, at an instant such as 2030-01-31T09:00:00+01:00.")
]
In = Annotated[str | None, option("--in", metavar="DURATION", text="Run once, after a delay such as 10m.")]
Name = Annotated[str | None, option("--name", text="The name, for people.")]
Url = Annotated[str | None, option("--url", metavar="URL", text="The URL to call.")]
Method = Annotated[str | None, option("--method", "-X", metavar="METHOD", text="The HTTP method; GET by default.")]
Header = Annotated[list[str] | None, option("--header", "-H", metavar="NAME:VALUE", text="A header; may be repeated.")]
SecretHeader = Annotated[
    list[str] | None,
    option(
        "--secret-header",
        metavar="NAME=VARIABLE",
        text="A secret header whose value is in an environment variable; may be repeated.",
    ),
]
Payload = Annotated[str | None, option("--payload", metavar="JSON|@FILE", text="The body, as JSON.")]
Data = Annotated[str | None, option("--data", "-d", metavar="TEXT|@FILE", text="The body, as text.")]
Timeout = Annotated[
    str | None, option("--timeout", metavar="DURATION", text="How long an attempt may take, such as 30s.")
]
Attempts = Annotated[
    int | None, option("--max-attempts", metavar="N", text="How many attempts a run may have, including the first.")
]
Overlap = Annotated[
    str | None, option("--overlap", metavar="POLICY", text="If an earlier run is unfinished: ALLOW, SKIP or QUEUE.")
]
Misfire = Annotated[
    str | None, option("--misfire", metavar="POLICY", text="Which missed instants run: LATEST, SKIP or ALL.")
]
ExternalId = Annotated[str | None, option("--external-id", metavar="ID", text="Your own name for the task; unique.")]
Tag = Annotated[list[str] | None, option("--tag", metavar="TAG", text="A label for filtering; may be repeated.")]
FlowKey = Annotated[
    str | None, option("--flow-key", metavar="KEY", text="Tasks with the same flow key share a flow limit.")
]
Description = Annotated[str | None, option("--description", text="A text about the task.")]


BODIES = {"payload", "body", "bodyBase64", "form"}
"""The members of an action that are its body, of which it has one."""


def body_input(*, payload: str | None, data: str | None) -> dict[str, Any]:
    """Return the body that options describe. Raises `UsageError`."""
    if payload is not None and data is not None:
        raise UsageError("give one of --payload and --data")
    if payload is not None:
        try:
            return {"payload": digits.read(content("--payload", payload))}
        except ValueError as error:
            raise UsageError(f"--payload is not JSON: {error}") from None
    return {} if data is None else {"body": content("--data", data)}


def header_of(text: str) -> dict[str, Any]:
    """Return the header of an option. Raises `UsageError`."""
    name, colon, value = text.partition(":")
    if not colon:
        raise UsageError(f"--header {name!r} must be NAME:VALUE")
    return {"name": name.strip(), "value": value.strip()}


def secret_header_of(text: str) -> dict[str, Any]:
    """Return the secret header of an option. Raises `UsageError`."""
    name, equals, variable = text.partition("=")
    if not equals:
        raise UsageError(f"--secret-header {name!r} must be NAME=VARIABLE")
    return {"name": name.strip(), "value": reading.variable(variable.strip()), "secret": True}


def content(name: str, text: str) -> str:
    """Return the value of an option, or the content of the file after @. Raises `UsageError`."""
    return reading.file_text(Path(text[1:]), name) if text.startswith("@") else text


def duration(name: str, text: str) -> int:
    """Return the milliseconds of an option. Raises `UsageError`."""
    try:
        return durations.milliseconds(text)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None


def choice(name: str, text: str | None, known: tuple[str, ...]) -> str | None:
    """Return the value of an option as the API writes it, or None if it is not given. Raises `UsageError`."""
    try:
        return None if text is None else choices.one_of(text, known)
    except ValueError as error:
        raise UsageError(f"{name} {error}") from None


def merged(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Return the members of a file merged with those of options, one level deep. A trigger is replaced as a whole."""
    found = dict(base)
    for name, value in more.items():
        old = found.get(name)
        if name == "trigger" or not isinstance(old, dict) or not isinstance(value, dict):
            found[name] = value
        else:
            found[name] = merged_action(old, value) if name == "action" else {**old, **value}
    return found


def merged_action(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Return an action of a file merged with that of options. A body replaces one of another kind."""
    replaced = BODIES if BODIES & more.keys() else set()
    return {name: value for name, value in base.items() if name not in replaced} | more


def confirm(question: str, *, yes: bool) -> None:
    """Ask for confirmation. Raises `UsageError` without a terminal, and ends the command if the answer is no."""
    if yes:
        return
    if not typer.get_text_stream("stdin").isatty():
        raise UsageError(f"{question} Add --yes to agree")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)
