"""Counts the items of the lists in an operation's arguments, before they are converted.

Converting an item takes up to 25 µs, and none of it yields to the event loop. A JSON value counts as one, whatever it
contains.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from graphql import (
    GraphQLInputType,
    GraphQLSchema,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    VariableNode,
    get_nullable_type,
    is_input_object_type,
    is_input_type,
    is_leaf_type,
    is_list_type,
    type_from_ast,
)

MAX_ITEMS = 5_000
"""Largest number of items of all lists in the arguments of one operation."""


def items_in(kind: GraphQLInputType, value: Any) -> int:
    """Return the number of items in the lists of an argument, given as JSON or as a literal.

    It stops counting at the first list with which there are too many.
    """
    total = 0
    pending: list[tuple[Any, Any]] = [(kind, value)]
    while pending:
        given_kind, value = pending.pop()
        bare: Any = get_nullable_type(given_kind)
        if is_list_type(bare):
            items = members_of(value)
            total += len(items)
            if total > MAX_ITEMS:
                return total
            if not is_leaf_type(get_nullable_type(bare.of_type)):
                pending += [(bare.of_type, item) for item in items]
        elif is_input_object_type(bare):
            pending += [(bare.fields[name].type, member) for name, member in fields_of(value) if name in bare.fields]
    return total


def members_of(value: Any) -> Sequence[Any]:
    """Return the items of a list. A single value counts as a list of one item."""
    match value:
        case ListValueNode(values=values):
            return values
        case list():
            return value
        case None | NullValueNode() | VariableNode():
            return ()
    return (value,)


def fields_of(value: Any) -> Iterable[tuple[str, Any]]:
    """Return the members of an input object by their names; another value has none."""
    match value:
        case ObjectValueNode(fields=fields):
            return [(field.name.value, field.value) for field in fields]
        case dict():
            return value.items()
    return ()


def items_in_variables(schema: GraphQLSchema, operation: OperationDefinitionNode, given: Mapping[str, Any]) -> int:
    """Return the number of items in the lists of an operation's variables, or of their defaults."""
    total = 0
    for definition in operation.variable_definitions or ():
        kind = type_from_ast(schema, definition.type)
        if kind is not None and is_input_type(kind):
            total += items_in(kind, given.get(definition.variable.name.value, definition.default_value))
    return total
