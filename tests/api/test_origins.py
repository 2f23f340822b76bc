"""What a browser may do on behalf of a page, and the headers that protect Duetime's own pages."""

from collections.abc import AsyncIterator

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from db.settings import DatabaseSettings
from graphql_api.settings import ApiSettings
from jobs.settings import JobsSettings
from tests.support.graphql import Api, serving
from tests.support.keys import KEYS_WANTED, bearer, make_key
from tests.support.rest import CRON, error

ELSEWHERE = "https://evil.example"
NAMED = "https://app.example.com"
MUTATION = {"query": "mutation { cancelTasks(ids: []) { __typename } }"}
WATCH = {"query": "subscription { runEvents { __typename } }"}
EVENTS = {"accept": "text/event-stream"}


@pytest.fixture
async def named(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """An API that allows pages of one other origin."""
    settings = ApiSettings.model_construct(cors_origins=NAMED)
    async with serving(database, jobs_settings, settings=settings) as running:
        yield running


@pytest.mark.parametrize(
    "origin", [ELSEWHERE, "null", "http://127.0.0.1", "http://localhost:1", "file://", "nonsense", "http://["]
)
async def test_pages_from_elsewhere_may_not_ask(api: Api, origin: str) -> None:
    """Pages of other origins get no data, changes, WebSockets or event streams; another port is another origin."""
    headers = {"origin": origin}
    answers = [
        await api.http.post("/graphql", json=MUTATION, headers=headers),
        await api.http.get("/graphql", params={"query": "{ __typename }"}, headers=headers),
        await api.http.post("/graphql", json=WATCH, headers=headers | EVENTS),
        await api.http.get("/graphql", params=WATCH, headers=headers | EVENTS),
        await api.http.post("/api/v1/tasks", json=CRON, headers=headers),
        await api.http.get("/api/v1/tasks", headers=headers),
        await api.http.options("/graphql", headers=headers | {"access-control-request-method": "POST"}),
    ]
    for answer in answers:
        assert error(answer, 403) == f"Pages of {origin!r} may not ask; name that origin in DUETIME_CORS_ORIGINS"
        assert "access-control-allow-origin" not in answer.headers
    with pytest.raises(InvalidStatus) as refused:
        async with api.socket(headers={"origin": origin}):
            pass
    assert refused.value.response.status_code == 403
    assert (await api.http.get("/api/v1/tasks")).json()["tasks"] == []


async def test_our_own_pages_may_ask(api: Api) -> None:
    """Duetime's own pages may use the API. Their origin is the requested host, also behind a proxy that ends TLS."""
    for origin in (api.url, api.url.replace("http://", "https://")):
        assert (await api.http.post("/graphql", json=MUTATION, headers={"origin": origin})).status_code == 200
    async with api.socket(headers={"origin": api.url}):
        pass


async def test_pages_of_named_origins_may_ask(named: Api) -> None:
    """Pages of allowed origins may use the API and read its responses by CORS, with a key but without cookies."""
    headers = {"origin": NAMED}
    answer = await named.http.post("/graphql", json=MUTATION, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == NAMED
    assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in answer.headers
    preflight = await named.http.options(
        "/graphql",
        headers=headers
        | {"access-control-request-method": "POST", "access-control-request-headers": "authorization,x-trace,apollo-x"},
    )
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == NAMED
    assert preflight.headers["access-control-allow-headers"] == "authorization,x-trace,apollo-x"
    assert "access-control-request-headers" in preflight.headers["vary"].lower()
    assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
    async with named.socket(headers=headers):
        pass
    assert (await named.http.post("/graphql", json=MUTATION, headers={"origin": ELSEWHERE})).status_code == 403


async def test_a_refusal_can_be_read_by_pages_of_named_origins(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """Pages of allowed origins can read refusals, and preflight requests need no key."""
    settings = KEYS_WANTED.model_copy(update={"cors_origins": NAMED})
    async with serving(database, jobs_settings, settings=settings) as api:
        refused = await api.http.post("/graphql", json=MUTATION, headers={"origin": NAMED})
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == NAMED
        preflight = {"origin": NAMED, "access-control-request-method": "POST"}
        assert (await api.http.options("/graphql", headers=preflight)).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "[", "a b"])
async def test_no_other_name_leads_to_this_machine(api: Api, host: str) -> None:
    """While authentication is off, a foreign name that resolves to this machine (DNS rebinding) is refused."""
    answer = await api.http.get("/api/v1/tasks", headers={"host": host, "origin": f"http://{host}"})
    assert answer.status_code in {400, 403}
    assert "tasks" not in answer.text.replace("/api/v1/tasks", "")


async def test_this_machines_own_names_lead_to_it(api: Api) -> None:
    """localhost and addresses of this machine are accepted, with a port or without."""
    for host in ("localhost", "localhost:8080", "127.0.0.1", "[::1]:8080", "duetime.localhost"):
        assert (await api.http.get("/api/v1/tasks", headers={"host": host})).status_code == 200


async def test_with_keys_any_name_may_lead_here(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """With authentication on, any name may lead here: the key keeps others out, and no browser sends it by itself."""
    async with serving(database, jobs_settings, settings=KEYS_WANTED) as api:
        headers = {"host": "duetime.example.com", **bearer(await make_key(api.engine, "good"))}
        assert (await api.http.get("/api/v1/tasks", headers=headers)).status_code == 200


async def test_every_answer_has_security_headers(api: Api) -> None:
    """Pages, data, refusals and errors all have security headers and a policy that allows no other host."""
    answers: list[httpx.Response] = [
        await api.http.get("/health"),
        await api.http.get("/api/v1/tasks"),
        await api.http.get("/api/v1/tasks/1"),
        await api.http.get("/nothing"),
        await api.http.delete("/graphql"),
        await api.http.post("/graphql", json=MUTATION),
        await api.http.post("/graphql", json=MUTATION, headers={"origin": ELSEWHERE}),
        await api.http.get("/graphql", headers={"accept": "text/html"}),
        await api.http.get("/openapi.json"),
        await api.http.get("/assets/nothing.js"),
    ]
    for answer in answers:
        headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff", answer.request.url
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == "'none'"
        assert "http" not in headers["content-security-policy"]
        assert "'unsafe-inline'" not in policy.get("script-src", "")
        assert "'unsafe-eval'" not in policy.get("script-src", "")
        assert "server" not in headers


async def test_an_origin_that_is_none_is_refused_at_the_start() -> None:
    """A path, a list separated by blanks, or a star is refused at the start: each would allow unintended pages."""
    for text in (
        "*",
        "https://app.example.com/",
        "app.example.com",
        "https://a.example https://b.example",
        "https://*.a",
    ):
        with pytest.raises(ValueError, match="is no origin; write scheme and host"):
            ApiSettings(cors_origins=text)
    assert ApiSettings(cors_origins=f"{NAMED}, http://localhost:3000").origins == [NAMED, "http://localhost:3000"]


async def test_the_headers_of_pages_can_be_narrowed(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """DUETIME_CORS_HEADERS names the headers that pages of allowed origins may send, in any case, and no others."""
    settings = ApiSettings.model_construct(cors_origins=NAMED, cors_headers="Authorization, X-Trace")
    preflight = {"origin": NAMED, "access-control-request-method": "PUT"}
    async with serving(database, jobs_settings, settings=settings) as api:
        for asked, status in (("authorization, x-trace", 200), ("content-type", 200), ("x-other", 400)):
            headers = preflight | {"access-control-request-headers": asked}
            assert (await api.http.options("/graphql", headers=headers)).status_code == status, asked
    with pytest.raises(ValueError, match="is not a header name; write names"):
        ApiSettings(cors_headers="Authorization Content-Type")
