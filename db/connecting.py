"""Opens one connection to Postgres, by the rules of a connection string."""

import asyncio
import ssl
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from math import inf
from typing import cast

import asyncpg
from sqlalchemy import URL

from db.compat import Connection, TransactionPooledConnection
from db.connection_strings import SYSTEM_AUTHORITIES, Pooler, dsn, one_per_host

CONNECT_TIMEOUT = timedelta(seconds=5)
"""How long one host may take to accept a connection, unless the connection string has a `connect_timeout`."""
NEXT_HOST = (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.exceptions.TargetServerAttributeNotMatched)
"""Errors after which the next host is tried. A host that refuses a password ends the search, as in libpq."""
FOR_FILES = {"sslrootcert", "sslcert", "sslkey", "sslpassword", "ssl"}


async def connect(
    url: URL, *, application_name: str, pooler: Pooler, settings: Mapping[str, str], command_timeout: float | None
) -> asyncpg.Connection:
    """Return a connection with these settings, to the first host that accepts one.

    The settings follow after the connection, because poolers refuse to start a session with them.
    """
    connection = await connect_to_any(
        url, application_name=application_name, pooler=pooler, command_timeout=command_timeout
    )
    if pooler == "transaction":
        # `isinstance` is of no use, because asyncpg says that a connection is one of every class of connections.
        statements = "".join(f"SET LOCAL {name} = '{settings[name]}';" for name in settings)
        cast("TransactionPooledConnection", connection).transaction_settings = statements
        return connection
    try:
        await connection.execute("".join(f"SET {name} = '{settings[name]}';" for name in settings))
    except BaseException:
        connection.terminate()
        raise
    return connection


async def connect_to_any(
    url: URL, *, application_name: str, pooler: Pooler, command_timeout: float | None
) -> asyncpg.Connection:
    """Return a connection to the first host that accepts one. A host that is silent does not use up another's time."""
    open_connection = partial(
        connect_to, application_name=application_name, pooler=pooler, command_timeout=command_timeout
    )
    *others, last = candidates(url)
    for host in others:
        try:
            return await open_connection(host)
        except NEXT_HOST:
            continue
    return await open_connection(last)


def candidates(url: URL) -> list[URL]:
    """Return a URL for each host, in the order in which they are tried."""
    hosts = one_per_host(url)
    if len(hosts) > 1 and url.query.get("target_session_attrs") == "prefer-standby":
        return [host.update_query_dict({"target_session_attrs": kind}) for kind in ("standby", "any") for host in hosts]
    return hosts


async def connect_to(
    url: URL, *, application_name: str, pooler: Pooler, command_timeout: float | None
) -> asyncpg.Connection:
    """Return a connection to the one host of a URL."""
    given = {name: str(value) for name, value in url.query.items()}
    # As in libpq, zero and less mean no limit.
    seconds = int(given.pop("connect_timeout", CONNECT_TIMEOUT.seconds))
    # Poolers accept only a few settings while a session starts, these among them.
    settings = {"timezone": "UTC", "application_name": given.pop("application_name", application_name)}
    tls: ssl.SSLContext | None = None
    if given.get("sslrootcert") == SYSTEM_AUTHORITIES:
        tls = await asyncio.to_thread(system_tls, given)
        given = {name: value for name, value in given.items() if name not in FOR_FILES}
    by_transaction = pooler == "transaction"
    return await asyncpg.connect(
        dsn(url.set(query=given)),
        ssl=tls,
        timeout=seconds if seconds > 0 else inf,
        command_timeout=command_timeout,
        server_settings=settings,
        connection_class=TransactionPooledConnection if by_transaction else Connection,
        statement_cache_size=0 if by_transaction else 100,
    )


def system_tls(parameters: Mapping[str, str]) -> ssl.SSLContext:
    """Return the TLS of `sslrootcert=system`, which trusts the system's authorities and, as in libpq, checks names."""
    context = ssl.create_default_context()
    if "sslcert" in parameters:
        context.load_cert_chain(parameters["sslcert"], parameters.get("sslkey"), parameters.get("sslpassword"))
    return context
