"""docs/operations.md: an example of every operation, which works as it is on the page, and a table of all of them."""

import base64
import json
import re
from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import UUID

import pytest
from graphql import FieldNode, OperationDefinitionNode, OperationType, parse, validate
from graphql.execution.values import get_variable_values
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import ApiKey, BulkOperation, NotificationChannel, NotificationRule, TaskTrouble, Worker
from db.settings import DatabaseSettings
from db.states import BulkAction, ChannelKind, KeyScope, RunState, TroubleKind
from graphql_api.execution.schema import schema as built
from jobs.settings import JobsSettings
from tests.support.engine import every, save
from tests.support.graphql import Api, serving
from tests.support.history import HOUR, ago, run_of
from tests.support.node import TESTS

PAGE = (TESTS.parent / "docs" / "operations.md").read_text("utf-8")
EXAMPLES = [
    (document, json.loads(variables))
    for document, variables in re.findall(r"```graphql\n(.*?)```\n\n```json\n(.*?)```", PAGE, re.DOTALL)
]
FOR_ADMINS = re.compile(r"^auditLog$|^storage$|[cC]hannel|[nN]otification|[aA]piKey")
SCHEMA = built._schema
ROOTS = {
    "query": SCHEMA.query_type,
    "mutation": SCHEMA.mutation_type,
    "subscription": SCHEMA.subscription_type,
}
CHANNEL, OTHER_CHANNEL = UUID("5c168402-fa04-4554-9124-c6079311af90"), UUID("6c168402-fa04-4554-9124-c6079311af90")
RULE = UUID("7c168402-fa04-4554-9124-c6079311af90")
KEY = UUID("8c168402-fa04-4554-9124-c6079311af90")
OPERATION = UUID("4c168402-fa04-4554-9124-c6079311af90")
TASK, OTHER_TASK = UUID("9c168402-fa04-4554-9124-c6079311af90"), UUID("02a57271-56d6-4fe7-9aac-6b90dfa446bc")
FINISHED, *UNFINISHED = (UUID(f"019c1684-02fa-8455-8912-c6079311af9{number}") for number in (1, 2, 3))


def operation_of(document: str) -> OperationDefinitionNode:
    """Return the only operation of an example."""
    [operation] = parse(document).definitions
    return cast("OperationDefinitionNode", operation)


def field_of(document: str) -> str:
    """Return the name of the only root field of an example."""
    [field] = operation_of(document).selection_set.selections
    return cast("FieldNode", field).name.value


def test_every_operation_has_an_example_that_validates() -> None:
    """No root field is missing, and each example is named for its field and has variables of the right types."""
    names = []
    for document, variables in EXAMPLES:
        assert validate(SCHEMA, parse(document)) == [], document
        operation = operation_of(document)
        assert not isinstance(get_variable_values(SCHEMA, operation.variable_definitions or (), variables), list), (
            document
        )
        assert operation.name
        assert operation.name.value[0].lower() + operation.name.value[1:] == field_of(document)
        names.append((operation.operation.value, field_of(document)))
    assert sorted(names) == sorted((kind, name) for kind, root in ROOTS.items() if root for name in root.fields)


def test_the_table_has_every_operation_with_its_kind_and_scope() -> None:
    """Each root field is in one row, which links to the section with its example."""
    documented = {}
    for names, kind, scope in re.findall(r"^\| (\[.*?) \| (\w+) \| (\w+) \|", PAGE, re.MULTILINE):
        for name, section in re.findall(r"\[`(\w+)`\]\(#([\w-]+)\)", names):
            documented[kind, name] = scope
            heading = section.replace("-", " ").capitalize()
            [text] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
            assert re.search(rf"\b{name}\b *[({{\n]", text), f"{name} is not in the section {heading}"
    scopes = {"query": KeyScope.READ, "mutation": KeyScope.WRITE, "subscription": KeyScope.READ}
    assert documented == {
        (kind, name): KeyScope.ADMIN if FOR_ADMINS.search(name) else scopes[kind]
        for kind, root in ROOTS.items()
        if root
        for name in root.fields
    }


@pytest.fixture
async def api(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """Run an API that can keep secrets."""
    keeping = jobs_settings.model_copy(update={"secret_key": base64.b64encode(bytes(32)).decode()})
    async with serving(database, keeping) as running:
        yield running


async def test_the_examples_work(api: Api) -> None:
    """Run in their order, no query fails and no mutation is refused; of subscriptions, their validity is enough."""
    channels = [
        NotificationChannel(
            id=id_, name=str(id_), kind=ChannelKind.WEBHOOK, url="https://example.com/", signing_secrets=[]
        )
        for id_ in (CHANNEL, OTHER_CHANNEL)
    ]
    worker = Worker(id=RULE, host="a", pid=1, slots=1, started_at=ago(1), renewed_at=ago(0))
    trouble = TaskTrouble(task_id=TASK, kind=TroubleKind.FAILING, since=ago(1), runs=1, run_id=FINISHED)
    rule = NotificationRule(
        id=RULE, name="a rule", channel_ids=[CHANNEL], events=["failed"], after_failures=1, tolerance_ms=0, gather_ms=0,
        after_seq=0,
    )  # fmt: skip
    operation = BulkOperation(id=OPERATION, action=BulkAction.PAUSE, total=1, key_name="anybody")
    async with AsyncSession(api.engine) as session, session.begin():
        session.add(operation)
        session.add_all([*channels, rule, worker, trouble])
        session.add(ApiKey(id=KEY, name="old", scope=KeyScope.READ, token_sha256=bytes(32)))
    task = every("http://localhost/", HOUR, ago(-1), id=TASK)
    await save(api.engine, task, every("http://localhost/", HOUR, ago(-1), id=OTHER_TASK))
    states = {FINISHED: RunState.FAILED} | dict.fromkeys(UNFINISHED, RunState.RETRYING)
    await save(
        api.engine,
        *(run_of(task, scheduled_for=ago(n + 1), state=states[run], id=run) for n, run in enumerate(states)),
    )
    for document, variables in EXAMPLES:
        if operation_of(document).operation is OperationType.SUBSCRIPTION:
            continue
        [found] = (await api.data(document, **variables)).values()
        results: list[Any] = found if isinstance(found, list) else [found]
        assert results
        for result in results:
            assert result is not None, document
            kind = result.get("__typename") if isinstance(result, dict) else None
            assert kind not in {"InvalidInput", "NotFound", "Conflict"}, (document, result)
