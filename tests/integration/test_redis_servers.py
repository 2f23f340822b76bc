"""Redis as operators run it: watched by Sentinels, with TLS of a private authority, and with users of few rights."""

import re
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis

from db.models import Run, utc_now
from db.settings import DatabaseSettings
from db.states import OverlapPolicy, RunState
from jobs.queue import EVENTS_CHANNEL, Queue, Unreachable
from jobs.settings import LOOPBACK, JobsSettings
from tests.support.certificates import authority
from tests.support.engine import every, opened, runs_of, save, working
from tests.support.graphql import Api, serving
from tests.support.redis_servers import DEBIAN, EMBEDDED, PRIMARY, redis_server, watched_redis
from tests.support.target import Target
from tests.support.waiting import wait_until

SETTINGS = Path(__file__).parents[2] / "docs" / "settings.md"
SECOND = timedelta(seconds=1)
WATCH = "subscription { runEvents { ... on RunEvent { type } } }"
PROGRAMS = [EMBEDDED, *([DEBIAN] if DEBIAN else [])]
NEEDS_TLS = pytest.mark.skipif(DEBIAN is None, reason="there is no Redis with TLS here (on Debian: redis-server)")


def settings(url: str) -> JobsSettings:
    """Return settings with this Redis."""
    return JobsSettings(redis_url=url, targets_allowed=LOOPBACK)


async def persist(api: Api) -> str:
    """Have the API store a document in Redis and find it there, and return the type of the root."""
    query = f"query Q{uuid4().hex} {{ __typename }}"
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": sha256(query.encode()).hexdigest()}}
    await api.http.post("/graphql", json={"query": query, "extensions": extensions})
    found = (await api.http.post("/graphql", json={"extensions": extensions})).json()
    return str(found["data"]["__typename"]) if "data" in found else str(found["errors"])


def used(client: Redis) -> set[str]:
    """Return the commands that this server was sent."""
    statistics: Any = client.info("commandstats")
    return {name.removeprefix("cmdstat_") for name in statistics}


def follows(client: Redis) -> bool:
    """Return whether a worker polls this server, and an API process listens to it."""
    listening: Any = client.pubsub_numsub(EVENTS_CHANNEL)
    return "zrangebyscore" in used(client) and listening[0][1] > 0


@pytest.mark.parametrize("program", PROGRAMS, ids=["Valkey", "Redis"][: len(PROGRAMS)])
async def test_sentinels_promote_a_replica(program: str, database: DatabaseSettings, target: Target) -> None:
    """When the primary is killed, tasks fire as before, and everything goes to the new one."""
    with watched_redis(program) as watched:
        jobs = settings(watched.url)
        async with serving(database, jobs) as api, working(database, jobs):
            with watched.primary.client() as primary:
                await wait_until(lambda: follows(primary), what="the processes use the primary")
            assert await persist(api) == "Query"
            tasks = [
                every(f"{target.url}/{n}", SECOND, utc_now() + n * SECOND / 10, overlap=OverlapPolicy.ALLOW)
                for n in range(1, 6)
            ]
            await save(api.engine, *tasks)
            await wait_until(lambda: len(target.calls) >= 5, what="the tasks fire")
            watched.primary.kill()
            await wait_until(
                lambda: watched.primary_port() == watched.replica.port, what="the replica is the primary", within=30
            )
            with watched.replica.client() as replica:
                await wait_until(lambda: follows(replica), what="the processes use the new primary")

            async def found() -> bool:
                return (await api.http.get("/health")).status_code == 200 and await persist(api) == "Query"

            await wait_until(found, what="the API finds the new primary")
            async with api.socket() as socket:
                events = await socket.subscribe(WATCH)
                await events.take(3)
        async with opened(database) as engine:
            runs = [run for task in tasks for run in await runs_of(engine, task.id)]
    assert {run.state for run in runs} == {RunState.SUCCEEDED}
    for task in tasks:
        instants = sorted(instant for run in runs if run.task_id == task.id for instant in instants_of(run))
        assert instants == [instants[0] + number * SECOND for number in range(len(instants))]
    assert set(Counter(call.headers["idempotency-key"] for call in target.calls).values()) == {1}


def instants_of(run: Run) -> list[datetime]:
    """Return the instants for which a run stands."""
    return [run.scheduled_for - number * SECOND for number in range(run.missed_count + 1)]


async def test_a_user_with_the_documented_rights(database: DatabaseSettings, target: Target) -> None:
    """With the rules of docs/settings.md the server refuses nothing, and each of the commands is needed."""
    [rules] = re.findall(r"^ACL SETUSER duetime on >password (.*)$", SETTINGS.read_text("utf-8"), re.MULTILINE)
    with (
        redis_server(f'user default on "#{sha256(b"admin").hexdigest()}" ~* &* +@all', password="admin") as server,
        server.client() as admin,
    ):
        admin.execute_command("ACL", "SETUSER", "duetime", "on", ">a/b", *rules.split())
        jobs = settings(f"redis://duetime:a%2Fb@127.0.0.1:{server.port}/1")
        async with serving(database, jobs) as api, working(database, jobs):
            await wait_until(lambda: follows(admin), what="the processes use the server")
            assert await persist(api) == "Query"
            await save(api.engine, *(every(target.url, SECOND, utc_now() + SECOND) for _ in range(3)))
            async with api.socket() as socket:
                await (await socket.subscribe(WATCH)).take(6)
            assert (await api.http.get("/health")).json()["redis"] == "healthy"
            granted = {rule.removeprefix("+") for rule in rules.split() if rule.startswith("+")}
            await wait_until(lambda: granted <= used(admin), what="each of the commands was used")
        refused: Any = admin.execute_command("ACL", "LOG")
        assert refused == []
        wrong = Queue.open(f"redis://duetime:wrong@127.0.0.1:{server.port}/0")
        with pytest.raises(Unreachable, match="invalid username-password"):
            await wrong.ping()
        await wrong.close()


@dataclass(frozen=True, slots=True)
class Tls:
    """Servers' lines of configuration, and what clients of theirs have to know, in the URL and as arguments."""

    lines: tuple[str, ...]
    trusted: str
    own: str
    arguments: dict[str, Any]


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    """Certificates of a private authority for localhost."""
    ours = authority(tmp_path, "localhost")
    names = {"ssl_ca_certs": ours.authority, "ssl_certfile": ours.certificate, "ssl_keyfile": ours.key}
    return Tls(
        lines=(
            f"tls-cert-file {ours.certificate}",
            f"tls-key-file {ours.key}",
            f"tls-ca-cert-file {ours.authority}",
            "tls-replication yes",
        ),
        trusted=f"ssl_ca_certs={ours.authority}",
        own=f"ssl_certfile={ours.certificate}&ssl_keyfile={ours.key}",
        arguments={"ssl": True} | {name: str(path) for name, path in names.items()},
    )


async def ping(url: str) -> None:
    """Ask the Redis of a URL for a sign of life. Raises `Unreachable`."""
    queue = Queue.open(JobsSettings(redis_url=url).redis)
    try:
        await queue.ping()
    finally:
        await queue.close()


@NEEDS_TLS
async def test_a_private_authority(tls: Tls) -> None:
    """A server is trusted if the authority of the URL has signed for its name, and asks for a certificate itself."""
    assert DEBIAN is not None
    with redis_server(*tls.lines, program=DEBIAN, plain=False, **tls.arguments) as server:
        for host, query, problem in (
            ("localhost", f"{tls.trusted}&{tls.own}", None),
            ("127.0.0.1", f"{tls.trusted}&{tls.own}", "IP address mismatch"),
            ("127.0.0.1", f"{tls.trusted}&{tls.own}&ssl_check_hostname=false", None),
            ("localhost", tls.own, "certificate verify failed"),
            ("localhost", f"{tls.own}&ssl_cert_reqs=none", None),
            ("localhost", tls.trusted, "(?i)certificate required|closed|reset"),
        ):
            with nullcontext() if problem is None else pytest.raises(Unreachable, match=problem):
                await ping(f"rediss://{host}:{server.port}/0?{query}")


@NEEDS_TLS
async def test_sentinels_with_tls(tls: Tls) -> None:
    """With rediss+sentinel, the Sentinels and the primary are spoken to by TLS, and each has to be the right one."""
    assert DEBIAN is not None
    with redis_server(*tls.lines, program=DEBIAN, plain=False, **tls.arguments) as primary:
        lines = (
            "sentinel resolve-hostnames yes",
            "sentinel announce-hostnames yes",
            f"sentinel monitor {PRIMARY} localhost {primary.port} 1",
        )
        watching = redis_server(*tls.lines, *lines, program=DEBIAN, sentinel=True, plain=False, **tls.arguments)
        with watching as sentinel:
            url = f"rediss+sentinel://localhost:{sentinel.port}/{PRIMARY}/0?{tls.own}"
            await ping(f"{url}&{tls.trusted}")
            with pytest.raises(Unreachable, match="certificate verify failed"):
                await ping(url)
            with pytest.raises(Unreachable, match="No master found for 'another'"):
                await ping(f"{url}&{tls.trusted}".replace(PRIMARY, "another"))
