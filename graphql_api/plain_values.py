"""Writes values as the answer has them, as far as their fields need neither arguments nor anything to be awaited.

graphql-core prepares each field of each object for a resolver, and asks of each value whether it has to be awaited,
which takes most of the time of a page. What stands in plain values is known from the selection, once for all objects.

What is wrong with a value raises an exception here. graphql-core then executes the same again, and reports it.
"""

from collections.abc import Callable, Mapping
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple, cast

from graphql import (
    Executor,
    GraphQLBoolean,
    GraphQLID,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLString,
    Undefined,
    get_nullable_type,
    is_enum_type,
    is_leaf_type,
    is_list_type,
    is_object_type,
    is_union_type,
)
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

DEFINITION = GraphQLCoreConverter.DEFINITION_BACKREF
READ = "duetime-read"
"""Where a plain field of graphql-core has how it is read from its object."""
READ_IF_KNOWN = "duetime-read-if-known"
"""Where the metadata of an awaited field has how it is read if it is known already, or else raises `NotPlain`."""
TYPENAME = "__typename"
SHORT_LIST = 20
"""Number of items that are written without looking at the clock."""

WRITTEN_AS_IS: Mapping[GraphQLLeafType, type] = {GraphQLString: str, GraphQLID: str, GraphQLBoolean: bool}
"""Scalars that need no conversion, and the class of their values. A number may be out of the range of its scalar."""

Read = Callable[[Any], Any]
Write = Callable[[Any], Any]


class NotPlain(Exception):
    """A value has to be executed by graphql-core."""


class PlainField(NamedTuple):
    """A selected field: its name in the answer, and how its value is read from its object and written."""

    name: str
    read: Read
    write: Write


def note_plain_fields(schema: GraphQLSchema) -> None:
    """Note how fields of a schema are read that need no preparations. Those of root types check the caller's scope."""
    roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and kind not in roots:
            for field in kind.fields.values():
                definition = field.extensions.get(DEFINITION)
                read = None if definition is None else reader(definition)
                if read is not None:
                    field.extensions[READ] = read


def reader(definition: StrawberryField) -> Read | None:
    """Return how a field is read if it is an attribute, or a method without parameters that is not awaited."""
    if definition.extensions:
        return None
    if READ_IF_KNOWN in definition.metadata:
        return cast("Read", definition.metadata[READ_IF_KNOWN])
    resolver = definition.base_resolver
    if resolver is None:
        return attrgetter(definition.python_name)
    if definition.is_async or resolver.arguments or resolver.info_parameter or not resolver.self_parameter:
        return None
    return cast("Read", resolver.wrapped_func)


class Writers:
    """How the values of an operation are written. Without directives, they are written the same at each execution.

    What was selected is known by its nodes, which belong to the document.
    """

    def __init__(self) -> None:
        self._writers: dict[tuple[Any, ...], Write | None] = {}
        self._fields: dict[tuple[Any, ...], list[PlainField]] = {}

    def of_type(self, kind: GraphQLOutputType, selected: FieldDetailsList, executor: Executor[Any]) -> Write | None:
        """Return how a value of a type is written with the fields that were selected, or None if it is not plain."""
        key = (kind, *[id(details.node) for details in selected])
        if key not in self._writers:
            self._writers[key] = self._make(kind, selected, executor)
        return self._writers[key]

    def fields(self, kind: GraphQLObjectType, selected: GroupedFieldSet, executor: Executor[Any]) -> list[PlainField]:
        """Return those of the selected fields of an object that are plain."""
        key = (kind, *[id(each.node) for details in selected.values() for each in details])
        if key not in self._fields:
            found = (self._field(kind, name, details, executor) for name, details in selected.items())
            self._fields[key] = [field for field in found if field is not None]
        return self._fields[key]

    def _field(
        self, kind: GraphQLObjectType, name: str, details: FieldDetailsList, executor: Executor[Any]
    ) -> PlainField | None:
        own_name = details[0].node.name.value
        if own_name == TYPENAME:
            return PlainField(name, lambda _: kind.name, str)
        field = kind.fields.get(own_name)
        read = None if field is None else field.extensions.get(READ)
        if field is None or read is None:
            return None
        write = self.of_type(field.type, details, executor)
        return None if write is None else PlainField(name, read, write)

    def _make(self, kind: GraphQLOutputType, selected: FieldDetailsList, executor: Executor[Any]) -> Write | None:
        of_type = get_nullable_type(kind)
        is_nullable = of_type is kind
        if is_leaf_type(of_type):
            return leaf(of_type, is_nullable=is_nullable)
        write: Write | None = None
        if is_list_type(of_type):
            items = self.of_type(of_type.of_type, selected, executor)
            write = None if items is None else short_list(items)
        elif is_object_type(of_type):
            write = self._object(of_type, selected, executor)
        elif is_union_type(of_type):
            write = one_of({each: self._object(each, selected, executor) for each in of_type.types})
        return None if write is None else given(write, is_nullable=is_nullable)

    def _object(self, kind: GraphQLObjectType, selected: FieldDetailsList, executor: Executor[Any]) -> Write | None:
        collected = executor.collect_subfields(kind, selected)
        fields = self.fields(kind, collected.grouped_field_set, executor)
        if collected.new_defer_usages or len(fields) < len(collected.grouped_field_set):
            return None
        is_one: Any = kind.is_type_of

        def write(source: Any) -> dict[str, Any]:
            if is_one is not None and not is_one(source, None):
                raise NotPlain
            return {name: write(read(source)) for name, read, write in fields}

        return write


def leaf(kind: GraphQLLeafType, *, is_nullable: bool) -> Write:
    """Return how a scalar or a member of an enum is written."""
    # Strawberry looks through all members of an enum for each value.
    coerce = cache(kind.coerce_output_value) if is_enum_type(kind) else kind.coerce_output_value
    written_as_is = WRITTEN_AS_IS.get(kind)

    def write(value: Any) -> Any:
        if type(value) is written_as_is:
            return value
        if value is None and is_nullable:
            return None
        written = None if value is None else coerce(value)
        if written is None or written is Undefined:
            raise NotPlain
        return written

    return write


def one_of(writers: Mapping[GraphQLObjectType, Write | None]) -> Write:
    """Return how an object of a union is written, whose type is known by its class."""
    by_class = {kind.extensions[DEFINITION].origin: write for kind, write in writers.items() if write is not None}

    def write_one(value: Any) -> Any:
        write = by_class.get(type(value))
        if write is None:
            raise NotPlain
        return write(value)

    return write_one


def short_list(write: Write) -> Write:
    """Return how a list is written that is too short to hold up the event loop."""

    def write_all(items: Any) -> list[Any]:
        if not isinstance(items, list) or len(items) > SHORT_LIST:
            raise NotPlain
        return [write(item) for item in items]

    return write_all


def given(write: Write, *, is_nullable: bool) -> Write:
    """Return how a value is written that may be null, or must not."""

    def write_given(value: Any) -> Any:
        if value is not None:
            return write(value)
        if is_nullable:
            return None
        raise NotPlain

    return write_given
