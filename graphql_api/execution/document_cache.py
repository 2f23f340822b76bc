"""Caches documents: each is parsed, measured and validated once.

The cost depends on variables where they set the sizes of pages; it is computed once for each combination of sizes.
"""

import json
from collections import OrderedDict
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    Node,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    VariableNode,
    parse,
    recommended_rules,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule

from graphql_api.compat import OneOfRule, limit_field_comparisons
from graphql_api.errors import (
    OPERATION_RESOLUTION_FAILURE,
    PARSE_FAILED,
    VALIDATION_FAILED,
    coded,
    limit_exceeded,
)
from graphql_api.execution.input_items import items_in_variables
from graphql_api.execution.query_cost import Cost, Measurement, check, sizes_of
from graphql_api.plain_values import Writers
from graphql_api.settings import PREFIX, ApiSettings
from jobs.computation import off_loop

KEPT = 256
KEPT_CHARACTERS = 512 * 1024
"""Characters of all cached documents together. A parsed document takes about 200 times the memory of its text."""
KEPT_MEASURES = 64

MAX_ERRORS = 5
"""Largest number of validation errors per document, so that a document with many mistakes takes no more time."""
MAX_COMPARISONS = 12_500
"""A twentieth of the library's own limit. Validation compares duplicate fields with each other, at about 6 µs per pair,
and blocks the event loop meanwhile.
"""
limit_field_comparisons(MAX_COMPARISONS)

RULES = (*specified_rules, *recommended_rules, MaybeNullValidationRule, OneOfRule)


class Document:
    """One parsed document."""

    def __init__(self, text: str, schema: GraphQLSchema, limits: ApiSettings) -> None:
        """Parse the document. Raises `GraphQLError` when the text is not a document, or exceeds a limit."""
        self.text = text
        self.ast = parsed(text, limits)
        self._schema = schema
        self._limits = limits
        self._measures: dict[tuple[Any, ...], Cost] = {}
        self._variables: dict[str | None, frozenset[str]] = {}

    @cached_property
    def operations(self) -> dict[str | None, OperationDefinitionNode]:
        """Operations by name. A single operation is also available under None."""
        found = [node for node in self.ast.definitions if isinstance(node, OperationDefinitionNode)]
        operations: dict[str | None, OperationDefinitionNode] = {node.name.value: node for node in found if node.name}
        if len(found) == 1:
            operations[None] = found[0]
        return operations

    @cached_property
    def has_several_operations(self) -> bool:
        """Whether a request has to name the operation to execute."""
        return sum(isinstance(node, OperationDefinitionNode) for node in self.ast.definitions) > 1

    @cached_property
    def fragments(self) -> dict[str, FragmentDefinitionNode]:
        """Fragments by name."""
        return {node.name.value: node for node in self.ast.definitions if isinstance(node, FragmentDefinitionNode)}

    @cached_property
    def writers(self) -> Writers | None:
        """What is known of the selections for every execution, or None if that may depend on directives."""
        return None if "@" in self.text else Writers()

    def validate(self) -> None:
        """Find the errors now, which otherwise happens when they are first needed."""
        _ = self.errors

    @cached_property
    def errors(self) -> list[GraphQLError]:
        """Errors that validation finds."""
        hide_names = not self._limits.introspection
        rules = (*RULES, NoSchemaIntrospectionCustomRule) if hide_names else RULES
        found = validate(self._schema, self.ast, rules, max_errors=MAX_ERRORS, hide_suggestions=hide_names)
        return [
            too_many_duplicates() if error.message == "Validation aborted." else coded(error, VALIDATION_FAILED)
            for error in found
        ]

    def result_key(self, variables: Mapping[str, Any], operation_name: str | None) -> tuple[str, str | None, str]:
        """Return what a subscription's results depend on besides the events: the document and the variables in it.

        Variables in the arguments of the root field are left out, because they only choose the events.
        """
        names = self._variables.get(operation_name)
        if names is None:
            names = self._variables[operation_name] = self._variables_below_root(operation_name)
        used = {name: variables[name] for name in names if name in variables}
        return self.text, operation_name, json.dumps(used, sort_keys=True)

    def _variables_below_root(self, operation_name: str | None) -> frozenset[str]:
        root = {id(node) for node in self.operations[operation_name].selection_set.selections}
        found: set[str] = set()
        pending: list[Node] = [self.ast]
        while pending:
            node = pending.pop()
            if isinstance(node, VariableNode):
                found.add(node.name.value)
            for key in node.keys:
                if (key == "arguments" and id(node) in root) or key == "variable_definitions":
                    continue
                child = getattr(node, key, None)
                pending += [child] if isinstance(child, Node) else child if isinstance(child, tuple) else ()
        return frozenset(found)

    def refusal(self, variables: Mapping[str, Any], operation_name: str | None) -> GraphQLError | None:
        """Return the error of an operation that exceeds a limit, does not exist, or was not named among several."""
        if operation_name is None and self.has_several_operations:
            return GraphQLError(
                "The document has several operations; say with operationName which is meant",
                extensions=OPERATION_RESOLUTION_FAILURE,
            )
        operation = self.operations.get(operation_name)
        if operation is None:
            named = "" if operation_name is None else f" named {operation_name[:50]!r}"
            return GraphQLError(f"The document has no operation{named}", extensions=OPERATION_RESOLUTION_FAILURE)
        try:
            measured = self._measured(operation, variables, operation_name)
        except RecursionError:
            return nested_too_deeply("The document's fragments are", self._limits)
        return check(measured, self._limits, items=items_in_variables(self._schema, operation, variables))

    def cost(self, variables: Mapping[str, Any], operation_name: str | None) -> int:
        """Return the cost of an operation that was not refused."""
        return self._measured(self.operations[operation_name], variables, operation_name).cost()

    def _measured(
        self, operation: OperationDefinitionNode, variables: Mapping[str, Any], operation_name: str | None
    ) -> Cost:
        sizes = sizes_of(operation, variables)
        key = (operation_name, *sizes.items())
        measure = self._measures.get(key)
        if measure is None:
            measure = Measurement(self._schema, self.fragments, sizes).operation(operation)
            if len(self._measures) < KEPT_MEASURES:
                self._measures[key] = measure
        return measure


LONG = 2_000
"""Characters of a document that is parsed in a separate thread. Reading a thousand characters takes about 5 ms."""


class Documents:
    """The newest documents of this process."""

    def __init__(self, schema: GraphQLSchema, limits: ApiSettings) -> None:
        self._schema = schema
        self._limits = limits
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._characters = 0

    def read(self, text: str) -> Document:
        """Return the parsed document. Raises `GraphQLError` when the text is not a document, or exceeds a limit."""
        document = self._kept.get(text)
        if document is not None:
            self._kept.move_to_end(text)
            return document
        return self._keep(Document(text, self._schema, self._limits))

    async def prepare(self, text: str, variables: Mapping[str, Any], operation_name: str | None) -> None:
        """Read, measure and validate a long document without holding up the event loop, so that `read` finds it.

        Raises `GraphQLError` when the text is not a document, or exceeds a limit.
        """
        if len(text) <= LONG or text in self._kept:
            return

        def read() -> Document:
            document = Document(text, self._schema, self._limits)
            if document.refusal(variables, operation_name) is None:
                document.validate()
            return document

        self._keep(await off_loop(read))

    def _keep(self, document: Document) -> Document:
        if document.text not in self._kept:
            self._characters += len(document.text)
        self._kept[document.text] = document
        while self._characters > KEPT_CHARACTERS or len(self._kept) > KEPT:
            oldest, _ = self._kept.popitem(last=False)
            self._characters -= len(oldest)
        return document


def parsed(text: str, limits: ApiSettings) -> DocumentNode:
    """Return the document's syntax tree. Raises `GraphQLError`."""
    size = len(text.encode(errors="surrogatepass"))
    if size > limits.max_bytes:
        raise limit_exceeded(
            f"The document has {size:,} bytes; at most {limits.max_bytes:,} are accepted ({PREFIX}MAX_BYTES)"
        )
    try:
        return parse(text, max_tokens=limits.max_tokens)
    except GraphQLSyntaxError as error:
        if error.description.startswith("Document contains more than"):
            raise limit_exceeded(
                f"The document has more than the {limits.max_tokens:,} tokens that are accepted ({PREFIX}MAX_TOKENS)"
            ) from None
        if error.description.startswith("Document is nested too deeply"):
            raise nested_too_deeply("The document is", limits) from None
        raise coded(error, PARSE_FAILED) from None


def nested_too_deeply(what: str, limits: ApiSettings) -> GraphQLError:
    """Return the error for nesting so deep that its levels are not counted."""
    return limit_exceeded(
        f"{what} nested too deeply; at most {limits.max_depth:,} levels of fields are accepted ({PREFIX}MAX_DEPTH)"
    )


def too_many_duplicates() -> GraphQLError:
    """Return the error for a document with too many duplicate fields."""
    return limit_exceeded(
        f"The document selects the same so often that comparing its fields takes more than the {MAX_COMPARISONS:,} "
        "steps that are taken; select each field once"
    )
