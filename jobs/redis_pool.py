"""Connections to the Redis that REDIS_URL names."""

from datetime import timedelta
from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.sentinel import Sentinel

from jobs.compat import SentinelPool
from jobs.redis_url import TRUTH, RedisUrl, parse_redis_url


def redis_pool(text: str, *, connect_within: timedelta, answers_within: timedelta) -> ConnectionPool:
    """Return a pool that connects when it is first used, to the server or to the primary of the moment.

    With TLS, the certificate has to be for the name of the host, unless the URL says otherwise.
    """
    url = parse_redis_url(text)
    common: dict[str, Any] = {
        "socket_connect_timeout": connect_within.total_seconds(),
        "socket_timeout": answers_within.total_seconds(),
    }
    tls = tls_arguments(url) if url.tls else {}
    arguments = {
        **common,
        **tls,
        "db": url.database,
        "username": url.username,
        "password": url.password,
        "health_check_interval": 0,
    }
    if url.service is None:
        [(host, port)] = url.hosts
        kind = SSLConnection if url.tls else Connection
        return ConnectionPool(host=host, port=port, connection_class=kind, **arguments)
    of_sentinels = {**common, **tls, **url.of_sentinels, **({"ssl": True} if url.tls else {})}
    sentinels = Sentinel(url.hosts, sentinel_kwargs=of_sentinels)  # type: ignore[no-untyped-call]
    return SentinelPool(url.service, sentinels, ssl=url.tls, **arguments)  # type: ignore[no-untyped-call]


def tls_arguments(url: RedisUrl) -> dict[str, Any]:
    """Return the arguments of TLS as redis takes them."""
    verifies = url.parameters.get("ssl_cert_reqs", "required").lower() != "none"
    checks = url.parameters.get("ssl_check_hostname", str(verifies)).lower()
    return {**url.parameters, "ssl_check_hostname": TRUTH[checks]}


def open_client(text: str, *, connect_within: timedelta, answers_within: timedelta) -> Redis:
    """Return a client that connects when it is first used. Its owner closes it."""
    return Redis.from_pool(redis_pool(text, connect_within=connect_within, answers_within=answers_within))
