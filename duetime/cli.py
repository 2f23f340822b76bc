"""The command `duetime`. What is wrong at the start is one line on stderr and exit status 1."""

# ruff: noqa: PLC0415 (each command imports what it runs when it runs: a wrong setting need not wait for the rest)

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version

from db.settings import DatabaseSettings
from duetime import logs, parent_death
from duetime.errors import CannotStart
from duetime.settings import DuetimeSettings, read
from graphql_api.settings import ApiSettings
from jobs.settings import JobsSettings

BEGAN = time.monotonic()


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line and runs one command to its end."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except CannotStart as error:
        print(f"duetime: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def parser() -> argparse.ArgumentParser:
    """The commands and their help."""
    duetime = argparse.ArgumentParser(
        prog="duetime",
        description="A self-hosted scheduler for HTTP calls, with a GraphQL API.",
        epilog="Settings are environment variables, or lines of a file .env in the current folder; .env.example in the "
        "source names each of them.",
    )
    duetime.add_argument("--version", action="version", version=f"duetime {version('duetime')}")
    commands = duetime.add_subparsers(title="commands", metavar="COMMAND", required=True)
    everything = commands.add_parser(
        "up",
        help="run everything: servers that nobody named, migrations, API and worker",
        description="Starts a Postgres (without DATABASE_URL or DB_HOST) and a Valkey (without REDIS_URL) of its own, "
        "migrates, and runs the API and a worker. SIGINT (Ctrl-C) or SIGTERM ends everything; a second one at once.",
    )
    everything.add_argument(
        "--with-parent", action="store_true", help="also end when the process that started this one has ended"
    )
    everything.set_defaults(run=up)
    one_worker = commands.add_parser(
        "worker",
        help="run one worker process; any number may run",
        description="Runs one worker process. SIGINT or SIGTERM lets its attempts end, a second one ends it at once.",
    )
    one_worker.add_argument(
        "--check", action="store_true", help="only say by the exit status whether a worker on this host is alive"
    )
    one_worker.set_defaults(run=worker)
    for name, run, help_text in (
        ("api", api, "run one API process on HOST:PORT"),
        ("migrate", migrate, "bring the database to the present schema"),
        ("schema", schema, "print the GraphQL schema"),
    ):
        commands.add_parser(name, help=help_text, description=f"{help_text[0].upper()}{help_text[1:]}.").set_defaults(
            run=run
        )
    add_keys(commands)
    return duetime


def add_keys(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The commands under `duetime keys`."""
    keys = commands.add_parser(
        "keys",
        help="make, list and revoke API keys",
        description="Makes, lists and revokes API keys, in the database that DATABASE_URL or DB_HOST names, else in "
        "that of the data folder, whether or not `duetime up` runs on it.",
    ).add_subparsers(title="commands", metavar="COMMAND", required=True)
    create = keys.add_parser("create", help="make a key; it is printed once, alone on the last line")
    create.add_argument("--name", required=True, help="what the audit log calls its bearer; unique among keys in force")
    create.add_argument(
        "--scope",
        required=True,
        choices=["read", "write", "admin"],
        help="read sees everything but the audit log; write also makes and changes; admin also reads the audit log",
    )
    create.add_argument("--expires", metavar="WHEN", help="how long it lasts, as 90d, or until when, as 2030-01-31")
    create.set_defaults(run=create_key)
    keys.add_parser("list", help="list all keys").set_defaults(run=list_keys)
    revoke = keys.add_parser("revoke", help="end a key; what is open under it ends within seconds")
    revoke.add_argument("key", metavar="NAME|ID")
    revoke.set_defaults(run=revoke_key)
    keys.add_parser(
        "rotate-secrets",
        help="seal all secrets of tasks with the first key of DUETIME_SECRET_KEY",
        description="Seals all secrets of tasks anew. DUETIME_SECRET_KEY names the new key first and the old ones "
        "after it, by commas; restart API and workers with it before, and without the old keys after.",
    ).set_defaults(run=rotate_secrets)


def create_key(options: argparse.Namespace) -> None:
    """Makes a key."""
    settings, database = read(DuetimeSettings), read(DatabaseSettings)
    from db.states import KeyScope
    from duetime import keys

    logs.configure("keys")
    scope = KeyScope(options.scope)
    asyncio.run(keys.create(settings, database, name=options.name, scope=scope, expires=options.expires))


def list_keys(_options: argparse.Namespace) -> None:
    """Lists the keys."""
    settings, database = read(DuetimeSettings), read(DatabaseSettings)
    from duetime import keys

    logs.configure("keys")
    asyncio.run(keys.show(settings, database))


def revoke_key(options: argparse.Namespace) -> None:
    """Revokes a key."""
    settings, database = read(DuetimeSettings), read(DatabaseSettings)
    from duetime import keys

    logs.configure("keys")
    asyncio.run(keys.revoke(settings, database, name_or_id=options.key))


def rotate_secrets(_options: argparse.Namespace) -> None:
    """Seals all secrets anew."""
    settings, database, jobs = read(DuetimeSettings), read(DatabaseSettings), read(JobsSettings)
    from duetime import keys

    logs.configure("keys")
    asyncio.run(keys.rotate(settings, database, jobs))


def up(options: argparse.Namespace) -> None:
    """Runs everything."""
    if sys.platform == "win32":
        raise CannotStart(
            "`duetime up` is for Linux and macOS; on Windows set DATABASE_URL and REDIS_URL to running servers, and "
            "start `duetime migrate`, then `duetime api` and `duetime worker`"
        )
    settings, database, jobs, api = read(DuetimeSettings), read(DatabaseSettings), read(JobsSettings), read(ApiSettings)
    from duetime.up import run

    logs.configure("up")
    asyncio.run(run(settings, database, jobs, api, began=BEGAN, with_parent=options.with_parent))


def api(_options: argparse.Namespace) -> None:
    """Runs one API process."""
    parent_death.hold()
    database, jobs, settings = read(DatabaseSettings), read(JobsSettings), read(ApiSettings)
    from duetime.api import serve_api

    logs.configure("api")
    asyncio.run(serve_api(database, jobs, settings))


def worker(options: argparse.Namespace) -> None:
    """Runs one worker process, or looks whether there is one."""
    parent_death.hold()
    database, jobs = read(DatabaseSettings), read(JobsSettings)
    from duetime.preflight import check_worker
    from duetime.worker import work

    if options.check:
        asyncio.run(check_worker(database))
        return

    logs.configure("worker")
    asyncio.run(work(database, jobs))


def migrate(_options: argparse.Namespace) -> None:
    """Brings the schema up to date and says from where to where."""
    database, jobs = read(DatabaseSettings), read(JobsSettings)
    from duetime.preflight import migrate_database

    logs.configure("migrate")
    before, after = asyncio.run(migrate_database(database, secrets=jobs.secrets))
    print(f"The schema was at revision {before or 'none'} and is at {after}.")


def schema(_options: argparse.Namespace) -> None:
    """Prints the schema in the schema definition language."""
    from graphql_api.execution.schema import schema as built

    print(built.as_str())
