"""Connection strings of Postgres as providers give them, read as libpq and asyncpg read them.

What a string leaves out, asyncpg takes from the `PG*` variables, a password file, or a service file.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode

from sqlalchemy import URL

Pooler = Literal["session", "transaction"]
"""How a pooler between Duetime and Postgres shares connections; `session` also without one."""
DRIVER = "postgresql+asyncpg"
SCHEMES = ("postgresql", "postgres", DRIVER)
SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SESSION_ATTRIBUTES = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")
SHAPE = "postgresql://user:password@host:port/database"
NOT_ESCAPED = f"cannot be read; write {SHAPE}, with special characters in the password percent-encoded (@ as %40)"
SYSTEM_AUTHORITIES = "system"
"""The value of `sslrootcert` that means the authorities which the operating system trusts."""

PARTS = {"host", "port", "user", "password", "dbname", "database"}
"""Parameters that say the same as the part of a URL before the question mark."""
CERTIFICATES = {"sslrootcert", "sslcert", "sslkey", "sslcrl"}
USED = {
    *CERTIFICATES,
    "sslpassword",
    "sslnegotiation",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "target_session_attrs",
    "connect_timeout",
    "passfile",
    "service",
    "krbsrvname",
    "gsslib",
    "application_name",
    "options",
}
UNUSED = {
    "channel_binding",
    "client_encoding",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "oauth_client_id",
    "oauth_client_secret",
    "oauth_issuer",
    "oauth_scope",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "scram_client_key",
    "scram_server_key",
    "servicefile",
    "sslcertmode",
    "sslcompression",
    "sslcrldir",
    "sslkeylogfile",
    "sslsni",
    "tcp_user_timeout",
}
"""Parameters of libpq without a counterpart in asyncpg, which would send them to the server as settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionString:
    """The parts of a connection string."""

    user: str
    password: str = field(repr=False)
    hosts: str
    database: str
    query: str = field(repr=False)


def known_sslmode(mode: str) -> str:
    """Return the mode. Raises `ValueError` with libpq's values of `sslmode` for an unknown one."""
    if mode not in SSLMODES:
        raise ValueError(f"sslmode must be one of {', '.join(SSLMODES)}")
    return mode


def parse_database_url(text: str) -> URL:
    """Return a connection string as a URL of SQLAlchemy. `ValueError` says what is wrong without repeating a password.

    Several hosts, and the folder of a Unix socket, are in the URL's parameter `host`.
    """
    given = split_url(text)
    parameters = parameters_of(given)
    hosts = hosts_of(given.hosts, parameters)
    [(host, port), *others] = hosts
    query = {name: value for name, value in parameters.items() if name not in PARTS | UNUSED}
    if others or host.startswith("/"):
        query["host"] = ",".join(shown(*host) for host in hosts) if others else host
        host = ""
    return URL.create(
        DRIVER,
        username=given.user or parameters.get("user"),
        password=given.password or parameters.get("password"),
        host=host or None,
        port=None if others else port,
        database=given.database or parameters.get("dbname") or parameters.get("database"),
        query=query,
    )


def unused_parameters(text: str) -> list[str]:
    """Return the parameters of a connection string that libpq uses and Duetime does not."""
    return [name for name in parameters_of(split_url(text)) if name in UNUSED]


def split_url(text: str) -> ConnectionString:
    """Return the parts of a connection string. Raises `ValueError` if a special character was not escaped.

    In a password, only @ and ? have to be escaped, although libpq also takes exception to other characters.
    """
    scheme, found, rest = text.partition("://")
    if not found:
        raise ValueError(NOT_ESCAPED)
    if scheme.lower() not in SCHEMES:
        raise ValueError(f"must begin with postgresql://, as in {SHAPE}")
    rest, _, query = rest.partition("?")
    userinfo, sign, location = rest.rpartition("@")
    user, _, password = userinfo.partition(":")
    if "@" in userinfo or "/" in user or (rest.strip("/") and not sign and "@" in query):
        raise ValueError(NOT_ESCAPED)
    hosts, _, database = location.partition("/")
    return ConnectionString(
        user=unquote(user), password=unquote(password), hosts=hosts, database=unquote(database), query=query
    )


def parameters_of(string: ConnectionString) -> dict[str, str]:
    """Return the parameters of a connection string, checked, and `sslmode` under the name that asyncpg has for it."""
    try:
        given = parse_qsl(string.query, keep_blank_values=True, strict_parsing=bool(string.query))
    except ValueError:
        raise ValueError(NOT_ESCAPED) from None
    parameters: dict[str, str] = {}
    for name, value in given:
        if name in {"sslmode", "ssl"}:
            # Like libpq, which accepts what drivers for Java write.
            parameters["ssl"] = "require" if (name, value) == ("ssl", "true") else known_sslmode(value)
        elif name not in PARTS | USED | UNUSED:
            raise ValueError(
                f"the parameter {name} is not known to libpq; take it out, or write a setting of the server as "
                "options=-c%20name%3Dvalue"
            )
        elif value:
            parameters[name] = value
    check(parameters)
    return parameters


def check(parameters: Mapping[str, str]) -> None:
    """Raise `ValueError` for the value of a parameter with which no connection can be made."""
    attributes = parameters.get("target_session_attrs", "any")
    if attributes not in SESSION_ATTRIBUTES:
        raise ValueError(f"target_session_attrs must be one of {', '.join(SESSION_ATTRIBUTES)}")
    timeout = parameters.get("connect_timeout", "0")
    if not (timeout.isascii() and timeout.removeprefix("-").isdigit()):
        raise ValueError("connect_timeout must be a whole number of seconds")
    for name in sorted(CERTIFICATES & parameters.keys()):
        path = parameters[name]
        if not os.access(path, os.R_OK) and (name, path) != ("sslrootcert", SYSTEM_AUTHORITIES):
            raise ValueError(f"the file {path} of the parameter {name} cannot be read")


def hosts_of(text: str, parameters: Mapping[str, str]) -> list[tuple[str, int | None]]:
    """Return the hosts and ports of a connection string; an empty host stands for the one that asyncpg finds."""
    hosts = [host_and_port(part) for part in (text or parameters.get("host", "")).split(",")]
    if len(hosts) > 1 and not all(host for host, _ in hosts):
        raise ValueError(f"one of the hosts has no name; write {SHAPE}, with host:port,host:port for several")
    ports = [checked_port(port) for port in parameters.get("port", "").split(",")]
    if len(ports) not in {1, len(hosts)}:
        raise ValueError("the parameter port must be one port, or as many as there are hosts")
    defaults = ports * len(hosts) if len(ports) == 1 else ports
    return [(host, port or default) for (host, port), default in zip(hosts, defaults, strict=True)]


def host_and_port(text: str) -> tuple[str, int | None]:
    """Return one host of a connection string with its port, if it has one."""
    host, colon, port = text.rpartition(":") if text.startswith("/") else text.partition(":")
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        if port and not port.startswith(":"):
            raise ValueError(NOT_ESCAPED)
        return host, checked_port(port[1:])
    if text.startswith("/") and not colon:
        return text, None
    return unquote(host), checked_port(port)


def checked_port(text: str) -> int | None:
    """Return a port, or None for an empty text."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise ValueError(NOT_ESCAPED)
    if not 1 <= int(text) <= 65535:
        raise ValueError("the port must be a whole number from 1 to 65535")
    return int(text)


def shown(host: str, port: int | None) -> str:
    """Return a host as it stands in a connection string, with its port if it has one."""
    return (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")


def address(url: URL) -> str:
    """Return the hosts, ports and database of a URL, without user and password."""
    hosts = url.query.get("host") or shown(url.host or os.environ.get("PGHOST") or "localhost", url.port or 5432)
    return f"{hosts}/{url.database or os.environ.get('PGDATABASE') or url.username or ''}"


def one_per_host(url: URL) -> list[URL]:
    """Return the URL for each of its hosts, in their order."""
    hosts = str(url.query.get("host", ""))
    if "," not in hosts:
        return [url]
    alone = url.difference_update_query(["host"])
    found = []
    for host, port in map(host_and_port, hosts.split(",")):
        is_socket = host.startswith("/")
        single = alone.update_query_dict({"host": host}) if is_socket else alone.set(host=host)
        found.append(single.set(port=port) if port else single)
    return found


def dsn(url: URL) -> str:
    """Return a URL of one host as the connection string that asyncpg reads."""
    user = quote(url.username or "", safe="") + (f":{quote(url.password, safe='')}" if url.password else "")
    query = {"sslmode" if name == "ssl" else name: value for name, value in url.query.items()}
    if url.port and not url.host:
        query["port"] = str(url.port)
    host = shown(url.host, url.port) if url.host else ""
    # A slash alone would name a database without a name.
    database = f"/{quote(url.database, safe='')}" if url.database else ""
    return f"postgresql://{user}{'@' if user else ''}{host}{database}?{urlencode(query)}"
