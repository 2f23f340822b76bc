"""Assembles the client's commands and handles their errors."""

import sys
from collections.abc import Sequence

import typer

from duetime.client import CLIENT_COMMANDS
from duetime.client.commands.apply import apply, diff, export
from duetime.client.commands.completion import completion
from duetime.client.commands.forecast import forecast
from duetime.client.commands.importing import importing
from duetime.client.commands.login import login
from duetime.client.commands.runs import runs
from duetime.client.commands.stats import stats
from duetime.client.commands.tasks import tasks
from duetime.client.commands.trying import try_action
from duetime.client.compat import hide_types_of_arguments
from duetime.client.errors import ClientError

INTERRUPTED = 130


def application(*, completes: bool = False) -> typer.Typer:
    """Return the commands of the client, which answer completion requests of shells if `completes` is set."""
    hide_types_of_arguments()
    app = typer.Typer(
        name="duetime",
        add_completion=completes,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.add_typer(tasks, name="tasks", help=sentence("tasks"))
    app.add_typer(runs, name="runs", help=sentence("runs"))
    app.command("try")(try_action)
    app.command("stats")(stats)
    app.command("forecast")(forecast)
    app.command("apply")(apply)
    app.command("diff")(diff)
    app.command("export")(export)
    app.add_typer(importing, name="import", help=sentence("import"))
    app.command("login")(login)
    app.command("completion")(completion)
    return app


def sentence(name: str) -> str:
    """Return the help of a command as a sentence."""
    text = CLIENT_COMMANDS[name]
    return f"{text[0].upper()}{text[1:]}."


def run(arguments: Sequence[str]) -> None:
    """Run one command. An error is one line on stderr, and the exit status says of what kind it is."""
    try:
        application()(args=list(arguments), prog_name="duetime")
    except ClientError as error:
        sys.stderr.write(f"duetime: {error}\n")
        sys.exit(error.status)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader of the output, such as `head`, has closed the pipe.
        sys.stderr.close()
        sys.exit(0)
