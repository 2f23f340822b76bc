"""Plain values, which are written without graphql-core, are the same as if it had executed them."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Union

import pytest
import strawberry
from graphql import parse

from graphql_api.compat import PacedExecution
from graphql_api.plain_values import SHORT_LIST, note_plain_fields
from tests.api.test_tasks import create
from tests.support.graphql import Api

PAGE = """
query ($withUrl: Boolean!) {
  tasks(first: 50) {
    __typename
    nodes {
      kind: __typename
      name
      action { method ...on HttpAction { url @include(if: $withUrl) } headers { name value secret } }
      action { redirects }
      trigger { __typename ... on IntervalTrigger { everyMs } ... on CronTrigger { expression } }
      statusNow: status
      retry { factor }
    }
    edges { node { name } }
  }
}
"""


async def test_a_page_has_what_was_selected(api: Api) -> None:
    """Aliases, fragments, unions and directives, whose variables differ; also with a list that is no short one."""
    headers = [{"name": f"X-{number}", "value": "v"} for number in range(SHORT_LIST + 1)]
    action = {"url": "http://localhost/"}
    for number in range(SHORT_LIST + 1):
        trigger = {"cron": {"expression": "0 9 * * *"}} if number % 2 else {"interval": {"everyMs": 60_000}}
        await create(api, name=f"task {number}", trigger=trigger, action=action)
    for has_long_list in (False, True):
        if has_long_list:
            await create(api, name="long", action=action | {"headers": headers})
        for with_url in (True, False):
            page = (await api.data(PAGE, withUrl=with_url))["tasks"]
            assert page["__typename"] == "TaskConnection"
            assert page["nodes"][-1] == {
                "kind": "Task",
                "name": "task 0",
                "action": {"method": "GET"}
                | ({"url": "http://localhost/"} if with_url else {})
                | {"headers": [], "redirects": 0},
                "trigger": {"__typename": "IntervalTrigger", "everyMs": 60_000},
                "statusNow": "SCHEDULED",
                "retry": {"factor": 2.0},
            }
            assert page["nodes"][-2]["trigger"] == {"__typename": "CronTrigger", "expression": "0 9 * * *"}
            assert [edge["node"]["name"] for edge in page["edges"]] == [node["name"] for node in page["nodes"]]
    assert page["nodes"][0]["action"]["headers"] == [header | {"secret": False} for header in headers]


@strawberry.type
class Odd:
    """Fails when its number is odd."""

    number: int

    @strawberry.field
    def half(self) -> int:
        """Return the half."""
        if self.number % 2:
            raise ValueError(f"{self.number} is odd")
        return self.number // 2


@strawberry.type
class Numbers:
    """A root type with lists of objects that fail."""

    @strawberry.field
    def some(self, count: int) -> list[Odd | None]:
        """Return objects whose failure is theirs alone."""
        return [Odd(number=number) for number in range(count)]

    @strawberry.field
    def either(self) -> list[Annotated[Union[Odd, "Even"], strawberry.union("Either")]]:
        """Return objects of a union."""
        return [Odd(number=2), Even(halves=[None])]  # type: ignore[list-item]


@strawberry.type
class Even:
    """Has a null where none may be."""

    halves: list[int]


@strawberry.type
class Events:
    """A root type of subscriptions."""

    @strawberry.subscription
    async def each(self) -> AsyncIterator[Odd]:
        """Yield objects."""
        yield Odd(number=2)


NUMBERS = strawberry.Schema(Numbers, subscription=Events, execution_context_class=PacedExecution)
note_plain_fields(NUMBERS._schema)


@pytest.mark.parametrize("count", [2, SHORT_LIST + 2])
async def test_what_is_wrong_has_its_error(count: int) -> None:
    """An error has its path, and leaves the other objects as they are, in short lists and in long ones."""
    found = await NUMBERS.execute("query ($count: Int!) { some(count: $count) { half number } }", {"count": count})
    assert found.data == {
        "some": [None if number % 2 else {"half": number // 2, "number": number} for number in range(count)]
    }
    assert [(error.message, error.path) for error in found.errors or ()] == [
        (f"{number} is odd", ["some", number, "half"]) for number in range(1, count, 2)
    ]


async def test_a_null_where_none_may_be() -> None:
    """It is an error, also within an object of a union."""
    found = await NUMBERS.execute("{ either { ... on Odd { half } ... on Even { halves } } }")
    assert found.data is None
    assert [error.path for error in found.errors or ()] == [["either", 1, "halves", 0]]


def test_events_leave_nothing_in_their_executor() -> None:
    """This fails when an executor keeps what it has collected for one event of a subscription."""
    executor: Any = PacedExecution.build(NUMBERS._schema, parse("subscription { each { number } }"))

    def size_after(event: Odd) -> int:
        assert executor.build_per_event_executor(event).execute_operation().data == {"each": {"number": 2}}
        return sum(len(kept) for kept in vars(executor).values() if isinstance(kept, dict))

    assert len({size_after(Odd(number=2)) for _ in range(3)}) == 1
