"""X-Request-ID: in the request, in the response and in the log."""

import logging

import httpx
import pytest

from db.settings import DatabaseSettings
from duetime.logs import LineFormatter, with_request_id
from jobs.settings import JobsSettings
from tests.support.graphql import Api
from tests.support.keys import bearer, guarded
from tests.support.rest import CRON

GIVEN = "req-7F3.a:b@c/d+e=_"


def id_of(response: httpx.Response) -> str:
    """Return the one id of a response."""
    [found] = response.headers.get_list("x-request-id")
    return found


async def test_each_response_has_the_id_of_its_request(api: Api) -> None:
    """A client finds its id in every response: data, errors and refusals."""
    headers = {"x-request-id": GIVEN}
    for response in (
        await api.http.get("/health", headers=headers),
        await api.http.post("/graphql", json={"query": "{ __typename }"}, headers=headers),
        await api.http.get("/nothing", headers=headers),
        await api.http.post("/api/v1/tasks", json={}, headers=headers),
        await api.http.post("/api/v1/tasks", json=CRON, headers=headers | {"origin": "https://evil.example"}),
        await api.http.get("/health", headers=headers | {"x-long": "x" * 40_000}),
    ):
        assert id_of(response) == GIVEN, response.url
    async with api.socket(headers=headers) as socket:
        answer = socket.connection.response
        assert answer is not None
        assert answer.headers["x-request-id"] == GIVEN


@pytest.mark.parametrize("given", [None, "", "a b", 'a"b', "é".encode(), "x" * 129, "-x", "a\tb", "x,y"])
async def test_an_id_that_is_no_short_word_is_replaced(api: Api, given: str | bytes | None) -> None:
    """Every request has an id of its own if it has none that can go into the log."""
    headers = {} if given is None else {"x-request-id": given}
    ids = {id_of(await api.http.get("/health", headers=headers)) for _ in range(2)}  # type: ignore[arg-type]
    assert len(ids) == 2
    assert all(len(each) == 32 for each in ids)


async def test_two_ids_are_replaced(api: Api) -> None:
    """Which of two ids is meant, nobody knows."""
    headers = [("x-request-id", "a"), ("x-request-id", "b")]
    assert len(id_of(await api.http.get("/health", headers=headers))) == 32


async def test_the_log_names_the_request(
    database: DatabaseSettings, jobs_settings: JobsSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """A line that a request causes has its id, and a line that none causes has no id."""
    caplog.handler.addFilter(with_request_id)
    lines = LineFormatter("api")
    async with guarded(database, jobs_settings) as api:
        headers = bearer("dt_wrong") | {"x-request-id": GIVEN}
        assert (await api.http.get("/api/v1/tasks", headers=headers)).status_code == 401
    logging.getLogger("graphql_api.x").warning("Alone.")
    [refused] = [lines.format(each) for each in caplog.records if each.message == "A key was refused."]
    assert f'request_id="{GIVEN}"' in refused
    [alone] = [lines.format(each) for each in caplog.records if each.message == "Alone."]
    assert "request_id" not in alone
