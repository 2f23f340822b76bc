"""tryAction makes one call now, as an attempt of a task would, and stores nothing but an entry in the audit log."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook

from db.settings import DatabaseSettings
from jobs.engine.trial import AT_ONCE
from jobs.settings import JobsSettings
from tests.support.graphql import Api, serving
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

TRY = """mutation ($action: HttpActionInput!) { tryAction(action: $action) {
  __typename
  ... on TriedAction {
    success statusCode errorMessage durationMs responseBody responseBodyEncoding responseTruncated
    responseHeaders { name value }
  }
  ... on InvalidInput { problems { path message } }
} }"""
SIGNING = "whsec_0Rc3hWz1GdtLgyPmyTnWe6TmUZAMTlT0bKBpKJEUfGw="
SLOW = CannedResponse(delay=timedelta(minutes=1))


@pytest.fixture
async def api(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """Run an API that can keep secrets."""
    keeping = jobs_settings.model_copy(update={"secret_key": base64.b64encode(bytes(32)).decode()})
    async with serving(database, keeping) as running:
        yield running


async def tried(api: Api, **action: Any) -> dict[str, Any]:
    """Return what tryAction answers."""
    found: dict[str, Any] = (await api.data(TRY, action=action))["tryAction"]
    return found


async def audited(api: Api) -> list[dict[str, Any]]:
    """Return the entries of the audit log, newest first."""
    found = await api.data("{ auditLog(first: 50) { nodes { action keyName taskId runId before after } } }")
    nodes: list[dict[str, Any]] = found["auditLog"]["nodes"]
    return nodes


async def test_a_call_is_made_as_an_attempt_makes_it(api: Api, target: Target) -> None:
    """The call has headers, body and signature; its response is shown with secrets masked, and only an entry stays."""
    answer = CannedResponse(status=201, body=b'{"token":"swordfish9"}', headers={"content-type": "application/json"})
    url = target.responds("/ok", answer)
    action = {
        "method": "POST",
        "url": url,
        "payload": {"n": 1},
        "headers": [{"name": "Authorization", "value": "Bearer swordfish9"}, {"name": "X-Plain", "value": "plain"}],
        "signingSecrets": [SIGNING],
    }
    result = await tried(api, **action)
    assert (result["success"], result["statusCode"], result["errorMessage"]) == (True, 201, None)
    assert result["responseBody"] == '{"token":"********"}'
    assert {"name": "content-type", "value": "application/json"} in result["responseHeaders"]
    [call] = target.calls_of("/ok")
    assert (call.method, call.body) == ("POST", b'{"n": 1}')
    assert (call.headers["authorization"], call.headers["x-plain"]) == ("Bearer swordfish9", "plain")
    assert call.headers["x-duetime-attempt"] == "1"
    Webhook(SIGNING).verify(call.body, call.headers)
    [entry] = await audited(api)
    assert (entry["action"], entry["taskId"], entry["runId"], entry["before"]) == ("tryAction", None, None, None)
    assert entry["after"]["url"] == url
    assert entry["after"]["payload"] == {"n": 1}
    assert "swordfish9" not in str(entry)
    assert SIGNING not in str(entry)
    async with api.engine.connect() as connection:
        rows = (
            await connection.execute(text("SELECT (SELECT count(*) FROM tasks) + (SELECT count(*) FROM task_results)"))
        ).one()
    assert rows == (0,)

    failing = await tried(api, url=target.responds("/no", CannedResponse(status=500, body=b"x" * 100_000)))
    assert (failing["success"], failing["statusCode"]) == (False, 500)
    assert failing["errorMessage"] == "the target answered 500"
    assert failing["responseTruncated"]
    assert len(failing["responseBody"]) < 100_000
    assert len(target.calls_of("/no")) == 1
    late = await tried(api, url=target.responds("/slow", SLOW), timeoutMs=50)
    assert (late["success"], late["statusCode"]) == (False, None)
    assert "within 0.05 s" in late["errorMessage"]


async def test_a_call_that_may_not_be_made_is_refused(api: Api) -> None:
    """Every problem is named with its path from the action; a forbidden target is refused before any call or entry."""
    [forbidden] = (await tried(api, url="http://169.254.169.254/latest"))["problems"]
    assert forbidden["path"] == ["url"]
    assert "may not call" in forbidden["message"]
    wrong = await tried(api, url="ftp://example.com/", timeoutMs=0, headers=[{"name": "Authorization", "value": "x"}])
    assert [problem["path"] for problem in wrong["problems"]] == [["url"], ["timeoutMs"], ["headers", "0", "value"]]
    assert await audited(api) == []


async def test_calls_are_bounded_and_end_with_their_client(api: Api, target: Target) -> None:
    """One process makes ten calls at once; when their clients go away, calls are aborted, which makes room."""
    url = target.responds("/slow", SLOW)
    body = {"query": TRY, "variables": {"action": {"url": url}}}
    async with httpx.AsyncClient(base_url=api.url, verify=False) as client, api.socket() as socket:
        asked = [asyncio.create_task(client.post("/graphql", json=body)) for _ in range(AT_ONCE - 1)]
        await socket.subscribe(TRY, action={"url": url})
        await wait_until(lambda: len(target.calls) == AT_ONCE, what="all calls have arrived")
        assert await api.code(TRY, action={"url": url}) == "LIMIT_EXCEEDED"
        for each in asked:
            each.cancel()
        await asyncio.wait(asked)
    await wait_until(lambda: target.aborted == AT_ONCE, what="the calls were aborted")
    assert (await tried(api, url=target.responds("/ok", CannedResponse())))["success"]
