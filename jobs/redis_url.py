"""REDIS_URL: which Redis it names.

redis://user:password@host:6379/0                                one server
rediss://host:6380/0?ssl_ca_certs=/etc/ca.pem                    the same with TLS
redis+sentinel://user:password@a:26379,b:26379/mymaster/0        the primary that Sentinels name; rediss+sentinel too
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SHAPE = "redis://user:password@host:port/number, or rediss:// for TLS"
SENTINEL_SHAPE = "redis+sentinel://user:password@host:port,host:port/name-of-primary/number"
SCHEMES = {"redis": False, "rediss": True, "redis+sentinel": False, "rediss+sentinel": True}
"""Which of them mean TLS."""
PORT, SENTINEL_PORT = 6379, 26379
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
"""What `ssl_check_hostname` may be."""
CHOICES = {"ssl_cert_reqs": ("required", "optional", "none"), "ssl_check_hostname": tuple(TRUTH)}
OF_TLS = (*FILES, *CHOICES)
OF_SENTINEL = ("sentinel_username", "sentinel_password")
AUTHORITY = re.compile(r"[^/?#]*")
HOST = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<name>[^:\[\]]*))(?::(?P<port>[0-9]+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUrl:
    """A URL that was read. `service` is the name of the primary that Sentinels know; then `hosts` are the Sentinels."""

    hosts: tuple[tuple[str, int], ...]
    tls: bool
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    service: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    of_sentinels: Mapping[str, str] = field(default_factory=dict, repr=False)


def parse_redis_url(text: str) -> RedisUrl:
    """Return the URL's parts. Raises `ValueError`, whose message does not repeat the password."""
    scheme, separator, rest = text.partition("://")
    found_authority = AUTHORITY.match(rest) if separator else None
    authority = found_authority[0] if found_authority else ""
    try:
        # urlsplit knows no list of hosts, and newer versions of it refuse one with an IPv6 address.
        url = urlsplit(f"{scheme}{separator}{rest[len(authority) :]}")
        given = parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query))
    except ValueError:
        raise ValueError(unreadable(SHAPE)) from None
    if "@" in url.path:
        raise ValueError(unreadable(SHAPE))
    if url.scheme not in SCHEMES:
        raise ValueError(f"must begin with redis:// or rediss://, as in {SHAPE}, or be {SENTINEL_SHAPE}")
    tls, by_sentinel = SCHEMES[url.scheme], url.scheme.endswith("+sentinel")
    shape = SENTINEL_SHAPE if by_sentinel else SHAPE
    credentials, _, hosts = authority.rpartition("@")
    username, _, password = credentials.partition(":")
    service, database = place_of(url, by_sentinel=by_sentinel, shape=shape)
    parameters = dict(given)
    check_parameters(parameters, tls=tls, by_sentinel=by_sentinel, fragment=url.fragment)
    found = [
        host_and_port(part, default=SENTINEL_PORT if by_sentinel else PORT, shape=shape) for part in hosts.split(",")
    ]
    if len(found) > 1 and not by_sentinel:
        raise ValueError(f"has several hosts, which only Sentinels may be; write {SHAPE}, or {SENTINEL_SHAPE}")
    return RedisUrl(
        hosts=tuple(found),
        tls=tls,
        database=database,
        username=unquote(username) or None,
        password=unquote(password) or None,
        service=service,
        parameters={name: parameters[name] for name in OF_TLS if name in parameters},
        of_sentinels={name.removeprefix("sentinel_"): parameters[name] for name in OF_SENTINEL if name in parameters},
    )


def place_of(url: SplitResult, *, by_sentinel: bool, shape: str) -> tuple[str | None, int]:
    """Return the name of the primary, with Sentinels, and the number of the database. Raises `ValueError`."""
    steps = url.path.removeprefix("/").split("/")
    service = unquote(steps.pop(0)) if by_sentinel else None
    if service == "":
        raise ValueError(f"has no name of the primary; write {shape}")
    number = "/".join(steps)
    if number and not (number.isascii() and number.isdigit()):
        raise ValueError(f"the database must be a number, as /0; write {shape}")
    return service, int(number or 0)


def host_and_port(text: str, *, default: int, shape: str) -> tuple[str, int]:
    """Return a host and its port. Raises `ValueError`."""
    found = HOST.fullmatch(text)
    if found is None:
        raise ValueError(unreadable(shape))
    host = unquote(found["six"] or found["name"] or "")
    if not host:
        raise ValueError(f"has no host; write {shape}")
    port = int(found["port"]) if found["port"] else default
    if not 1 <= port <= 65535:
        raise ValueError("the port must be a whole number from 1 to 65535")
    return host, port


def check_parameters(given: Mapping[str, str], *, tls: bool, by_sentinel: bool, fragment: str) -> None:
    """Raise `ValueError` for parameters that are unknown or wrong, or have no place in such a URL."""
    if fragment:
        raise ValueError(f"has a part after #; percent-encode that character as %23; write {SHAPE}")
    known = (*OF_TLS, *OF_SENTINEL) if by_sentinel else OF_TLS
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"takes no parameter {name!r}, only {', '.join(known)}; write {SHAPE}")
        if name in OF_TLS and not tls:
            raise ValueError(f"has the parameter {name} without TLS; begin with rediss:// or rediss+sentinel://")
        if name in FILES and not os.access(value, os.R_OK):
            raise ValueError(f"the file {value} of the parameter {name} cannot be read")
        if name in CHOICES and value.lower() not in CHOICES[name]:
            raise ValueError(f"{name} must be one of {', '.join(CHOICES[name])}")


def unreadable(shape: str) -> str:
    """Return the message for a URL that cannot be taken apart."""
    return f"cannot be read; write {shape}, with special characters in the password percent-encoded (/ as %2F)"
