"""Errors and logs that would tell too much: names of the schema, and parameters of statements."""

import json
import logging
import re
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from db.settings import DatabaseSettings
from duetime.logs import LineFormatter
from graphql_api.execution.schema import schema as printed
from graphql_api.settings import ApiSettings
from jobs.settings import JobsSettings
from tests.support.graphql import Api, serving


async def test_the_log_of_a_failure_is_short(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """A failing statement's parameters are not in the log, and its traceback has a bound."""
    secret = "marker-of-a-parameter"
    async with api.engine.connect() as connection:
        statement = text(f"SELECT {', '.join(f'CAST(:p{n} AS text) || 1 / 0' for n in range(9_000))}")
        with pytest.raises(SQLAlchemyError) as caught:
            await connection.execute(statement, {f"p{n}": secret for n in range(9_000)})
    logging.getLogger(__name__).error("A statement failed.", exc_info=caught.value, extra={"why": str(caught.value)})
    written = LineFormatter("api").format(caplog.records[-1])
    assert secret not in written
    assert "characters left out" in written
    assert len(written) < 25_000


MISTAKES: dict[str, dict[str, Any]] = {
    "{ tasks { nodes { idd } } }": {},
    "{ tasks { nodes } }": {},
    "{ task { id } }": {},
    "{ tasks { nodes { ... on Run { id } } } }": {},
    "{ runs { nodes { state { x } } } }": {},
    "{ tasks(filter: {statuses: [SCHEDULE]}) { totalCount } }": {},
    '{ tasks(filter: {statuses: "x"}) { totalCount } }': {},
    "{ tasks(orderBy: null) { totalCount } }": {},
    "query ($o: String) { tasks(orderBy: $o) { totalCount } }": {},
    "{ previewTrigger(trigger: {}) { __typename } }": {},
    "{ previewTrigger(trigger: {interval: {}}) { __typename } }": {},
    "{ previewTrigger(trigger: 1) { __typename } }": {},
    "mutation { createTask { __typename } }": {},
    "mutation { createTask(input: {}) { __typename } }": {},
    "mutation ($i: CreateTaskInput!) { createTask(input: $i) { __typename } }": {"i": {"x": 1}},
    "mutation ($x: CreateTaskInput!) { createTask(input: $x) { __typename } }": {},
    "query ($t: TriggerInput!) { previewTrigger(trigger: $t) { __typename } }": {"t": {"cron": {}}},
    "subscription { runEvents { cursor } }": {},
    "subscription ($t: ID) { runEvents(taskId: $t) { __typename } }": {"t": {}},
}
"""Operations whose errors name something of the schema, and their variables."""
OF_EVERY_SCHEMA = {"Query", "Mutation", "Subscription", "String", "Int", "Float", "Boolean", "ID"}


def names_of_the_schema() -> set[str]:
    """Return the names of all types, fields, arguments and enum values that are in no other schema."""
    words = re.sub(r'""".*?"""', "", printed.as_str(), flags=re.DOTALL)
    quoted_alike = {
        "type",
        "input",
        "enum",
        "union",
        "interface",
        "scalar",
        "implements",
        "on",
        "url",
        "value",
        "after",
    }
    return set(re.findall(r"[A-Za-z_]\w+", words)) - OF_EVERY_SCHEMA - quoted_alike


async def test_errors_name_nothing_that_the_request_does_not_name(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """With introspection off, no error has a name of the schema that is not in the request, over any transport."""
    names = names_of_the_schema()
    settings = ApiSettings.model_construct(introspection=False)
    async with serving(database, jobs_settings, settings=settings) as api, api.socket() as socket:
        for query, variables in MISTAKES.items():
            subscription = await socket.subscribe(query, **variables)
            message = await subscription.message()
            if message["type"] == "next":
                assert (await subscription.message())["type"] == "complete"
                message = {"payload": message["payload"]["errors"]}
            answers = [message["payload"]]
            if not query.startswith("subscription"):
                answers.append((await api.ask(query, **variables))["errors"])
            for errors in answers:
                told = re.findall(r"'[^']*'", "\n".join(error["message"] for error in errors))
                words = {word for quoted in told for word in re.findall(r"\w+", quoted)}
                assert errors
                assert not words & names - {*re.findall(r"\w+", query + json.dumps(variables))}, (query, errors)
        [error] = (await api.ask("mutation { createTask(input: {name: 1}) { __typename } }"))["errors"][1:2]
        assert error["message"] == (
            "Expected value of type (not shown) to include required field (not shown), found: { name: 1 }."
        )
