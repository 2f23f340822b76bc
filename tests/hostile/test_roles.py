"""The role that Duetime runs as: with it, an attacker can add to the audit log, and change nothing in it."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from db.connection_strings import parse_database_url
from db.maintenance import partitions, retention
from db.migrations import config_for
from db.models import utc_now
from db.settings import DatabaseSettings
from duetime.errors import CannotStart
from duetime.local_stack.data_folder import open_data_folder
from duetime.local_stack.stack import local_stack
from duetime.preflight import migrate_database
from duetime.settings import DuetimeSettings
from jobs.maintenance.retention import Retention
from jobs.security.encryption import SecretKeys
from jobs.settings import JobsSettings
from tests.support.command import duetime_in_process, duetime_up
from tests.support.engine import one_off, opened, runs_of, save, soon, working
from tests.support.graphql import serving
from tests.support.servers import Servers
from tests.support.target import Target
from tests.support.waiting import wait_until

REFUSED = (
    "UPDATE audit_log SET key_name = 'somebody else'",
    "DELETE FROM audit_log",
    "TRUNCATE audit_log",
    "DROP TABLE audit_log",
    "ALTER TABLE audit_log DISABLE TRIGGER ALL",
    "ALTER TABLE audit_log OWNER TO CURRENT_USER",
    "DROP TRIGGER guard_rows ON audit_log",
    "CREATE TRIGGER mine BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE RULE mine AS ON INSERT TO audit_log DO INSTEAD NOTHING",
    "SET session_replication_role = 'replica'",
    "SELECT setval('audit_log_id_seq', 1)",
    "ALTER FUNCTION refuse_change() RENAME TO other",
    "DROP FUNCTION refuse_change() CASCADE",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE sql AS $$ SELECT 1 $$",
    # Objects that the owner's own statements could find.
    "CREATE TABLE mine ()",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA mine",
    "CREATE TRIGGER mine BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "UPDATE alembic_version SET version_num = '0000'",
    # Ways to the rights of others.
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "CREATE ROLE mine SUPERUSER",
    "SET ROLE {owner}",
    "SET SESSION AUTHORIZATION {owner}",
    "COPY audit_log TO PROGRAM 'true'",
    "SELECT pg_read_file('PG_VERSION')",
)


async def refusal(connection: AsyncConnection, statement: str) -> str | None:
    """Return the error of a statement, or None if it is carried out. Either way nothing changes."""
    change = await connection.begin()
    try:
        await connection.exec_driver_sql(statement)
    except DBAPIError as error:
        return str(error.orig)
    finally:
        await change.rollback()
    return None


async def assert_append_only(engine: AsyncEngine, *, owner: str) -> None:
    """Assert that the engine's role can read and append to the audit log, and that all attacks are refused."""
    async with engine.connect() as connection:
        entry = "INSERT INTO audit_log (key_name, action) VALUES ('ops', 'createTask') RETURNING id"
        assert await refusal(connection, entry) is None
        assert await refusal(connection, "SELECT * FROM audit_log") is None
        for statement in REFUSED:
            error = await refusal(connection, statement.format(owner=owner))
            assert error is not None, statement
            assert "permission denied" in error or "must be owner" in error or "must have" in error or "role" in error


@pytest.fixture
def split(servers: Servers) -> Iterator[DatabaseSettings]:
    """Yield settings with an application's role and an owner that is no superuser, on an empty database."""
    suffix = uuid4().hex[:12]
    owner, application = f"owner_{suffix}", f"app_{suffix}"
    servers.administrator.execute(f"CREATE ROLE {owner} LOGIN PASSWORD 'owner' CREATEROLE")
    with servers.empty_database(f"OWNER {owner}") as database:
        url = parse_database_url(str(database.database_url)).set(drivername="postgresql")
        url = url.set(query={"sslmode": str(url.query["ssl"])})
        yield DatabaseSettings.model_construct(
            database_url=url.set(username=application, password="it's \\ %").render_as_string(hide_password=False),
            migrate_database_url=url.set(username=owner, password="owner").render_as_string(hide_password=False),
        )
    servers.administrator.execute(f"DROP ROLE IF EXISTS {application}")
    servers.administrator.execute(f"DROP ROLE {owner}")


async def migrated(database: DatabaseSettings) -> None:
    """Migrate a database as `duetime migrate` does."""
    await migrate_database(database, secrets=SecretKeys())


async def test_everything_works_as_a_role_that_can_only_append_to_the_audit_log(
    split: DatabaseSettings, jobs_settings: JobsSettings, target: Target
) -> None:
    """The API and a worker use the application's role, which the migration created."""
    await migrated(split)
    await migrated(split)
    application = DatabaseSettings.model_construct(database_url=split.database_url)
    owner = str(split.migration_url().username)
    async with opened(application) as engine:
        await assert_append_only(engine, owner=owner)
        ahead = utc_now() + timedelta(days=partitions.DAYS_AHEAD)
        as_owner = create_async_engine(split.migration_url())
        async with as_owner.begin() as connection:
            await connection.execute(text(f"DROP TABLE task_results_{ahead:%Y%m%d}"))
        await as_owner.dispose()
        async with engine.begin() as connection:
            assert await partitions.missing(connection, utc_now().date()) == [ahead.date()]
            await partitions.make(connection, ahead.date())
            old = ahead - timedelta(days=100)
            await partitions.make(connection, old.date())
            await connection.execute(
                text("INSERT INTO audit_log (key_name, action, at) VALUES ('ops', 'old', now() - interval '400 days')")
            )
        await Retention(engine=engine, settings=jobs_settings).prune()
        async with engine.connect() as connection:
            assert old.date() not in await retention.days_with_partitions(connection)
            assert (await connection.execute(text("SELECT count(*) FROM audit_log"))).scalar_one() == 0
            today = utc_now().date()
            for statement in (
                "SELECT prune_audit_log(89, 10)",
                f"SELECT prune_run_day('{today}', 1, 1, 10)",
                f"SELECT prune_run_day('{today}', -9, 1, 10)",
                "SET duetime.prunes_audit_log = 'on'; DELETE FROM audit_log",
                f"DROP TABLE task_results_{today:%Y%m%d}",
            ):
                await connection.rollback()
                assert await refusal(connection, statement) is not None, statement
            await connection.rollback()

        task = one_off(f"{target.url}/ok", soon())
        await save(engine, task)
        async with serving(application, jobs_settings) as api, working(application, jobs_settings):
            [run] = await wait_until(lambda: runs_of(engine, task.id, at_least=1), what="the run has ended")
            assert run.success
            removed = {"query": f'mutation {{ deleteTask(id: "{task.id}") {{ __typename }} }}'}
            assert "errors" not in (await api.http.post("/graphql", json=removed)).json()

            async def is_removed() -> bool:
                async with engine.connect() as connection:
                    found = await connection.execute(text("SELECT count(*) FROM tasks"))
                    return bool(found.scalar_one() == 0)

            await wait_until(is_removed, what="the worker has removed the task", within=30)
        async with engine.connect() as connection:
            actions = (await connection.execute(text("SELECT action FROM audit_log"))).scalars().all()
    assert actions == ["deleteTask"]


async def test_the_owners_function_creates_nothing_from_the_callers_tables(split: DatabaseSettings) -> None:
    """A temporary table of the caller does not take the place of a table in a function that has the owner's rights."""
    await migrated(split)
    application = DatabaseSettings.model_construct(database_url=split.database_url)
    day = utc_now().date() + timedelta(days=20)
    async with opened(application) as engine, engine.begin() as connection:
        await connection.execute(text("CREATE TEMP TABLE finished_runs (id uuid) PARTITION BY RANGE (id)"))
        await partitions.make(connection, day)
        parent = "SELECT CAST(inhparent AS regclass)::text FROM pg_inherits WHERE inhrelid = to_regclass(:name)"
        found = await connection.execute(text(parent), {"name": f"public.task_results_{day:%Y%m%d}"})
        assert found.scalar_one() == "public.finished_runs"


RIGHTS = (
    ("ALTER ROLE {app} SUPERUSER", "is a superuser", "ALTER ROLE {app} NOSUPERUSER"),
    ("ALTER ROLE {app} CREATEROLE", "may create roles", "ALTER ROLE {app} NOCREATEROLE"),
    (
        "GRANT CREATE ON SCHEMA public TO {app}",
        "may create objects in the schema",
        "REVOKE CREATE ON SCHEMA public FROM {app}",
    ),
    ("GRANT UPDATE ON audit_log TO PUBLIC", "may change the audit log", "REVOKE UPDATE ON audit_log FROM PUBLIC"),
    # The creator of a role is a member of it since version 16, and membership cannot be mutual.
    (
        "REVOKE {app} FROM {owner}; GRANT {owner} TO {app}",
        "is a member of the role that does",
        "REVOKE {owner} FROM {app}",
    ),
)
"""Rights that the application's role must not have, what the error calls them, and what takes them back."""


async def test_a_role_that_could_change_the_audit_log_is_refused(split: DatabaseSettings, servers: Servers) -> None:
    """`duetime migrate` does not claim a separation that there is not."""
    await migrated(split)
    owner, app = split.migration_url().username, split.url().username
    administrator = create_async_engine(servers.administrator.url.set(database=split.url().database))

    async def administer(statements: str) -> None:
        async with administrator.begin() as connection:
            for statement in statements.format(owner=owner, app=app).split(";"):
                await connection.exec_driver_sql(statement)

    for right, reason, undo in RIGHTS:
        await administer(right)
        with pytest.raises(CannotStart, match=rf"the role {app} .*{reason}.*DATABASE_URL"):
            await migrated(split)
        await administer(undo)
    await administrator.dispose()


def downgrade(connection: Connection, revision: str) -> None:
    """Take a database back to an earlier revision."""
    command.downgrade(config_for(connection), revision)


async def test_errors_of_roles_say_what_to_do(split: DatabaseSettings, servers: Servers, tmp_path: Path) -> None:
    """The application's role cannot migrate, and a missing role that nobody may create is named."""
    owner, app = str(split.migration_url().username), str(split.url().username)
    await migrated(split)
    as_owner = create_async_engine(split.migration_url())
    async with as_owner.begin() as connection:
        await connection.run_sync(downgrade, "0011")
    await as_owner.dispose()
    application = DatabaseSettings.model_construct(database_url=split.database_url)
    with pytest.raises(
        CannotStart, match=r"permission denied.*set DUETIME_MIGRATE_DATABASE_URL to a URL with the role"
    ):
        await migrated(application)
    await migrated(split)
    # Without anything to migrate, it needs no further rights.
    await migrated(application)

    administrator = create_async_engine(servers.administrator.url)
    async with administrator.begin() as connection:
        await connection.exec_driver_sql(f"ALTER ROLE {owner} NOCREATEROLE")
    await administrator.dispose()
    missing = split.model_copy(update={"database_url": str(split.database_url).replace(app, "nobody_like_this")})
    with pytest.raises(CannotStart, match=r"there is no role nobody_like_this.*run CREATE ROLE"):
        await migrated(missing)

    nameless = split.model_copy(update={"database_url": "postgresql://127.0.0.1/duetime"})
    with pytest.raises(CannotStart, match="DATABASE_URL names no user; write the role"):
        await migrated(nameless)

    environment = {"DATABASE_URL": str(split.database_url), "DUETIME_MIGRATE_DATABASE_URL": "mysql://u:hidden@h/d"}
    result = await asyncio.to_thread(duetime_in_process, "migrate", cwd=tmp_path, environment=environment)
    assert result.stderr.startswith("duetime: DUETIME_MIGRATE_DATABASE_URL: must begin with postgresql://")
    assert "hidden" not in result.stderr


async def test_one_role_can_still_do_everything(database: DatabaseSettings) -> None:
    """Without a second URL, as on a managed Postgres with one user, nothing is granted, and partitions are created."""
    await migrated(database)
    day = utc_now().date() + timedelta(days=20)
    granted = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relacl IS NOT NULL"
    async with opened(database) as engine, engine.begin() as connection:
        await partitions.make(connection, day)
        assert (await connection.execute(text(granted))).scalar_one() == 0


async def make_folder_of_an_earlier_version(data_dir: Path) -> None:
    """Create a data folder in which one role, a superuser, owns everything and is used for everything."""
    settings = DuetimeSettings(data_dir=data_dir)
    async with (
        open_data_folder(data_dir) as folder,
        local_stack(folder, settings, postgres=True, valkey=False) as stack,
    ):
        await migrated(DatabaseSettings.model_construct(database_url=stack.owner_url))
        engine = create_async_engine(parse_database_url(str(stack.owner_url)))
        async with engine.begin() as connection:
            await connection.run_sync(downgrade, "0011")
            await connection.exec_driver_sql("INSERT INTO audit_log (key_name, action) VALUES ('ops', 'createTask')")
        await engine.dispose()
    for name in ("application-password", "owner.url"):
        (data_dir / name).unlink()


async def test_the_embedded_application_role_is_no_superuser(data_dir: Path) -> None:
    """A data folder of an earlier version gets the role when it starts. `duetime keys` uses both roles as well."""
    await make_folder_of_an_earlier_version(data_dir)
    with duetime_up(data_dir) as up:
        mutation = """mutation { createTask(input: {
            name: "a", trigger: {interval: {everyMs: 60000}}, action: {url: "http://127.0.0.1:1/"}
        }) { __typename } }"""
        async with httpx.AsyncClient() as client:
            created = (await client.post(up.graphql, json={"query": mutation})).json()
        command = ("keys", "create", "--name", "ops", "--scope", "read")
        environment = {"DUETIME_DATA_DIR": str(data_dir)}
        keys = await asyncio.to_thread(duetime_in_process, *command, cwd=data_dir, environment=environment)
        environments = [process.environ() for process in up.descendants() if process.cmdline()[-2:-1] == ["duetime"]]
        engine = create_async_engine(parse_database_url((data_dir / "database.url").read_text()))
        await assert_append_only(engine, owner="duetime")
        async with engine.connect() as connection:
            actions = await connection.execute(text("SELECT action FROM audit_log ORDER BY id"))
            assert actions.scalars().all() == ["createTask", "createTask", "createKey"]
            users = await connection.execute(text("SELECT DISTINCT usename FROM pg_stat_activity WHERE datid > 0"))
            assert users.scalars().all() == ["duetime_app"]
        await engine.dispose()
        assert up.stop() == 0

    assert created == {"data": {"createTask": {"__typename": "Task"}}}
    assert keys.returncode == 0, keys.stderr
    passwords = [(data_dir / name).read_text() for name in ("postgres-password", "application-password")]
    assert passwords[0] != passwords[1]
    assert min(map(len, passwords)) >= 32
    assert len(environments) == 2
    assert not any(passwords[0] in value for environment in environments for value in environment.values())
    for name in ("application-password", "owner.url"):
        assert (data_dir / name).stat().st_mode & 0o777 == 0o600
