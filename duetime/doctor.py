"""Runs `duetime doctor`: checks everything that a setup needs, and gives advice on each problem."""

import asyncio
import difflib
import http.client
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from dotenv import dotenv_values
from pydantic_settings import BaseSettings
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tzdata import IANA_VERSION  # type: ignore[import-untyped]  # it has no types

from db.connection import CONNECTION_ERRORS, autocommit, open_engine
from db.connection_strings import address
from db.maintenance import partitions, timezone_update
from db.models import utc_now
from db.reads import health, inspection
from db.revisions import is_current, revision
from db.security import api_keys
from db.settings import DatabaseSettings
from duetime import banner
from duetime.command_name import command_name
from duetime.local_stack.data_folder import running_database
from duetime.preflight import first_line
from duetime.settings import DuetimeSettings, LogSettings, ProcessSettings
from graphql_api.settings import ApiSettings
from jobs.settings import JobsSettings
from jobs.tracing_settings import TracingSettings

WITHIN = timedelta(seconds=5)
MOST_SKEW = timedelta(seconds=1)
LONG_ROUND_TRIP = timedelta(milliseconds=5)
SOON = timedelta(days=14)
OLDEST_POSTGRES, OLDEST_REDIS = 14, (6, 2)
NEEDED_CONNECTIONS = 20
"""Connections of one API process and one worker."""
MEBIBYTE = 1024 * 1024
SETTINGS: tuple[type[BaseSettings], ...] = (
    *(LogSettings, DuetimeSettings, ProcessSettings),
    *(DatabaseSettings, JobsSettings, ApiSettings, TracingSettings),
)
INTERNAL = ("DUETIME_LISTENER", "DUETIME_COMMAND_NAME", "DUETIME_TEST_")
CLIENT = {"DUETIME_URL", "DUETIME_KEY", "DUETIME_PROFILE"}
"""Variables of the commands that talk to a running Duetime."""

Status = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of a check, with advice."""

    check: str
    status: Status
    found: str
    advice: str = ""


def ok(check: str, found: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(check=check, status="ok", found=found)


def warning(check: str, found: str, advice: str) -> Finding:
    """Return a finding about something that works but may soon fail."""
    return Finding(check=check, status="warning", found=found, advice=advice)


def error(check: str, found: str, advice: str) -> Finding:
    """Return a finding about something that does not work."""
    return Finding(check=check, status="error", found=found, advice=advice)


async def run(
    settings: DuetimeSettings, database: DatabaseSettings, jobs: JobsSettings, api: ApiSettings, *, as_json: bool
) -> None:
    """Print all findings. Exit with status 1 if one of them is an error."""
    findings = [finding async for finding in examine(settings, database, jobs, api)]
    print(json_text(findings) if as_json else text(findings))
    if worst(findings) == "error":
        sys.exit(1)


async def examine(
    settings: DuetimeSettings, database: DatabaseSettings, jobs: JobsSettings, api: ApiSettings
) -> AsyncIterator[Finding]:
    """Yield the findings of all checks. A check that needs an unavailable server is left out."""
    yield variables({**dotenv_values(".env"), **os.environ})
    if not database.is_named:
        running = running_database(settings.data_dir)
        if running is None:
            yield error(
                "postgres", f"nothing runs on the data folder {settings.data_dir}", f"start it: {command_name()} up"
            )
        else:
            database = database.model_copy(update={"database_url": running[0]})
    if database.is_named:
        async for finding in of_postgres(database, jobs, api):
            yield finding
    if jobs.redis_url:
        yield await of_redis(jobs.redis_url)
    yield await asyncio.to_thread(of_api, api)


def variables(environment: Mapping[str, Any]) -> Finding:
    """Return whether each variable with Duetime's prefix is a setting."""
    known = {variable(kind, name) for kind in SETTINGS for name in kind.model_fields}
    own = {name.upper() for name in environment if name.upper().startswith("DUETIME_")} - CLIENT
    unknown = sorted(name for name in own - known if not name.startswith(INTERNAL))
    if not unknown:
        return ok(
            "settings", f"{len(own & known)} variables with the prefix DUETIME_ are set, and all of them are known"
        )
    close = [difflib.get_close_matches(name, known, n=1, cutoff=0.8) for name in unknown]
    meant = ", ".join(
        f"{name} (did you mean {found[0]}?)" if found else name for name, found in zip(unknown, close, strict=True)
    )
    return warning("settings", f"unknown variables, which change nothing: {meant}", "see docs/settings.md")


def variable(settings: type[BaseSettings], name: str) -> str:
    """Return the environment variable of a setting."""
    alias = settings.model_fields[name].validation_alias
    return str(alias or f"{settings.model_config.get('env_prefix', '')}{name}").upper()


async def of_postgres(database: DatabaseSettings, jobs: JobsSettings, api: ApiSettings) -> AsyncIterator[Finding]:
    """Yield the findings about Postgres."""
    url, reached = database.url(), False
    # Unnamed statements work behind every pooler.
    engine = open_engine(url, pool_size=2, application_name="duetime doctor", pooler="transaction")
    try:
        async with asyncio.timeout(WITHIN.total_seconds()), autocommit(engine).connect() as connection:
            server, asked_at, reached = await inspection.server(connection), utc_now(), True
        for finding in of_server(server, f"{server.version} at {address(url)}", clock_ahead=server.now - asked_at):
            yield finding
        yield await of_pooler(engine, database)
        async with autocommit(engine).connect() as connection:
            yield of_round_trip(await inspection.round_trip(connection, times=10))
            current, at = await connection.run_sync(is_current), await connection.run_sync(revision)
            if not current:
                yield error(
                    "migrations",
                    f"the schema is at revision {at}, which is not that of this version",
                    f"run `{command_name()} migrate`, or the version that the schema belongs to",
                )
                return
            yield ok("migrations", f"the schema is at revision {at}")
            async for finding in of_tables(connection, jobs, api, now=server.now):
                yield finding
    except CONNECTION_ERRORS as failed:
        if reached:
            yield error("postgres", f"it refuses to be checked ({first_line(failed)})", "see the log of Postgres")
            return
        yield error(
            "postgres",
            f"{address(url)} cannot be reached ({first_line(failed)})",
            "is DATABASE_URL (or DB_HOST, …) right, and the server running?",
        )
    finally:
        await engine.dispose()


def of_server(server: inspection.Server, found: str, *, clock_ahead: timedelta) -> Iterable[Finding]:
    """Yield the findings about the server itself."""
    if server.number // 10_000 < OLDEST_POSTGRES:
        yield error("postgres", found, f"use Postgres {OLDEST_POSTGRES} or newer")
    elif server.is_standby:
        yield error(
            "postgres", f"{found} is a standby, which does not accept writes", "use target_session_attrs=read-write"
        )
    else:
        yield ok("postgres", f"{found}, {server.size / MEBIBYTE:,.0f} MiB")
    if not server.is_durable:
        yield error(
            "durability", "fsync or full_page_writes is off: a crash loses what was committed", "switch both of them on"
        )
    if not server.cleans_up:
        yield error("autovacuum", "autovacuum is off: tables grow without bound", "switch it on")
    if abs(clock_ahead) > MOST_SKEW:
        yield warning(
            "clock",
            f"Postgres's clock is {clock_ahead.total_seconds():+.1f} s from this machine's; Postgres's decides",
            "synchronise both by NTP",
        )
    free = server.most_connections - server.connections
    if free < NEEDED_CONNECTIONS:
        yield warning(
            "connections",
            f"{server.connections} of {server.most_connections} connections are in use",
            f"raise max_connections, or use a pooler; an API process and a worker use {NEEDED_CONNECTIONS // 2} each",
        )


async def of_pooler(engine: AsyncEngine, database: DatabaseSettings) -> Finding:
    """Return whether DATABASE_POOLER matches the way a pooler shares connections."""
    if not await inspection.shares_connections_by_transaction(engine):
        return ok("pooler", "a connection keeps its session")
    if database.database_pooler == "transaction":
        return ok("pooler", "each transaction gets another session, as DATABASE_POOLER says")
    return error("pooler", "each transaction gets another session", "set DATABASE_POOLER=transaction")


def of_round_trip(took: timedelta) -> Finding:
    """Return whether the round trip to Postgres is short enough."""
    found = f"Postgres answers in {took.total_seconds() * 1_000:.1f} ms"
    if took > LONG_ROUND_TRIP:
        return warning("network", found, "run Duetime close to Postgres: a run needs a few round trips")
    return ok("network", found)


async def of_tables(
    connection: AsyncConnection, jobs: JobsSettings, api: ApiSettings, *, now: datetime
) -> AsyncIterator[Finding]:
    """Yield the findings about the tables of a database whose schema is current."""
    state = await health.service_state(connection)
    for finding in of_workers(state):
        yield finding
    rules = await timezone_update.version(connection)
    if rules is not None and rules != IANA_VERSION:
        yield warning(
            "time zones",
            f"instants follow the rules {rules}, and this program has {IANA_VERSION}",
            "use the same version of Duetime everywhere; a worker of the newer version recomputes the instants",
        )
    missing = await partitions.missing(connection, now.date())
    there = await inspection.days(connection)
    if missing and state.workers:
        days = ", ".join(day.isoformat() for day in missing)
        yield warning("partitions", f"days without their own partition: {days}", "see the log of the workers")
    else:
        since = f", from {there.first}" if there.first else ""
        kept = f"{jobs.retention_days} days" if jobs.retention_days else "forever"
        yield ok("partitions", f"{there.days} days of runs are kept{since}; successful runs are kept {kept}")
    bloated = await inspection.bloated_tables(connection)
    if bloated:
        yield warning(
            "bloat",
            f"more dead rows than live ones: {', '.join(bloated)}",
            "let autovacuum run more often, and look for transactions that stay open",
        )
    if not jobs.secrets.present and await inspection.has_secrets(connection):
        yield error(
            "secrets",
            "tasks have encrypted secrets, and DUETIME_SECRET_KEY is not set here",
            "set the key with which they were encrypted, for the API and all workers",
        )
    for finding in of_keys(await api_keys.ends_of_keys_in_force(connection, now=now), api, now=now):
        yield finding


def of_workers(state: health.ServiceState) -> Iterable[Finding]:
    """Yield the findings about workers and overdue tasks."""
    if not state.workers:
        yield error("workers", "no worker renewed its lease recently", f"start one: {command_name()} worker")
    else:
        yield ok("workers", f"{state.workers} alive")
    if state.since_due is not None and state.since_due > health.LATE_AFTER:
        yield warning(
            "lateness",
            f"a task has been due for {state.since_due.total_seconds():,.0f} s",
            "start more workers, or give them more slots (DUETIME_SLOTS)",
        )


def of_keys(keys: Iterable[tuple[str, datetime | None]], api: ApiSettings, *, now: datetime) -> Iterable[Finding]:
    """Yield the findings about keys: whether required ones exist, and which expire soon."""
    keys = list(keys)
    create = f"{command_name()} keys create"
    if api.keys_wanted and not keys:
        yield error("keys", "a key is required, but none exists", f"create one: {create} --name NAME --scope admin")
        return
    yield ok("keys", f"{'required' if api.keys_wanted else 'not required'}; {len(keys)} valid")
    for name, expires_at in keys:
        if expires_at is not None and expires_at - now < SOON:
            yield warning("keys", f"the key {name!r} ends at {expires_at:%Y-%m-%dT%H:%MZ}", f"create another: {create}")


async def of_redis(url: str) -> Finding:
    """Return the finding about Redis."""
    seconds = WITHIN.total_seconds()
    client = Redis.from_url(url, socket_connect_timeout=seconds, socket_timeout=seconds)
    try:
        async with client:
            about = await client.info()
    except (RedisError, OSError) as failed:
        return error(
            "redis",
            f"cannot be reached ({first_line(failed)}); tasks fire from Postgres meanwhile",
            "is REDIS_URL right, and the server running?",
        )
    version = str(about["redis_version"])
    name = f"Valkey {about['valkey_version']}" if "valkey_version" in about else f"Redis {version}"
    with suppress(ValueError):
        if tuple(map(int, version.split(".")[:2])) < OLDEST_REDIS:
            return error("redis", name, f"use Redis {'.'.join(map(str, OLDEST_REDIS))} or newer, or Valkey")
    policy = about.get("maxmemory_policy", "noeviction")
    if not about.get("maxmemory"):
        return warning("redis", f"{name} without maxmemory", "set maxmemory, and maxmemory-policy volatile-lru")
    if not str(policy).startswith("volatile-"):
        return warning("redis", f"{name} with the policy {policy}", "set maxmemory-policy volatile-lru")
    return ok("redis", f"{name}, {about['maxmemory'] / MEBIBYTE:,.0f} MiB at most, {policy}")


def of_api(api: ApiSettings) -> Finding:
    """Return whether the API answers on this machine."""
    url = banner.base_url(api)
    connection = http.client.HTTPConnection(banner.local_host(api.host), api.port, timeout=WITHIN.total_seconds())
    try:
        connection.request("GET", "/health/live")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as failed:
        return warning("api", f"{url} cannot be reached ({failed})", f"if it should run here: {command_name()} api")
    finally:
        connection.close()
    if status != http.HTTPStatus.OK:
        return warning("api", f"{url}/health/live answers {status}", "another program may be listening there")
    return ok("api", f"answers at {url}")


def worst(findings: Iterable[Finding]) -> Status:
    """Return the worst status among the findings."""
    order: list[Status] = ["ok", "warning", "error"]
    return max((finding.status for finding in findings), key=order.index)


def text(findings: list[Finding]) -> str:
    """Return the findings as a table, each with its advice below."""
    width = max(len(finding.check) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.status:<7}  {finding.check:<{width}}  {finding.found}")
        if finding.advice:
            lines.append(f"{'':<7}  {'':<{width}}  → {finding.advice}")
    return "\n".join(lines)


def json_text(findings: list[Finding]) -> str:
    """Return the findings as JSON: the worst status, and a list of all."""
    checks = [asdict(finding) for finding in findings]
    return json.dumps({"status": worst(findings), "checks": checks}, ensure_ascii=False, indent=2)
