"""`duetime import`: schedules of other programs, as files for apply."""

from typing import Annotated

import typer

from duetime.client.apply import reading, writing
from duetime.client.commands.options import Owner, option
from duetime.client.importers import crontab, eventbridge, hasura, kubernetes, vercel
from duetime.client.importers.result import Imported
from duetime.client.output import tell

Source = Annotated[str, typer.Argument(metavar="FILE|-", help="The file to read.")]
Timezone = Annotated[
    str | None, option("--timezone", metavar="ZONE", text="The zone of lines above any CRON_TZ; UTC by default.")
]
Users = Annotated[bool, typer.Option("--users", help="Each line names a user after its fields, as in /etc/crontab.")]
BaseUrl = Annotated[
    str, typer.Option("--base-url", metavar="URL", help="The address of the project.", show_default=False)
]

importing = typer.Typer(no_args_is_help=True, help="Print the schedules of other programs as YAML for apply.")


def show(found: Imported, owner: str | None) -> None:
    """Print tasks as YAML, and on stderr what to know, what is missing, and what was not taken."""
    typer.echo(writing.yaml_text(found.tasks, owner=owner), nl=False)
    for label, notes in (("note", found.notes), ("incomplete", found.incomplete), ("not taken", found.untaken)):
        for note in notes:
            tell(f"{label}: {note.place}: {note.text}")
    incomplete = f"{len(found.incomplete)} of them incomplete, " if found.incomplete else ""
    tell(f"{len(found.tasks)} taken, {incomplete}{len(found.untaken)} not taken. Nothing was changed.")


@importing.command("crontab")
def import_crontab(*, file: Source, timezone: Timezone = None, users: Users = False, owner: Owner = None) -> None:
    """Print the lines of a crontab that run curl or wget as tasks."""
    show(crontab.read(reading.source_text(file), timezone=timezone, has_users=users), owner)


@importing.command("hasura")
def import_hasura(*, file: Source, owner: Owner = None) -> None:
    """Print the triggers of Hasura's cron_triggers.yaml as tasks."""
    show(hasura.read(reading.source_text(file)), owner)


@importing.command("kubernetes")
def import_kubernetes(*, file: Source, owner: Owner = None) -> None:
    """Print CronJobs of Kubernetes that run curl or wget as tasks."""
    show(kubernetes.read(reading.source_text(file)), owner)


@importing.command("vercel")
def import_vercel(*, file: Source, base_url: BaseUrl, owner: Owner = None) -> None:
    """Print the crons of a vercel.json as tasks."""
    show(vercel.read(reading.source_text(file), base_url=base_url), owner)


@importing.command("eventbridge")
def import_eventbridge(*, file: Source, owner: Owner = None) -> None:
    """Print schedules of Amazon EventBridge, as the AWS CLI prints them, as tasks."""
    show(eventbridge.read(reading.source_text(file)), owner)
