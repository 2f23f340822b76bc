"""Patches of libraries' internals, each with the reason for it and when it can go.

- graphql-core: `limit_field_comparisons`. Validation compares the fields of a document pairwise, up to a budget that
  keeps the event loop busy for more than a second. The budget is a module constant, so this sets the constant. It can
  go when graphql-core takes the budget as an argument of `validate`.
- graphql-core: `PacedExecution`. It completes a list of any length without yielding to the event loop. This makes it
  read the items of a list as it reads those of an async iterator, by overriding the method that chooses between both.
  It can go when graphql-core can yield between the items of a list.
- Strawberry: `convert_while_coercing`. It looks up name and type of each member of each input again, which takes 100 µs
  for a task, in one piece for all inputs of a bulk mutation. This makes graphql-core create the instances by its
  `out_type`, and Strawberry take them as they are by its `from_input`. It can go when Strawberry takes much less time.
- Strawberry: `OneOfRule`. Its rule raises KeyError for a variable that the operation does not define, and
  AttributeError in a fragment before the first operation. It can go when Strawberry's rule looks variables up with
  `get`.
"""

from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import MISSING
from functools import partial
from typing import Any

from graphql import (
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    ObjectValueNode,
    ValidationContext,
    VariableDefinitionNode,
    VariableNode,
)
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import AwaitableOrValue, Path
from graphql.validation.rules import overlapping_fields_can_be_merged
from strawberry.schema.name_converter import NameConverter
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types import get_object_definition
from strawberry.types.arguments import InputContext

from jobs.pacing import paced

SHORT_LIST = 10
"""Number of items that are completed without looking at the clock."""


def limit_field_comparisons(comparisons: int) -> None:
    """Limit how many pairs of fields the validation of one document compares."""
    # The library counts each comparison twice.
    overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 2 * comparisons


class PacedExecution(StrawberryGraphQLCoreExecutionContext):
    """Completes long lists in portions, between which the event loop serves others."""

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
