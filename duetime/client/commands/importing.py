"""`duetime import`: schedules of other programs, as files for apply."""

from typing import Annotated

import typer

from duetime.client.apply import reading, writing
from duetime.client.commands.options import option
from duetime.client.importers import crontab, eventbridge, hasura, kubernetes, vercel
from duetime.client.importers.result import Imported
from duetime.client.output import tell, write_file

Source = Annotated[str, typer.Argument(metavar="FILE|-", help="The file to read, or - for stdin.")]
Timezone = Annotated[
    str | None,
    option("--timezone", metavar="ZONE", text="The time zone of the lines above any CRON_TZ; UTC by default."),
]
Users = Annotated[bool, typer.Option("--users", help="Each line names a user after the time, as in /etc/crontab.")]
BaseUrl = Annotated[
    str,
    typer.Option(
        "--base-url",
        metavar="URL",
        help="The address of the project, such as https://app.example.com.",
        show_default=False,
    ),
]

Owner = Annotated[str | None, option("--owner", metavar="NAME", text="The owner that the file names.")]

importing = typer.Typer(
    no_args_is_help=True,
    help="Convert schedules of other programs into a file for apply. stderr lists what was not converted.",
)


def show(found: Imported, owner: str | None) -> None:
    """Print tasks as YAML, and on stderr the notes, what is missing, and what was not converted."""
    write_file(writing.yaml_text(found.tasks, owner=owner))
    for label, notes in (("note", found.notes), ("incomplete", found.incomplete), ("not taken", found.untaken)):
        for note in notes:
            tell(f"{label}: {note.place}: {note.text}")
    incomplete = f"{len(found.incomplete)} of them incomplete, " if found.incomplete else ""
    tell(f"{len(found.tasks)} taken, {incomplete}{len(found.untaken)} not taken. Nothing was changed.")


@importing.command("crontab")
def import_crontab(*, file: Source, timezone: Timezone = None, users: Users = False, owner: Owner = None) -> None:
    """Convert the lines of a crontab that run curl or wget into tasks."""
    show(crontab.read(reading.source_text(file), timezone=timezone, has_users=users), owner)


@importing.command("hasura")
def import_hasura(*, file: Source, owner: Owner = None) -> None:
    """Convert the triggers of Hasura's cron_triggers.yaml into tasks."""
    show(hasura.read(reading.source_text(file)), owner)


@importing.command("kubernetes")
def import_kubernetes(*, file: Source, owner: Owner = None) -> None:
    """Convert CronJobs of Kubernetes that run curl or wget into tasks."""
    show(kubernetes.read(reading.source_text(file)), owner)


@importing.command("vercel")
def import_vercel(*, file: Source, base_url: BaseUrl, owner: Owner = None) -> None:
    """Convert the crons of a vercel.json into tasks."""
    show(vercel.read(reading.source_text(file), base_url=base_url), owner)


@importing.command("eventbridge")
def import_eventbridge(*, file: Source, owner: Owner = None) -> None:
    """Convert schedules of Amazon EventBridge, as the AWS CLI prints them, into tasks. URLs are variables to set."""
    show(eventbridge.read(reading.source_text(file)), owner)
