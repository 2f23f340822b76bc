"""Authentication: holders of a valid key get in, and nobody else does, over any transport."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text
from websockets.exceptions import InvalidStatus

from db.connection import open_engine
from db.models import utc_now
from db.settings import DatabaseSettings
from db.states import KeyScope
from graphql_api.middleware.api_keys import FAILURES, Authenticator
from graphql_api.transport.message_limits import MAX_BYTES_BEFORE_ACK
from jobs.security.api_keys import Caller
from jobs.settings import JobsSettings
from tests.support.graphql import Api
from tests.support.keys import BEHIND_A_PROXY, bearer, guarded, make_key, revoke
from tests.support.logs import log_text
from tests.support.rest import error
from tests.support.sse import EventReader
from tests.support.waiting import wait_until

QUERY = {"query": "{ __typename }"}
WATCH = "subscription { runEvents { __typename } }"
ENDS_WITHIN = 5
"""Seconds until what is open under a key that holds no more is closed."""
NEVER_MADE = "duetime_" + "A" * 43
NOWHERE = DatabaseSettings.model_construct(database_url="postgresql://nobody@127.0.0.1:1/nothing?sslmode=disable")
"""Where no Postgres is."""


@pytest.fixture
async def api(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """An API with authentication, which trusts a proxy on this machine about the addresses of clients."""
    async with guarded(database, jobs_settings, settings=BEHIND_A_PROXY) as running:
        yield running


async def wrong_keys(api: Api) -> dict[str, str | None]:
    """Return Authorization headers that are refused."""
    good = await make_key(api.engine, "good")
    revoked = await make_key(api.engine, "revoked")
    await revoke(api.engine, "revoked")
    expires_at = utc_now() + timedelta(seconds=1)
    expired = await make_key(api.engine, "expired", expires_at=expires_at)
    await wait_until(lambda: utc_now() > expires_at, what="the key has expired")
    return {
        "none": None,
        "another scheme": "Basic dXNlcjpwYXNzd29yZA==",
        "no scheme": good,
        "no key": "Bearer",
        "never made": f"Bearer {NEVER_MADE}",
        "cut": f"Bearer {good[:-1]}",
        "in capitals": f"Bearer {good.upper()}",
        "revoked": f"Bearer {revoked}",
        "expired": f"Bearer {expired}",
    }


async def asked(api: Api, way: str, authorization: str | None, *, address: str) -> httpx.Response:
    """Return the response to one kind of request, as a proxy on this machine forwards it for an address."""
    method, path, more = WAYS[way]
    headers = {**more.get("headers", {}), "x-forwarded-for": address}
    if authorization is not None:
        headers["authorization"] = authorization
    return await api.http.request(method, path, **{**more, "headers": headers})


EVENT_STREAM = {"headers": {"accept": "text/event-stream"}}
GRAPHQL, JSON = "application/graphql-response+json", "application/json"
WAYS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "GraphQL by POST": ("POST", "/graphql", {"json": QUERY}),
    "GraphQL by GET": ("GET", "/graphql", {"params": QUERY, "headers": {"accept": GRAPHQL}}),
    "SSE by POST": ("POST", "/graphql", {"json": {"query": WATCH}, **EVENT_STREAM}),
    "SSE by GET": ("GET", "/graphql", {"params": {"query": WATCH}, **EVENT_STREAM}),
    "REST": ("GET", "/api/v1/tasks", {}),
    "REST, one that is not there": ("GET", "/api/v1/tasks/1", {}),
    "REST, writing": ("POST", "/api/v1/tasks", {"json": {}}),
    "metrics": ("GET", "/metrics", {}),
    "metrics of the old path": ("GET", "/api/v1/metrics", {}),
    "metrics for Prometheus": ("GET", "/metrics", {"headers": {"accept": "text/plain"}}),
    "nothing there": ("GET", "/nothing", {}),
}


async def test_nobody_gets_in_without_a_key_in_force(api: Api) -> None:
    """Without a valid key every kind of request gets 401 in its own form, and says how to send a key."""
    for number, (name, authorization) in enumerate((await wrong_keys(api)).items()):
        for place, way in enumerate(WAYS):
            answer = await asked(api, way, authorization, address=f"198.51.{number}.{place}")
            assert answer.status_code == 401, (name, way, answer.text)
            assert answer.headers["www-authenticate"] == 'Bearer realm="Duetime"'
            if answer.request.url.path == "/graphql":
                wanted = WAYS[way][2].get("headers", {}).get("accept") == GRAPHQL
                assert answer.headers["content-type"] == (GRAPHQL if wanted else JSON)
                [told] = answer.json()["errors"]
                assert told["extensions"] == {"code": "UNAUTHENTICATED"}
                message = told["message"]
            else:
                message = error(answer, 401)
            assert message in {
                "A key is needed: send the header Authorization: Bearer <key>",
                "The key is unknown, revoked or expired",
            }


async def test_a_key_in_force_gets_in_by_every_way(api: Api) -> None:
    """A valid key works with every kind of request. The name of the scheme is case-insensitive, by RFC 9110."""
    token = await make_key(api.engine, "good", scope=KeyScope.WRITE)
    for way in WAYS:
        if way.startswith("SSE"):
            continue
        answer = await asked(api, way, f"bearer {token}", address="198.51.100.1")
        assert answer.status_code not in {401, 403, 429}, (way, answer.text)
    for way in ("SSE by POST", "SSE by GET"):
        method, path, more = WAYS[way]
        headers = more["headers"] | bearer(token)
        async with api.http.stream(method, path, **{**more, "headers": headers}) as stream:
            assert stream.status_code == 200


async def test_health_and_pages_are_open(api: Api) -> None:
    """Health and pages need no key, for monitoring and for people who enter theirs in the page. They have no data."""
    for path in ("/health", "/health/live", "/api/v1/health", "/api/v1/health/live", "/", "/swagger/index.html"):
        assert (await api.http.get(path)).status_code == 200, path
    for path in ("/openapi.json", "/swagger/doc.json"):
        assert (await api.http.get(path)).status_code == 401, path
    page = await api.http.get("/graphql", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    # With a query it is no page, whatever a browser says that it takes.
    asked_for_more = await api.http.get("/graphql", params=QUERY, headers={"accept": "text/html"})
    assert asked_for_more.status_code == 401


async def test_a_websocket_shows_its_key_in_either_place(api: Api) -> None:
    """A WebSocket may send its key in the upgrade request, or in its first message, as browsers have to."""
    token = await make_key(api.engine, "good", scope=KeyScope.READ)
    async with api.socket(headers=bearer(token)) as socket:
        assert (await (await socket.subscribe("{ __typename }")).message())["type"] == "next"
    for name in ("Authorization", "authorization"):
        async with api.socket(begun=False) as socket:
            await socket.send({"type": "connection_init", "payload": {name: f"Bearer {token}"}})
            assert await socket.receive() == {"type": "connection_ack"}
            assert (await (await socket.subscribe("{ __typename }")).message())["type"] == "next"


async def test_a_websocket_without_a_key_in_force_is_closed(api: Api) -> None:
    """A WebSocket without a valid key gets 401 for the upgrade request, or 4403 after the first message; nothing is
    done.
    """
    for authorization in (await wrong_keys(api)).values():
        if authorization is not None:
            with pytest.raises(InvalidStatus) as refused:
                async with api.socket(headers={"authorization": authorization}):
                    pass
            assert refused.value.response.status_code == 401
            assert refused.value.response.headers["www-authenticate"]
    payloads: list[Any] = [None, {}, {"Authorization": None}, {"Authorization": 1}, {"Authorization": "Bearer"}, [], 1]
    for payload in payloads:
        async with api.socket(begun=False) as socket:
            await socket.send({"type": "connection_init", "payload": payload})
            assert await socket.close_code() == 4403, payload
    async with api.socket(begun=False) as socket:
        await socket.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {NEVER_MADE}"}})
        assert await socket.close_code() == 4403
    async with api.socket(begun=False) as socket:
        await socket.subscribe("{ __typename }")
        assert await socket.close_code() == 4401


async def test_a_message_of_a_stranger_is_bounded(api: Api) -> None:
    """Messages before authentication are small, so nobody makes the service hold more."""
    async with api.socket(begun=False) as socket:
        await socket.send({"type": "connection_init", "payload": {"padding": " " * MAX_BYTES_BEFORE_ACK}})
        assert await socket.close_code() == 1009


async def test_what_is_open_under_a_key_ends_with_it(api: Api) -> None:
    """WebSockets and event streams end within 5 s of their key's revocation or expiry; those of other keys continue."""
    revoked = await make_key(api.engine, "revoked", scope=KeyScope.READ)
    other = await make_key(api.engine, "other", scope=KeyScope.READ)
    ends_at = utc_now() + timedelta(seconds=3)
    brief = await make_key(api.engine, "brief", scope=KeyScope.READ, expires_at=ends_at)
    async with (
        api.socket(headers=bearer(other)) as going_on,
        api.socket(headers=bearer(revoked)) as socket,
        api.socket(headers=bearer(brief)) as brief_socket,
        api.socket(begun=False) as begun_later,
        api.http.stream("POST", "/graphql", json={"query": WATCH}, headers=streaming(revoked)) as stream,
        api.http.stream("POST", "/graphql", json={"query": WATCH}, headers=streaming(brief)) as brief_stream,
    ):
        await begun_later.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {revoked}"}})
        assert await begun_later.receive() == {"type": "connection_ack"}
        for each in (going_on, socket, brief_socket, begun_later):
            await each.subscribe(WATCH)
        at_most = asyncio.get_running_loop().time() + ENDS_WITHIN
        await revoke(api.engine, "revoked")
        async with asyncio.timeout_at(at_most):
            assert [await each.close_code() for each in (socket, begun_later)] == [4403, 4403]
            await ended(stream)
        async with asyncio.timeout(ENDS_WITHIN + (ends_at - utc_now()).total_seconds()):
            assert await brief_socket.close_code() == 4403
            await ended(brief_stream)
        assert utc_now() >= ends_at
        assert (await (await going_on.subscribe("{ __typename }")).message())["type"] == "next"
    assert (await asked(api, "REST", f"Bearer {revoked}", address="198.51.100.1")).status_code == 401
    assert (await asked(api, "REST", f"Bearer {brief}", address="198.51.100.1")).status_code == 401


def streaming(token: str) -> dict[str, str]:
    """Return headers that request events with a key."""
    return {"accept": "text/event-stream", **bearer(token)}


async def ended(stream: httpx.Response) -> None:
    """Return once the server has ended the stream properly."""
    reader = EventReader(stream)
    with pytest.raises(EOFError):
        await reader.event()


async def test_guessing_is_slow(api: Api) -> None:
    """After some failures an address has to wait, except with its valid keys; other addresses do not wait."""
    good = f"Bearer {await make_key(api.engine, 'good')}"
    address, other = "198.51.100.1", "198.51.100.2"
    assert (await asked(api, "REST", good, address=address)).status_code == 200
    for number in range(FAILURES):
        assert (await asked(api, "REST", f"Bearer duetime_{number}", address=address)).status_code == 401
    refused = await asked(api, "GraphQL by POST", f"Bearer {NEVER_MADE}", address=address)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.json()["errors"][0]["extensions"] == {"code": "LIMIT_EXCEEDED"}
    assert refused.json()["errors"][0]["message"].startswith(f"Too many keys from {address} were refused; try again in")
    assert error(await asked(api, "REST", f"Bearer {NEVER_MADE}", address=address), 429).startswith("Too many keys")
    assert (await asked(api, "REST", good, address=address)).status_code == 200
    assert (await asked(api, "REST", f"Bearer {NEVER_MADE}", address=other)).status_code == 401
    newly = f"Bearer {await make_key(api.engine, 'new')}"
    assert (await asked(api, "REST", newly, address=other)).status_code == 200
    # A revoked key gets 401 and not 429, because the API looks it up in spite of the failures.
    await revoke(api.engine, "good")

    async def is_refused() -> int:
        status = (await asked(api, "REST", good, address=address)).status_code
        return 0 if status == 200 else status

    assert await wait_until(is_refused, what="the revoked key is refused", within=ENDS_WITHIN) == 401


async def test_nobody_guesses_faster_by_naming_addresses(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """Without a configured proxy, X-Forwarded-For is not trusted, so it does not help to guess keys."""
    async with guarded(database, jobs_settings) as api:
        for number in range(FAILURES):
            answer = await asked(api, "REST", f"Bearer duetime_{number}", address=f"198.51.100.{number}")
            assert answer.status_code == 401
        refused = await asked(api, "REST", f"Bearer {NEVER_MADE}", address="198.51.100.99")
        assert error(refused, 429).startswith("Too many keys from 127.0.0.1 were refused")


async def test_while_postgres_is_away_nobody_is_taken_for_a_stranger(jobs_settings: JobsSettings) -> None:
    """While Postgres is away the status is 503: a client that gets 401 would discard a key that may be valid."""
    async with guarded(NOWHERE, jobs_settings) as api:
        for way in ("GraphQL by POST", "REST"):
            answer = await asked(api, way, f"Bearer {NEVER_MADE}", address="198.51.100.1")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1"), answer.text
        async with api.socket(begun=False) as socket:
            await socket.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {NEVER_MADE}"}})
            assert await socket.close_code() == 1013


async def test_while_postgres_is_away_keys_expire() -> None:
    """While Postgres is away, connections still end when their key expires, because the expiry is known."""
    engine = open_engine(NOWHERE.url(), pool_size=1, application_name="duetime tests")
    authenticator = Authenticator(engine, keys_wanted=True)
    lasting = Caller(name="lasting", scope=KeyScope.READ, key_id=uuid4())
    brief = replace(lasting, name="brief", key_id=uuid4(), expires_at=utc_now())
    closed: list[str] = []
    ended = asyncio.Event()
    with authenticator.holding(lasting, lambda: closed.append("lasting")), authenticator.holding(brief, ended.set):
        async with authenticator.watching():
            await asyncio.wait_for(ended.wait(), ENDS_WITHIN)
    assert closed == []
    await engine.dispose()


async def test_a_use_is_noted(api: Api) -> None:
    """The use of a key is recorded with a resolution of a minute."""
    token = await make_key(api.engine, "good")
    await asked(api, "REST", f"Bearer {token}", address="198.51.100.1")
    async with api.engine.connect() as connection:
        used = (await connection.execute(text("SELECT last_used_at FROM api_keys"))).scalar_one()
    assert utc_now() - timedelta(minutes=1) < used <= utc_now()


async def test_the_log_never_has_a_key(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """The log names a refused key by its address, and never contains the key."""
    await asked(api, "REST", f"Bearer {NEVER_MADE}", address="198.51.100.1")
    assert "action=key_refused address=198.51.100.1" in log_text(caplog)
    assert NEVER_MADE not in log_text(caplog)
