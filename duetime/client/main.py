"""Assembles the client's commands and handles their errors."""

import os
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
from duetime.client.compat import CommandLineError, HelpInstead, context_of, hide_types_of_arguments
from duetime.client.errors import ClientError
from duetime.client.output import OutputClosedError, flush, prepare, tell

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
    if sys.stdout is None:
        sys.exit(failed("stdout is closed", ClientError.status))
    prepare()
    try:
        status = application()(args=list(arguments), prog_name="duetime", standalone_mode=False)
        flush()
    except HelpInstead as error:
        error.show()
        status = error.exit_code
    except CommandLineError as error:
        status = failed(usage(error), error.exit_code)
    except ClientError as error:
        status = failed(str(error), error.status)
    except (typer.Abort, KeyboardInterrupt):
        status = INTERRUPTED
    except OutputClosedError:
        # Python would report that it cannot write what stdout has buffered.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except OSError as error:
        status = failed(f"the output cannot be written: {error.strerror}", ClientError.status)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status or 0)


def failed(reason: str, status: int) -> int:
    """Print why a command failed, in one line, and return its exit status."""
    tell(f"duetime: {' '.join(reason.splitlines())}")
    return status


def usage(error: CommandLineError) -> str:
    """Return what is wrong with a command line, and where it is explained."""
    command = context_of(error)
    hint = f"; see `{command} --help`" if command else ""
    return f"{error.format_message().removesuffix('.')}{hint}"
