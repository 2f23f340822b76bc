"""Patches of libraries' internals, each with the reason for it and when it can go.

- graphql-core: `limit_field_comparisons`. Validation compares the fields of a document pairwise, up to a budget that
  keeps the event loop busy for more than a second. The budget is a module constant, so this sets the constant. It can
  go when graphql-core takes the budget as an argument of `validate`.
- graphql-core: `PacedExecution`. It completes a list of any length without yielding to the event loop. This makes it
  read the items of a list as it reads those of an async iterator, by overriding the method that chooses between both.
  It can go when graphql-core can yield between the items of a list. It also writes plain values (see
  `plain_values`) without the preparations for a resolver, which take most of the time of a page; that can go
  when they take much less. And it keeps nothing of the events of a subscription, where graphql-core keeps the collected
  fields of each; that can go when a copy for an event has a memo of its own.
- Strawberry: `convert_while_coercing`. It looks up name and type of each member of each input again, which takes 100 µs
  for a task, in one piece for all inputs of a bulk mutation. This makes graphql-core create the instances by its
  `out_type`, and Strawberry take them as they are by its `from_input`. It can go when Strawberry takes much less time.
- Strawberry: `names_selected`. Its `Info.selected_fields` converts all that is selected below a field, and a fragment
  each time that it is used. This can go when Strawberry converts what is looked at.
- Strawberry: `tell_streams_by_class`. It asks of each result, by a protocol that looks through all attributes, whether
  it is a stream. It can go when Strawberry asks for a class.
- Strawberry: `OneOfRule`. Its rule raises KeyError for a variable that the operation does not define, and
  AttributeError in a fragment before the first operation. It can go when Strawberry's rule looks variables up with
  `get`.
"""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import MISSING
from functools import partial
from typing import Any, cast

from graphql import (
    Executor,
    FieldNode,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    ObjectValueNode,
    Undefined,
    ValidationContext,
    VariableDefinitionNode,
    VariableNode,
)
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from graphql.pyutils import AwaitableOrValue, Path
from graphql.validation.rules import overlapping_fields_can_be_merged
from strawberry.http import async_base_view
from strawberry.schema.name_converter import NameConverter
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types import Info, get_object_definition
from strawberry.types.arguments import InputContext

from graphql_api.plain_values import SHORT_LIST, Write, Writers
from jobs.pacing import paced, pacer


def limit_field_comparisons(comparisons: int) -> None:
    """Limit how many pairs of fields the validation of one document compares."""
    # The library counts each comparison twice.
    overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 2 * comparisons


def tell_streams_by_class() -> None:
    """Let Strawberry ask whether a result is an async iterator, which Python knows once for all results of a class."""
    async_base_view.SubscriptionExecutionResult = AsyncIterator  # type: ignore[assignment,attr-defined]


def merged(values: dict[str, Any], executed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an object in the order in which they were selected, without those that do not exist."""
    found = {name: executed.get(name, Undefined) if value is Undefined else value for name, value in values.items()}
    return {name: value for name, value in found.items() if value is not Undefined}


async def merged_later(values: dict[str, Any], executed: Awaitable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the fields of an object of which some have to be awaited."""
    return merged(values, await executed)


class PacedExecution(StrawberryGraphQLCoreExecutionContext):
    """Completes long lists in portions, between which the event loop serves others, and writes plain values itself."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.writers = Writers()

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        """Return a copy for one event. What is kept for its selection would grow with each event of a subscription."""
        executor = cast("PacedExecution", super().build_per_event_executor(payload))
        executor._relevant_sub_fields = {}  # noqa: SLF001
        return executor

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: Any,
    ) -> AwaitableOrValue[dict[str, Any]]:
        """Return the values of an object's fields. What is wrong with a plain one, graphql-core finds and reports."""
        values: dict[str, Any] = dict.fromkeys(grouped_field_set, Undefined)
        for name, read, write in self.writers.fields(parent_type, grouped_field_set, self):
            with suppress(Exception):
                values[name] = write(read(source_value))
        others = {name: grouped_field_set[name] for name, value in values.items() if value is Undefined}
        if not others:
            return values
        executed = super().execute_fields(parent_type, source_value, path, others, position_context)
        return merged(values, executed) if isinstance(executed, dict) else merged_later(values, executed)

    def complete_list_value(  # noqa: PLR0917 (graphql-core's signature)
        self,
        return_type: GraphQLList[GraphQLOutputType],
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: AsyncIterable[Any] | Iterable[Any],
        position_context: Any,
    ) -> AwaitableOrValue[list[Any]]:
        """Complete a list."""
        complete = partial(
            super().complete_list_value, return_type, field_details_list, info, path, position_context=position_context
        )
        if not isinstance(result, list):
            return complete(result)
        write = self.writers.of_type(return_type.of_type, field_details_list, self)
        if len(result) > SHORT_LIST:
            return complete(paced(result)) if write is None else in_portions(result, write, otherwise=complete)
        with suppress(Exception):
            if write is not None:
                return [write(item) for item in result]
        return complete(result)


async def in_portions(
    items: list[Any], write: Write, *, otherwise: Callable[[AsyncIterable[Any]], AwaitableOrValue[list[Any]]]
) -> list[Any]:
    """Write plain items, each portion when there is time for it; otherwise, let graphql-core complete all of them."""
    turns = pacer()
    written: list[Any] = []
    try:
        for start in range(0, len(items), SHORT_LIST):
            await turns.turn()
            written += [write(item) for item in items[start : start + SHORT_LIST]]
    except Exception:
        return await cast("Awaitable[list[Any]]", otherwise(paced(items)))
    return written


def convert_while_coercing(schema: GraphQLSchema, inputs: Iterable[type], names: NameConverter) -> None:
    """Let graphql-core turn inputs into instances of these types, whose members have such types or leaves."""
    for each in inputs:
        definition = get_object_definition(each, strict=True)
        coerced = schema.type_map[names.from_type(definition)]
        assert isinstance(coerced, GraphQLInputObjectType)  # noqa: S101 (an input type of Strawberry is nothing else)
        for field in definition.fields:
            coerced.fields[names.from_field(field)].out_name = field.python_name
        absent = {
            field.python_name: None
            for field in definition.fields
            if field.default_value is MISSING and field.default_factory is MISSING
        }
        coerced.out_type = partial(_instance, each, absent)  # type: ignore[method-assign]
        definition.from_input = _as_it_is


def _instance(input_type: type, absent: Mapping[str, None], given: Mapping[str, Any]) -> Any:
    return input_type(**{**absent, **given})


def _as_it_is(_type: type, given: Any, _context: InputContext) -> Any:
    return given


def names_selected(info: Info[Any, Any]) -> set[str]:
    """Return the names of the fields that a field's own selection has, without those in fragments."""
    selections = [node.selection_set for node in info._raw_info.field_nodes]  # noqa: SLF001
    return {each.name.value for own in selections if own for each in own.selections if isinstance(each, FieldNode)}


class OneOfRule(OneOfInputValidationRule):
    """Strawberry's rule for inputs of which exactly one field is given; unknown variables are for another rule."""

    def __init__(self, validation_context: ValidationContext) -> None:
        super().__init__(validation_context)
        self.variable_definitions: dict[str, VariableDefinitionNode] = {}

    def validate_one_of(self, node: ObjectValueNode, type: GraphQLNamedType) -> None:  # noqa: A002 (its signature)
        """Report what is wrong with an input, unless it has a variable that is not defined."""
        values: list[Any] = [field.value for field in node.fields]
        used = {value.name.value for value in values if isinstance(value, VariableNode)}
        if used <= self.variable_definitions.keys():
            super().validate_one_of(node, type)
