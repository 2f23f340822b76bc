"""GET /schema.graphql: the schema for generators, as far as introspection shows it."""

from pathlib import Path

from db.settings import DatabaseSettings
from db.states import KeyScope
from graphql_api.settings import ApiSettings
from jobs.settings import JobsSettings
from tests.support.graphql import Api, serving
from tests.support.keys import bearer, guarded, make_key
from tests.support.rest import error

PATH = "/schema.graphql"
EXPORTED = (Path(__file__).parents[2] / "schema.graphql").read_text("utf-8")


async def test_it_is_the_exported_schema(api: Api) -> None:
    """The document is that of the repository, as text in UTF-8."""
    answer = await api.http.get(PATH)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert answer.text == EXPORTED
    assert error(await api.http.post(PATH), 405).startswith(f"{PATH} takes GET")


async def test_it_needs_a_key_where_introspection_does(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """With authentication on, any key will do."""
    async with guarded(database, jobs_settings) as api:
        assert "key" in error(await api.http.get(PATH), 401)
        key = await make_key(api.engine, "reader", scope=KeyScope.READ)
        assert (await api.http.get(PATH, headers=bearer(key))).text == EXPORTED


async def test_it_is_kept_back_with_introspection(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """With introspection off, the refusal names the setting, and shows nothing of the schema."""
    settings = ApiSettings.model_construct(introspection=False)
    async with serving(database, jobs_settings, settings=settings) as api:
        assert error(await api.http.get(PATH), 403) == (
            "The schema is not shown here, because DUETIME_GRAPHQL_INTROSPECTION is false"
        )


async def test_a_generator_that_has_it_already(api: Api) -> None:
    """It asks whether the schema has changed, and is told that it has not."""
    first = await api.http.get(PATH)
    again = await api.http.get(PATH, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
