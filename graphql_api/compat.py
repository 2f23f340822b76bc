"""Patches of libraries' internals, each with the reason for it and when it can go.

- graphql-core: `limit_field_comparisons`. Validation compares the fields of a document pairwise, up to a budget that
  keeps the event loop busy for more than a second. The budget is a module constant, so this sets the constant. It can
  go when graphql-core takes the budget as an argument of `validate`.
- graphql-core: `PacedExecution`. It completes a list of any length without yielding to the event loop. This makes it
  read the items of a list as it reads those of an async iterator, by overriding the method that chooses between both.
  It can go when graphql-core can yield between the items of a list. It also reads fields that are plain attributes
  without the preparations for a resolver, which take most of the time of a page; `note_leaves` finds these fields.
- Strawberry: `convert_while_coercing`. It looks up name and type of each member of each input again, which takes 100 µs
  for a task, in one piece for all inputs of a bulk mutation. This makes graphql-core create the instances by its
  `out_type`, and Strawberry take them as they are by its `from_input`. It can go when Strawberry takes much less time.
- Strawberry: `OneOfRule`. Its rule raises KeyError for a variable that the operation does not define, and
  AttributeError in a fragment before the first operation. It can go when Strawberry's rule looks variables up with
  `get`.
"""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from dataclasses import MISSING
from functools import partial
from typing import Any, NamedTuple

from graphql import (
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
    get_nullable_type,
    is_leaf_type,
)
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from graphql.pyutils import AwaitableOrValue, Path
from graphql.validation.rules import overlapping_fields_can_be_merged
from strawberry.schema.name_converter import NameConverter
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types import get_object_definition
from strawberry.types.arguments import InputContext

from jobs.pacing import paced

SHORT_LIST = 10
"""Number of items that are completed without looking at the clock."""
LEAF = "duetime-leaf"
"""Where a field of graphql-core has its `Leaf`."""


def limit_field_comparisons(comparisons: int) -> None:
    """Limit how many pairs of fields the validation of one document compares."""
    # The library counts each comparison twice.
    overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 2 * comparisons


class Leaf(NamedTuple):
    """A field that is an attribute of its object, and how its value is written."""

    attribute: str
    coerce: Callable[[Any], Any]
    is_nullable: bool


def note_leaves(schema: GraphQLSchema) -> None:
    """Note which fields of a schema need neither a resolver nor a selection."""
    for kind in schema.type_map.values():
        for field in kind.fields.values() if isinstance(kind, GraphQLObjectType) else ():
            of_type = get_nullable_type(field.type)
            if getattr(field.resolve, "_is_default", False) and is_leaf_type(of_type):
                attribute = field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF].python_name
                field.extensions[LEAF] = Leaf(attribute, of_type.coerce_output_value, of_type is field.type)


def attribute_of(source: Any, kind: GraphQLObjectType, name: str) -> Any:
    """Return the value of a field that is an attribute, or Undefined if it is not an attribute or its value is
    invalid."""
    field = kind.fields.get(name)
    leaf: Leaf | None = field.extensions.get(LEAF) if field else None
    if leaf is None:
        return Undefined
    try:
        value = getattr(source, leaf.attribute)
        if value is None:
            return None if leaf.is_nullable else Undefined
        written = leaf.coerce(value)
    except Exception:
        return Undefined
    return Undefined if written is None else written


def merged(values: dict[str, Any], executed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an object in the order in which they were selected, without those that do not exist."""
    found = {name: executed.get(name, Undefined) if value is Undefined else value for name, value in values.items()}
    return {name: value for name, value in found.items() if value is not Undefined}


async def merged_later(values: dict[str, Any], executed: Awaitable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the fields of an object of which some have to be awaited."""
    return merged(values, await executed)


class PacedExecution(StrawberryGraphQLCoreExecutionContext):
    """Completes long lists in portions, between which the event loop serves others, and reads attributes directly."""

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: Any,
    ) -> AwaitableOrValue[dict[str, Any]]:
        """Return the values of an object's fields. What is wrong with an attribute, graphql-core finds and reports."""
        values = {
            name: attribute_of(source_value, parent_type, details[0].node.name.value)
            for name, details in grouped_field_set.items()
        }
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
        items = paced(result) if isinstance(result, list) and len(result) > SHORT_LIST else result
        return super().complete_list_value(return_type, field_details_list, info, path, items, position_context)


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
