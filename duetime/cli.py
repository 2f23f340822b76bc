"""The parser of the commands that run servers. An error at startup is one line on stderr, and exit status 1."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from duetime.client import CLIENT_COMMANDS
from duetime.errors import CannotStart
from duetime.lazy_imports import lazy_imports
from duetime.process_numbers import MOST_PROCESSES, PROCESSES


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and run one command."""
    options = parser().parse_args(arguments)
    try:
        with lazy_imports():
            from duetime import server_commands  # noqa: PLC0415 (help and completion need the parser alone)
        server_commands.run(options)
    except CannotStart as error:
        print(f"duetime: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def parser() -> argparse.ArgumentParser:
    """Return the parser with all commands and their help."""
    duetime = argparse.ArgumentParser(
        prog="duetime",
        description="A self-hosted scheduler for HTTP calls, with a GraphQL API.",
        epilog="Settings come from environment variables, or from a file .env in the current folder. .env.example in "
        "the source tree lists them all.",
    )
    duetime.add_argument("--version", action="version", version=f"duetime {version('duetime')}")
    commands = duetime.add_subparsers(title="commands", metavar="COMMAND", required=True)
    everything = commands.add_parser(
        "up",
        help="run everything: Postgres, Valkey, migrations, API and worker",
        description="Starts an embedded Postgres (unless DATABASE_URL or one of the DB_ variables is set) and an "
        "embedded Valkey (unless REDIS_URL is set), migrates the database, and runs the API and a worker. SIGINT "
        "(Ctrl-C) or SIGTERM stops everything gracefully; a second signal stops it immediately.",
    )
    everything.add_argument("--with-parent", action="store_true", help="also stop when the parent process ends")
    everything.set_defaults(run="up")
    workers = commands.add_parser(
        "worker",
        help="run one worker process, or several; any number of them can run",
        description="Runs one worker process, or several. On SIGINT or SIGTERM each stops after its attempts have "
        "ended; a second signal stops them immediately.",
    )
    workers.add_argument(
        "--check",
        action="store_true",
        help="only check whether a worker on this host is alive; the exit status is the result",
    )
    workers.set_defaults(run="worker")
    apis = commands.add_parser(
        "api",
        help="run one API process on HOST:PORT, or several",
        description="Runs one API process on HOST:PORT, or several that share the port. On SIGINT or SIGTERM each "
        "stops after its requests have ended; a second signal stops them immediately.",
    )
    apis.set_defaults(run="api")
    for command, setting in ((workers, "DUETIME_WORKER_PROCESSES"), (apis, "DUETIME_API_PROCESSES")):
        command.add_argument(
            "--processes",
            metavar="N",
            type=number_of_processes,
            help=f"how many processes to run, 1 to {MOST_PROCESSES}; by default {setting}, or 1. One that ends "
            "unexpectedly is started again",
        )
    for name, help_text in (
        ("migrate", "migrate the database to the current schema"),
        ("schema", "print the GraphQL schema"),
    ):
        commands.add_parser(name, help=help_text, description=f"{help_text[0].upper()}{help_text[1:]}.").set_defaults(
            run=name
        )
    examining = commands.add_parser(
        "doctor",
        help="check the setup: settings, Postgres, Redis, workers, keys",
        description="Checks the settings, Postgres, Redis, the schema, the workers and the keys, and says what to do "
        "about what is wrong. Changes nothing. The exit status is 1 if something does not work.",
    )
    examining.add_argument("--json", action="store_true", help="print the findings as JSON")
    examining.set_defaults(run="doctor")
    writing = commands.add_parser(
        "backup",
        help="write the database to a file",
        description="Writes the database to a new file by pg_dump, as it is at one moment. The API and the workers may "
        "go on meanwhile.",
    )
    writing.set_defaults(run="backup")
    reading = commands.add_parser(
        "restore",
        help="fill an empty database from a file of `duetime backup`",
        description="Fills an empty database from a file of `duetime backup` by pg_restore, and migrates it.",
    )
    reading.set_defaults(run="restore")
    for command in (writing, reading):
        command.add_argument("file", metavar="FILE", type=Path)
    add_keys(commands)
    # These commands have their own parsers, so these lines are only for the help.
    for name, text in CLIENT_COMMANDS.items():
        commands.add_parser(name, help=text)
    return duetime


def number_of_processes(text: str) -> int:
    """Return the number of processes. Raise argparse's error if the number is out of range."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_PROCESSES):
        raise argparse.ArgumentTypeError(f"{text!r} must be {PROCESSES}")
    return int(text)


def add_keys(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands below `duetime keys`."""
    keys = commands.add_parser(
        "keys",
        help="create, list and revoke API keys",
        description="Creates, lists and revokes API keys in the database that DATABASE_URL or the DB_ variables name, "
        "or else in the database of the data folder, whether or not `duetime up` is running.",
    ).add_subparsers(title="commands", metavar="COMMAND", required=True)
    create = keys.add_parser(
        "create", help="create a key; its last line of output is the key, which is not shown again"
    )
    create.add_argument("--name", required=True, help="the name of its user in the audit log; unique among active keys")
    create.add_argument(
        "--scope",
        required=True,
        choices=["read", "write", "admin"],
        help="read allows queries, except of the audit log; write also allows changes; admin also allows the audit log",
    )
    create.add_argument("--expires", metavar="WHEN", help="a duration such as 90d, or an instant such as 2030-01-31")
    create.set_defaults(run="create_key")
    keys.add_parser("list", help="list all keys").set_defaults(run="list_keys")
    revoke = keys.add_parser("revoke", help="revoke a key; streams that it opened are closed within seconds")
    revoke.add_argument("key", metavar="NAME|ID")
    revoke.set_defaults(run="revoke_key")
    keys.add_parser(
        "rotate-secrets",
        help="encrypt all secrets of tasks with the first key of DUETIME_SECRET_KEY",
        description="Encrypts all secrets of tasks with the first key of DUETIME_SECRET_KEY, which lists the new key "
        "and then the old ones, separated by commas. Restart the API and the workers with this list before you run "
        "this command, and with the new key alone afterwards.",
    ).set_defaults(run="rotate_secrets")
