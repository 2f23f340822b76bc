"""Hides names of the schema in errors, for when introspection is off.

graphql-core leaves out its suggestions, but its errors still name what a request lacks: the type of a field, or a
member that an input requires. An error keeps the names that the request itself contains.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    specified_scalar_types,
)

from graphql_api.errors import BAD_USER_INPUT, VALIDATION_FAILED

QUOTED = re.compile(r"'[^']*'")
NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")
NOT_SHOWN = "(not shown)"
OF_LIBRARY: Sequence[dict[str, str] | None] = (None, {}, VALIDATION_FAILED, BAD_USER_INPUT)
"""Extensions of errors whose text is the library's."""


class HiddenNames:
    """The names of a schema, except those that every schema has."""

    def __init__(self, schema: GraphQLSchema) -> None:
        roots = {kind.name for kind in (schema.query_type, schema.mutation_type, schema.subscription_type) if kind}
        everywhere = roots | specified_scalar_types.keys()
        self._names = {name for kind in schema.type_map.values() for name in names_of(kind)} - everywhere

    def hidden(
        self, errors: Iterable[GraphQLError], text: str | None, variables: Mapping[str, Any] | None
    ) -> list[GraphQLError]:
        """Return the errors of a request without names that it does not contain, unless their text is Duetime's."""
        known = {*NAME.findall(text or ""), *NAME.findall(json.dumps(variables or {}))}
        return [self._without(error, known) if error.extensions in OF_LIBRARY else error for error in errors]

    def _without(self, error: GraphQLError, known: set[str]) -> GraphQLError:
        def shown(quoted: re.Match[str]) -> str:
            names = {*NAME.findall(quoted.group())}
            return NOT_SHOWN if names & self._names - known else quoted.group()

        message = QUOTED.sub(shown, error.message)
        return GraphQLError(
            message, error.nodes, error.source, error.positions, error.path, error.original_error, error.extensions
        )


def names_of(kind: GraphQLNamedType) -> Iterator[str]:
    """Yield the name of a type, and those of its fields, arguments and values."""
    yield kind.name
    match kind:
        case GraphQLObjectType() | GraphQLInterfaceType():
            for name, field in kind.fields.items():
                yield from (name, *field.args)
        case GraphQLInputObjectType():
            yield from kind.fields
        case GraphQLEnumType():
            yield from kind.values
