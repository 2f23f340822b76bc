"""What a REDIS_URL means."""

from datetime import timedelta

import pytest
from redis.asyncio.connection import SSLConnection

from jobs.redis_pool import redis_pool
from jobs.redis_url import RedisUrl, parse_redis_url

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://h", RedisUrl(hosts=(("h", 6379),), tls=False)),
        ("redis://h:1/", RedisUrl(hosts=(("h", 1),), tls=False)),
        ("redis://:p%2Fw@h/3", RedisUrl(hosts=(("h", 6379),), tls=False, password="p/w", database=3)),
        ("rediss://u%40x:hidden@[::1]:2", RedisUrl(hosts=(("::1", 2),), tls=True, username="u@x", password="hidden")),
        ("redis+sentinel://a/m", RedisUrl(hosts=(("a", 26379),), tls=False, service="m")),
        (
            "redis+sentinel://u:hidden@a:1,[::1],c:3/my%20one/2?sentinel_username=s&sentinel_password=t",
            RedisUrl(
                hosts=(("a", 1), ("::1", 26379), ("c", 3)),
                tls=False,
                username="u",
                password="hidden",
                service="my one",
                database=2,
                of_sentinels={"username": "s", "password": "t"},
            ),
        ),
    ],
)
def test_parts(text: str, expected: RedisUrl) -> None:
    """Hosts, credentials, the name of the primary and the database are read as redis-py and its relatives read them."""
    assert parse_redis_url(text) == expected
    assert expected.password is None or expected.password not in repr(parse_redis_url(text))


@pytest.mark.parametrize(
    ("query", "checks", "required"),
    [
        ("", True, "required"),
        ("?ssl_check_hostname=false", False, "required"),
        ("?ssl_cert_reqs=none", False, "none"),
    ],
)
def test_tls_checks_the_name_of_the_host(query: str, required: str, *, checks: bool) -> None:
    """A certificate has to be for the host, which redis-py does not check by default, unless the URL says otherwise."""
    pool = redis_pool(f"rediss://h{query}", connect_within=SECOND, answers_within=SECOND)
    connection = pool.make_connection()  # type: ignore[no-untyped-call]
    assert isinstance(connection, SSLConnection)
    assert connection.check_hostname is checks
    assert connection.ssl_context.get().verify_mode.name == f"CERT_{required.upper()}"
