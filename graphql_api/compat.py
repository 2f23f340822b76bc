"""Patches of libraries' internals, each with the reason for it and when it can go.

- graphql-core: `limit_field_comparisons`. Validation compares the fields of a document pairwise, up to a budget that
  keeps the event loop busy for more than a second. The budget is a module constant, so this sets the constant. It can
  go when graphql-core takes the budget as an argument of `validate`.
- graphql-core: `PacedExecution`. It completes a list of any length without yielding to the event loop. This makes it
  read the items of a list as it reads those of an async iterator, by overriding the method that chooses between both.
  It can go when graphql-core can yield between the items of a list.
- Strawberry: `convert_by_plan`. It looks up the name and the type of each member of each input again, which takes
  100 µs for a task and most of the time before the resolver of a bulk mutation begins. This does so once, and hands
  Strawberry the result by its hook `from_input`. It can go when Strawberry does so.
- Strawberry: `OneOfRule`. Its rule raises KeyError for a variable that the operation does not define, and
  AttributeError in a fragment before the first operation. It can go when Strawberry's rule looks variables up with
  `get`.
"""

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import MISSING
from functools import partial
from typing import Any

from graphql import (
    GraphQLList,
    GraphQLNamedType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    ObjectValueNode,
    ValidationContext,
    VariableDefinitionNode,
    VariableNode,
)
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import AwaitableOrValue, Path
from graphql.validation.rules import overlapping_fields_can_be_merged
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.schema.config import StrawberryConfig
from strawberry.types import get_object_definition
from strawberry.types.arguments import InputContext
from strawberry.types.base import (
    StrawberryList,
    StrawberryObjectDefinition,
    StrawberryOptional,
    has_object_definition,
)

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


def convert_by_plan(inputs: Iterable[type], config: StrawberryConfig) -> None:
    """Plan now how inputs become instances of these types, each after the types of its members."""
    plans: dict[type, Callable[[Mapping[str, Any]], Any]] = {}
    for each in inputs:
        definition = get_object_definition(each, strict=True)
        plan = plans[each] = _plan(each, definition, config, plans)
        definition.from_input = partial(_by_plan, plan)


def _by_plan(
    plan: Callable[[Mapping[str, Any]], Any], _type: type, given: Mapping[str, Any], _context: InputContext
) -> Any:
    return plan(given)


def _plan(
    input_type: type,
    definition: StrawberryObjectDefinition,
    config: StrawberryConfig,
    plans: Mapping[type, Callable[[Mapping[str, Any]], Any]],
) -> Callable[[Mapping[str, Any]], Any]:
    """Return a function that makes an instance of an input type from the values of its members."""
    absent = {
        field.python_name: None
        for field in definition.fields
        if field.default_value is MISSING and field.default_factory is MISSING
    }
    members: dict[str, tuple[str, Callable[[Any], Any] | None]] = {
        config.name_converter.from_field(field): (
            field.python_name,
            _conversion(field.resolve_type(type_definition=definition), plans),
        )
        for field in definition.fields
    }

    def convert(given: Mapping[str, Any]) -> Any:
        values: dict[str, Any] = dict(absent)
        for name, value in given.items():
            python_name, conversion = members[name]
            values[python_name] = value if value is None or conversion is None else conversion(value)
        return input_type(**values)

    return convert


def _conversion(
    kind: Any, plans: Mapping[type, Callable[[Mapping[str, Any]], Any]]
) -> Callable[[Any], Any] | None:
    """Return how a value of a member is converted, or None if it stays as it is. Raises KeyError for another input."""
    while isinstance(kind, StrawberryOptional):
        kind = kind.of_type
    if isinstance(kind, StrawberryList):
        conversion = _conversion(kind.of_type, plans)
        if conversion is None:
            return list
        return lambda items: [None if item is None else conversion(item) for item in items]
    return plans[kind] if has_object_definition(kind) else None


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
