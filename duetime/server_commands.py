"""The commands that run servers."""

# ruff: noqa: PLC0415 (each command imports only what it needs, after it has read its settings, so that errors appear quickly)

import argparse
import asyncio
import sys
import time

from db.settings import DatabaseSettings
from duetime import logs, loop, parent_death
from duetime.errors import CannotStart
from duetime.lazy_imports import lazy_imports
from duetime.settings import DuetimeSettings, LogSettings, ProcessSettings, read, read_tracing
from graphql_api.settings import ApiSettings
from jobs.settings import JobsSettings

STARTED_AT = time.monotonic()


def run(options: argparse.Namespace) -> None:
    """Run the command that the options name."""
    COMMANDS[options.run](options)


def check_platform(number: int) -> None:
    """Raise CannotStart if this platform cannot run several processes."""
    if number > 1 and sys.platform == "win32":
        raise CannotStart("several processes run on Linux and macOS; on Windows, run one for each command")


def create_key(options: argparse.Namespace) -> None:
    """Create an API key."""
    log, settings, database = read(LogSettings), read(DuetimeSettings), read(DatabaseSettings)
    from db.states import KeyScope
    from duetime import keys

    logs.configure("keys", log)
    scope = KeyScope(options.scope)
    asyncio.run(keys.create(settings, database, name=options.name, scope=scope, expires=options.expires))


def list_keys(_options: argparse.Namespace) -> None:
    """List the API keys."""
    log, settings, database = read(LogSettings), read(DuetimeSettings), read(DatabaseSettings)
    from duetime import keys

    logs.configure("keys", log)
    asyncio.run(keys.show(settings, database))


def revoke_key(options: argparse.Namespace) -> None:
    """Revoke an API key."""
    log, settings, database = read(LogSettings), read(DuetimeSettings), read(DatabaseSettings)
    from duetime import keys

    logs.configure("keys", log)
    asyncio.run(keys.revoke(settings, database, name_or_id=options.key))


def rotate_secrets(_options: argparse.Namespace) -> None:
    """Encrypt all secrets with the first key."""
    log, settings = read(LogSettings), read(DuetimeSettings)
    database, jobs = read(DatabaseSettings), read(JobsSettings)
    from duetime import keys

    logs.configure("keys", log)
    asyncio.run(keys.rotate(settings, database, jobs))


def up(options: argparse.Namespace) -> None:
    """Run everything."""
    if sys.platform == "win32":
        raise CannotStart(
            "`duetime up` runs on Linux and macOS; on Windows, set DATABASE_URL and REDIS_URL to running servers, and "
            "run `duetime migrate`, then `duetime api` and `duetime worker`"
        )
    log, settings, numbers = read(LogSettings), read(DuetimeSettings), read(ProcessSettings)
    database, jobs, api = read(DatabaseSettings), read(JobsSettings), read(ApiSettings)
    read_tracing()
    with lazy_imports():
        from duetime.preflight import log_database
        from duetime.up import run as run_everything

    logs.configure("up", log)
    log_database(database)
    logs.log_gin_mode(api.gin_mode)
    asyncio.run(
        run_everything(
            settings, database, jobs, api, numbers=numbers, started_at=STARTED_AT, with_parent=options.with_parent
        )
    )


def api(options: argparse.Namespace) -> None:
    """Run one API process, or several."""
    started_by_parent = parent_death.watch()
    log, settings, tracing = read(LogSettings), read(ApiSettings), read_tracing()
    database, jobs = read(DatabaseSettings), read(JobsSettings)
    number = options.processes or read(ProcessSettings).api_processes
    check_platform(number)
    with lazy_imports():
        from duetime.api import serve_api
        from duetime.preflight import log_database
        from duetime.process_group import serve_apis

    logs.configure("api", log)
    if not started_by_parent:
        log_database(database)
        logs.log_gin_mode(settings.gin_mode)
    if number > 1:
        asyncio.run(serve_apis(number, database, jobs, settings))
    else:
        loop.run(serve_api(database, jobs, settings, tracing))


def worker(options: argparse.Namespace) -> None:
    """Run one worker process, or several, or check whether one is alive."""
    started_by_parent = parent_death.watch()
    log, tracing = read(LogSettings), read_tracing()
    database, jobs = read(DatabaseSettings), read(JobsSettings)
    number = options.processes or read(ProcessSettings).worker_processes
    check_platform(number)
    with lazy_imports():
        from duetime.preflight import check_worker, log_database
        from duetime.process_group import run_workers
        from duetime.worker import work

    if options.check:
        asyncio.run(check_worker(database))
        return

    logs.configure("worker", log)
    if not started_by_parent:
        log_database(database)
    if number > 1:
        asyncio.run(run_workers(number, database, jobs))
    else:
        loop.run(work(database, jobs, tracing))


def migrate(_options: argparse.Namespace) -> None:
    """Migrate the database and print its revisions."""
    log, settings = read(LogSettings), read(DuetimeSettings)
    database, jobs = read(DatabaseSettings), read(JobsSettings)
    from duetime import keys
    from duetime.preflight import log_database, migrate_database

    async def migrate_and_create_key() -> tuple[str | None, str | None]:
        revisions = await migrate_database(database, secrets=jobs.secrets)
        await keys.create_first(settings, database)
        return revisions

    logs.configure("migrate", log)
    log_database(database)
    before, after = asyncio.run(migrate_and_create_key())
    if before == after:
        print(f"The database is already at revision {after}.")
    else:
        print(f"Migrated the database from revision {before or 'none'} to {after}.")


def doctor(options: argparse.Namespace) -> None:
    """Check the set-up."""
    log, settings = read(LogSettings), read(DuetimeSettings)
    database, jobs, api = read(DatabaseSettings), read(JobsSettings), read(ApiSettings)
    from duetime.doctor import run as examine

    logs.configure("doctor", log)
    asyncio.run(examine(settings, database, jobs, api, as_json=options.json))


def backup(options: argparse.Namespace) -> None:
    """Write the database to a file."""
    log, settings, database = read(LogSettings), read(DuetimeSettings), read(DatabaseSettings)
    from duetime import backup

    logs.configure("backup", log)
    asyncio.run(backup.backup(settings, database, file=options.file))


def restore(options: argparse.Namespace) -> None:
    """Fill an empty database from a file."""
    log, settings = read(LogSettings), read(DuetimeSettings)
    database, jobs = read(DatabaseSettings), read(JobsSettings)
    from duetime import backup

    logs.configure("restore", log)
    asyncio.run(backup.restore(settings, database, jobs, file=options.file))


def schema(_options: argparse.Namespace) -> None:
    """Print the schema in GraphQL's schema definition language."""
    from graphql_api.execution.schema import schema as built

    print(built.as_str())


COMMANDS = {
    command.__name__: command
    for command in (
        *(up, api, worker, migrate, schema, doctor, backup, restore),
        *(create_key, list_keys, revoke_key, rotate_secrets),
    )
}
