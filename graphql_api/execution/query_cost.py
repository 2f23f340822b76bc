"""Measures an operation before it is executed: its depth, its duplicates, and how large its response can be.

The cost is the largest number of values (fields, and items of lists) that the response can contain. A page size
(`first`, `last`, `count`, or a list of inputs) multiplies the cost of each item; other lists count as if they had
`ASSUMED_LENGTH` items. Where a value has one of several types, the most expensive selection counts:

Fields whose values can be large, or take long to compute, cost more than 1 (`FIELD_COSTS`).

    { tasks(first: 50) { totalCount nodes { name lastRun { state } } } }      1 + 1 + 1 + 50 * (1 + 1 + 1)

Fragments count wherever they are used, but each is measured only once, so that a document whose fragments use each
other twice, again and again, takes no longer to measure than any other document of its length.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Self

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListTypeNode,
    ListValueNode,
    NamedTypeNode,
    NonNullTypeNode,
    NullValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    Undefined,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_composite_type,
    is_list_type,
    is_object_type,
)

from graphql_api.errors import limit_exceeded
from graphql_api.execution.input_items import MAX_ITEMS, items_in
from graphql_api.schema.mutations import MAX_INPUTS
from graphql_api.settings import PREFIX, ApiSettings
from graphql_api.types.connections import DEFAULT_SIZE, MAX_SIZE

ASSUMED_LENGTH = 5
ASSUMED_LENGTHS = {
    "InvalidInput.problems": 2,
    "HttpAction.headers": 20,
    "Run.responseHeaders": 20,
    "TriedAction.responseHeaders": 20,
    "Query.runStatistics": 500,
}
"""Lengths of other lists. Few inputs have any problem, and one request may contain a thousand inputs. The values of
statistics are small numbers.
"""

LARGE_COST = 64
"""The cost of a value that can have 64 KiB or more, where the average value of other fields has less than 1 KiB."""
MEDIUM_COST = 4
"""The cost of a value that can have 4 KiB."""
COMPUTED_COST = 100
"""The cost of a value whose computation takes up to 10 ms, where that of other values takes less than 0.1 ms."""
FIELD_COSTS = {
    **dict.fromkeys(
        (
            "AuditEntry.after",
            "AuditEntry.before",
            "HttpAction.body",
            "HttpAction.bodyEncoding",
            "HttpAction.form",
            "HttpAction.payload",
        ),
        LARGE_COST,
    ),
    **dict.fromkeys(("Run.responseBody", "Run.responseHeaders"), LARGE_COST),
    **dict.fromkeys(("TriedAction.responseBody", "TriedAction.responseHeaders"), LARGE_COST),
    **dict.fromkeys(("Task.description", "Task.metadata", "UpsertedTask.after", "UpsertedTask.before"), MEDIUM_COST),
    **dict.fromkeys(("Query.previewTrigger", "Query.runStatistics"), COMPUTED_COST),
    "Task.statistics": MEDIUM_COST,
}

Sizes = Mapping[str, int | None]
"""The size that each variable gives, or None where it gives none."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a selection. Its lists are not in `fixed`: each of their items costs `per_item`."""

    depth: int = 0
    aliases: int = 0
    directives: int = 0
    repeats: int = 0
    items: int = 0
    fixed: int = 0
    per_item: int = 0

    def beside(self, other: Self) -> "Cost":
        """Return the cost of both selections together."""
        return Cost(
            depth=max(self.depth, other.depth),
            aliases=self.aliases + other.aliases,
            directives=self.directives + other.directives,
            repeats=self.repeats + other.repeats,
            items=self.items + other.items,
            fixed=self.fixed + other.fixed,
            per_item=self.per_item + other.per_item,
        )

    def or_else(self, other: Self) -> "Cost":
        """Return the cost of two selections of which only one is executed."""
        return Cost(
            depth=max(self.depth, other.depth),
            aliases=self.aliases + other.aliases,
            directives=self.directives + other.directives,
            repeats=self.repeats + other.repeats,
            items=self.items + other.items,
            fixed=max(self.fixed, other.fixed),
            per_item=max(self.per_item, other.per_item),
        )

    def cost(self, length: int = ASSUMED_LENGTH) -> int:
        """Return the cost if the lists have that length."""
        return self.fixed + self.per_item * length


@dataclass(slots=True)
class Measurement:
    """One walk through an operation and its fragments."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    sizes: Sizes
    known: dict[str, Cost] = field(default_factory=dict)

    def operation(self, node: OperationDefinitionNode) -> Cost:
        """Return the cost of the whole operation."""
        directives = len(node.directives or ()) + sum(
            len(variable.directives or ()) for variable in node.variable_definitions or ()
        )
        root = self.schema.get_root_type(node.operation)
        return self.selections(node.selection_set, root).beside(Cost(directives=directives))

    def selections(self, node: SelectionSetNode | None, parent: GraphQLNamedType | None) -> Cost:
        """Return the cost of all selections on a type. Selections on an unknown type cost nothing."""
        found: dict[str | None, Cost] = {None: Cost()}
        for selection in node.selections if node else ():
            narrowed = self.narrowed(selection, parent)
            match selection:
                case FieldNode():
                    measure = self.field(selection, parent)
                case InlineFragmentNode():
                    measure = self.selections(selection.selection_set, narrowed)
                case FragmentSpreadNode(name=name):
                    measure = self.fragment(name.value)
                case _:
                    continue
            if directives := len(selection.directives or ()):
                measure = measure.beside(Cost(directives=directives))
            # A value of a union or an interface has only one of its types.
            its = narrowed.name if is_abstract_type(parent) and is_object_type(narrowed) else None
            found[its] = found.get(its, Cost()).beside(measure)
        always = found.pop(None).beside(Cost(repeats=repeats_in(node)))
        return reduce(Cost.or_else, found.values(), Cost()).beside(always)

    def narrowed(self, node: SelectionNode, parent: GraphQLNamedType | None) -> GraphQLNamedType | None:
        """Return the type to which a selection applies."""
        if isinstance(node, FragmentSpreadNode):
            fragment = self.fragments.get(node.name.value)
            condition = fragment.type_condition if fragment else None
        else:
            condition = node.type_condition if isinstance(node, InlineFragmentNode) else None
        return self.schema.get_type(condition.name.value) if condition else parent

    def fragment(self, name: str) -> Cost:
        """Return the cost of a fragment, computed once. Validation refuses fragments that contain themselves."""
        if name not in self.known and name in self.fragments:
            self.known[name] = Cost()
            node = self.fragments[name]
            measure = self.selections(node.selection_set, self.schema.get_type(node.type_condition.name.value))
            self.known[name] = measure.beside(Cost(directives=len(node.directives or ())))
        return self.known.get(name, Cost())

    def field(self, node: FieldNode, parent: GraphQLNamedType | None) -> Cost:
        """Return the cost of a field with everything below it."""
        definition = field_of(self.schema, parent, node.name.value)
        below = self.selections(node.selection_set, get_named_type(definition.type) if definition else None)
        size = size_of(definition, node, self.sizes) if definition else None
        name = f"{parent.name}.{node.name.value}" if parent else ""
        if size is None:
            size = ASSUMED_LENGTHS.get(name)
        fixed, per_item = FIELD_COSTS.get(name, 1), 0
        if definition and is_list_type(get_nullable_type(definition.type)):
            each = below.cost() if node.selection_set else 1
            if size is None:
                per_item = each
            else:
                fixed += size * each
        else:
            fixed += below.cost() if size is None else below.cost(size)
        return Cost(
            # Introspection is deep by nature; graphql-core has a rule of its own against abuse.
            depth=1 if node.name.value.startswith("__") else below.depth + 1,
            aliases=below.aliases + (node.alias is not None),
            directives=below.directives,
            repeats=below.repeats,
            items=below.items + literal_items(definition, node),
            fixed=fixed,
            per_item=per_item,
        )


def literal_items(definition: GraphQLField | None, node: FieldNode) -> int:
    """Return the number of items in the lists that a field's arguments contain literally."""
    kinds = definition.args if definition else {}
    return sum(
        items_in(kinds[argument.name.value].type, argument.value)
        for argument in node.arguments or ()
        if argument.name.value in kinds
    )


def repeats_in(node: SelectionSetNode | None) -> int:
    """Return the number of duplicate fields in a selection. Fragments may select the same fields."""
    fields = [each for each in (node.selections if node else ()) if isinstance(each, FieldNode)]
    return len(fields) - len({(each.alias or each.name).value for each in fields})


def field_of(schema: GraphQLSchema, parent: GraphQLNamedType | None, name: str) -> GraphQLField | None:
    """Return the field's definition, if the type has the field."""
    return schema.get_field(parent, name) if is_composite_type(parent) else None


def size_of(definition: GraphQLField, node: FieldNode, sizes: Sizes) -> int | None:
    """Return how many items a field's arguments request, if they can. The field itself refuses sizes out of bounds."""
    given = {argument.name.value: argument.value for argument in node.arguments or ()}
    if "first" in definition.args:
        found = [number_in(given[name], sizes) for name in ("first", "last") if name in given]
        default = definition.args["first"].default_value
        return next((size for size in found if size is not None), default if isinstance(default, int) else DEFAULT_SIZE)
    for name in ("count", "last"):
        if name in definition.args:
            size = number_in(given[name], sizes) if name in given else None
            default = definition.args[name].default_value
            return size if size is not None else default if isinstance(default, int) else MAX_SIZE
    if is_list_type(get_nullable_type(definition.type)):
        lengths = [
            length_of(given.get(name), sizes)
            for name, argument in definition.args.items()
            if is_list_type(get_nullable_type(argument.type))
        ]
        return max(lengths, default=None)
    return None


def number_in(node: ValueNode, sizes: Sizes) -> int | None:
    """Return the size that an argument gives, or None for null."""
    match node:
        case VariableNode(name=name):
            return sizes.get(name.value)
        case IntValueNode(value=text):
            # Not int(text), which refuses thousands of digits: such a size exceeds any page anyway.
            return bounded(int(text) if len(text) < 20 else MAX_SIZE, MAX_SIZE)
    return None


def length_of(node: ValueNode | None, sizes: Sizes) -> int:
    """Return the length of a list of inputs."""
    match node:
        case None | NullValueNode():
            return 0
        case VariableNode(name=name):
            return sizes.get(name.value) or 0
        case ListValueNode(values=values):
            return bounded(len(values), MAX_INPUTS)
    return 1


def bounded(size: float, most: int) -> int:
    """Return a size between 0 and the largest that a field accepts."""
    return int(min(max(size, 0), most))


def size_variables(operation: OperationDefinitionNode) -> Iterable[tuple[str, ValueNode | None]]:
    """Yield the variables that can give a size, whole numbers and lists, with their defaults."""
    for definition in operation.variable_definitions or ():
        kind = definition.type.type if isinstance(definition.type, NonNullTypeNode) else definition.type
        if isinstance(kind, ListTypeNode) or (isinstance(kind, NamedTypeNode) and kind.name.value == "Int"):
            yield definition.variable.name.value, definition.default_value


def sizes_of(operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> dict[str, int | None]:
    """Return the sizes that the variables, or their defaults, give. Wrong values are refused elsewhere."""
    sizes: dict[str, int | None] = {}
    for name, default in size_variables(operation):
        value = variables.get(name, Undefined)
        match value:
            case bool() | None:
                sizes[name] = None
            case int() | float():
                sizes[name] = bounded(value, MAX_SIZE)
            case list():
                sizes[name] = bounded(len(value), MAX_INPUTS)
            case _ if value is Undefined and default is not None:
                sizes[name] = length_of(default, {}) if isinstance(default, ListValueNode) else number_in(default, {})
            case _:
                # A list of one item may be given without brackets.
                sizes[name] = None if value is Undefined else 1
    return sizes


def check(measure: Cost, limits: ApiSettings, *, items: int) -> GraphQLError | None:
    """Return the error of an operation that exceeds a limit, or None. `items` are those in its variables."""
    excess = next(excesses(measure, limits, items=items + measure.items), None)
    return None if excess is None else limit_exceeded(excess)


def excesses(measure: Cost, limits: ApiSettings, *, items: int) -> Iterator[str]:
    """Yield each limit that an operation exceeds, with the value."""
    if items > MAX_ITEMS:
        yield (
            f"The lists in the arguments have {amount(items)} items; at most {MAX_ITEMS:,} are accepted in one "
            "operation"
        )
    if measure.depth > limits.max_depth:
        yield (
            f"The document is {measure.depth:,} levels deep; at most {limits.max_depth:,} are accepted "
            f"({PREFIX}MAX_DEPTH)"
        )
    if measure.aliases > limits.max_aliases:
        yield (
            f"The document has {amount(measure.aliases)} aliases; at most {limits.max_aliases:,} are accepted "
            f"({PREFIX}MAX_ALIASES)"
        )
    if measure.directives > limits.max_directives:
        yield (
            f"The document has {amount(measure.directives)} directives; at most {limits.max_directives:,} are accepted "
            f"({PREFIX}MAX_DIRECTIVES)"
        )
    if measure.repeats > limits.max_repeats:
        yield (
            f"The document selects {amount(measure.repeats)} duplicate fields; at most "
            f"{limits.max_repeats:,} are accepted ({PREFIX}MAX_REPEATS)"
        )
    if (cost := measure.cost()) > limits.max_cost:
        yield (
            f"The answer could have {amount(cost)} values; at most {limits.max_cost:,} are accepted "
            f"({PREFIX}MAX_COST). Ask for smaller pages or fewer fields"
        )


def amount(number: int) -> str:
    """Return a number as text that stays short, however large it is."""
    return f"{number:,}" if number < 10**15 else "more than 10^15"
