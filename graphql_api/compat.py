"""Patches of libraries' internals, each with the reason for it and when it can go.

- graphql-core: `limit_field_comparisons`. Validation compares the fields of a document pairwise, up to a budget that
  keeps the event loop busy for more than a second. The budget is a module constant, so this sets the constant. It can
  go when graphql-core takes the budget as an argument of `validate`.
- Strawberry: `OneOfRule`. Its rule raises KeyError for a variable that the operation does not define, and
  AttributeError in a fragment before the first operation. It can go when Strawberry's rule looks variables up with
  `get`.
"""

from typing import Any

from graphql import GraphQLNamedType, ObjectValueNode, ValidationContext, VariableDefinitionNode, VariableNode
from graphql.validation.rules import overlapping_fields_can_be_merged
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule


def limit_field_comparisons(comparisons: int) -> None:
    """Limit how many pairs of fields the validation of one document compares."""
    # The library counts each comparison twice.
    overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 2 * comparisons


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
