"""The GraphQL schema. `duetime schema` prints it into schema.graphql."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing
from functools import wraps
from typing import Any, cast

from graphql import ExecutionResult as GraphQLExecutionResult
from graphql import GraphQLError, GraphQLObjectType, GraphQLResolveInfo, create_source_event_stream
from strawberry import Schema
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.name_converter import NameConverter
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from db.states import KeyScope
from graphql_api import answer_size
from graphql_api.broadcast import ResultCache, SourceEvent
from graphql_api.compat import PacedExecution, convert_by_plan
from graphql_api.context import Context
from graphql_api.errors import MaskInternalErrors, masked
from graphql_api.execution.document_cache import Document, Documents
from graphql_api.execution.hidden_names import HiddenNames
from graphql_api.schema.mutations import Mutation
from graphql_api.schema.queries import Query
from graphql_api.schema.subscriptions import Subscription
from graphql_api.settings import ApiSettings
from graphql_api.types.action import FormFieldInput, HeaderInput, HttpActionInput
from graphql_api.types.refusals import HANDLERS
from graphql_api.types.retry import RetryPolicyInput
from graphql_api.types.scalars import SCALARS
from graphql_api.types.task import CreateTaskInput
from graphql_api.types.trigger import CronTriggerInput, IntervalTriggerInput, OneOffTriggerInput, TriggerInput

BULK_INPUTS = (
    OneOffTriggerInput, CronTriggerInput, IntervalTriggerInput, TriggerInput, HeaderInput, FormFieldInput,
    HttpActionInput, RetryPolicyInput, CreateTaskInput,
)  # fmt: skip
"""The input types of which one mutation may have a thousand, each after those of its members."""


class DuetimeSchema(Schema):
    """Strawberry's schema. It refuses operations that exceed a limit before it executes them, over any transport.

    It logs nothing: mistakes of callers are not news, and internal errors are logged where they are masked.
    """

    def __init__(self, limits: ApiSettings) -> None:
        super().__init__(
            query=Query,
            mutation=Mutation,
            subscription=Subscription,
            extensions=[MaskInternalErrors, KnownDocuments],
            execution_context_class=PacedExecution if limits.introspection else NoSuggestions,
            exception_handlers=HANDLERS,
            config=StrawberryConfig(scalar_map=SCALARS, name_converter=CachedNames()),
        )
        for root, scope in (
            (self._schema.query_type, KeyScope.READ),
            (self._schema.mutation_type, KeyScope.WRITE),
            (self._schema.subscription_type, KeyScope.READ),
        ):
            check_scopes(root, scope)
        convert_by_plan(BULK_INPUTS, self.config)
        self.documents = Documents(self._schema, limits)
        self.result_cache = ResultCache(max_bytes=limits.max_answer_bytes)
        self._limits = limits
        self._hidden_names = None if limits.introspection else HiddenNames(self._schema)

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Log nothing."""

    async def prepared_refusal(
        self, query: str | None, variables: dict[str, Any] | None, operation_name: str | None
    ) -> PreExecutionError | None:
        """Return the same as `refusal`. A long document is read without holding up the event loop."""
        if not query:
            return None
        try:
            await self.documents.prepare(query, variables or {}, operation_name)
        except GraphQLError as unreadable:
            return PreExecutionError(data=None, errors=[unreadable.with_traceback(None)])
        return self.refusal(query, variables, operation_name)

    def refusal(
        self, query: str | None, variables: dict[str, Any] | None, operation_name: str | None
    ) -> PreExecutionError | None:
        """Return why an operation is not even validated: it cannot be parsed, or exceeds a limit."""
        if not query:
            return None
        try:
            error = self.documents.read(query).refusal(variables or {}, operation_name)
        except GraphQLError as unreadable:
            error = unreadable.with_traceback(None)
        return PreExecutionError(data=None, errors=[error]) if error else None

    async def execute(  # noqa: PLR0917 (Strawberry's signature)
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """Execute a query or a mutation."""
        if refused := await self.prepared_refusal(query, variable_values, operation_name):
            return refused
        size = answer_size.begin(self._limits.max_answer_bytes)
        result = await super().execute(
            query,
            variable_values,
            context_value,
            root_value,
            operation_name,
            allowed_operation_types,
            operation_extensions,
        )
        self._hide_names(result, query, variable_values)
        return result if isinstance(result, PreExecutionError) else size.bounded(result)

    async def stream(  # noqa: PLR0917 (Strawberry's signature)
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
    ) -> AsyncGenerator[Any, None]:
        """Execute any operation and return its results: one, or those of a subscription."""
        if refused := await self.prepared_refusal(query, variable_values, operation_name):
            return only(refused)
        kind = self.operation_type(query, operation_name) if query else None
        if query and kind is OperationType.SUBSCRIPTION:
            document = self.documents.read(query)
            if document.errors:
                invalid = PreExecutionError(data=None, errors=document.errors)
                self._hide_names(invalid, query, variable_values)
                return only(invalid)
            return self._watch(document, variable_values or {}, context_value, operation_name)
        if kind is not None:
            return self._execute_once(query, variable_values, context_value, operation_name, operation_extensions)
        return await super().stream(
            query,
            variable_values,
            context_value,
            root_value,
            operation_name,
            operation_extensions,
            allowed_operation_types,
        )

    def _hide_names(self, result: ExecutionResult, query: str | None, variables: dict[str, Any] | None) -> None:
        """Hide names of the schema in the errors of a result, if introspection is off."""
        if result.errors and self._hidden_names is not None:
            result.errors = self._hidden_names.hidden(result.errors, query, variables)

    def operation_type(self, query: str, operation_name: str | None) -> OperationType | None:
        """Return the type of an operation, or None if the document cannot be parsed."""
        try:
            operation = self.documents.read(query).operations.get(operation_name)
        except GraphQLError:
            return None
        return OperationType(operation.operation.value) if operation else None

    async def _execute_once(
        self,
        query: str | None,
        variables: dict[str, Any] | None,
        context: Any,
        operation_name: str | None,
        extensions: dict[str, Any] | None,
    ) -> AsyncGenerator[ExecutionResult, None]:
        """Yield the result of a query or a mutation."""
        yield await self.execute(
            query,
            variables,
            context,
            operation_name=operation_name,
            operation_extensions=extensions,
        )

    async def _watch(
        self, document: Document, variables: dict[str, Any], context: Context, operation_name: str | None
    ) -> AsyncGenerator[ExecutionResult, None]:
        """Yield the results of a subscription, each computed once for all subscribers who receive the same."""
        key = document.result_key(variables, operation_name)
        cost = document.cost(variables, operation_name)
        try:
            with context.subscribing(key, cost=cost, limits=self._limits):
                async with aclosing(self._results(document, variables, context, operation_name)) as results:
                    async for result in results:
                        yield result
        except GraphQLError as refused:
            yield PreExecutionError(data=None, errors=[refused])

    async def _results(
        self, document: Document, variables: dict[str, Any], context: Context, operation_name: str | None
    ) -> AsyncGenerator[ExecutionResult, None]:
        executor = self.execution_context_class.build(
            self._schema,
            document.ast,
            context_value=context,
            raw_variable_values=variables,
            operation_name=operation_name,
            operation_extensions=None,
        )
        if isinstance(executor, list):
            invalid = PreExecutionError(data=None, errors=executor)
            self._hide_names(invalid, document.text, variables)
            yield invalid
            return
        source = create_source_event_stream(executor)
        if isinstance(source, Awaitable):
            source = await source
        if isinstance(source, GraphQLExecutionResult):
            yield PreExecutionError(data=None, errors=masked(source.errors or ()))
            return
        key = document.result_key(variables, operation_name)
        # Results that are computed at the same time may together have as many values as one answer.
        at_once = max(self._limits.max_cost // max(document.cost(variables, operation_name), 1), 1)
        async with aclosing(cast("AsyncGenerator[list[SourceEvent], None]", source)) as batches:
            async for batch in batches:
                async with aclosing(self.result_cache.results_of(key, executor, batch, at_once=at_once)) as results:
                    async for result in results:
                        yield result


def check_scopes(root: GraphQLObjectType | None, scope: KeyScope) -> None:
    """Make every field of a root type check the caller's scope before anything else, also each field to come.

    The middleware lets nobody through without a key, and this does not rely on it. A field may need more itself.
    """
    for field in root.fields.values() if root else ():
        field.resolve = after_check(field.resolve, scope) if field.resolve else None
        field.subscribe = after_check(field.subscribe, scope) if field.subscribe else None


def after_check(resolve: Callable[..., Any], scope: KeyScope) -> Callable[..., Any]:
    """Return a resolver that first checks the caller's scope. Raises GraphQL's UNAUTHENTICATED and FORBIDDEN."""

    @wraps(resolve)
    def checked(source: Any, info: GraphQLResolveInfo[Context], **arguments: Any) -> Any:
        info.context.need(scope)
        return resolve(source, info, **arguments)

    return checked


class CachedNames(NameConverter):
    """Converts each name of Python to GraphQL once. Strawberry does so for every member of every input."""

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[str, str] = {}

    def apply_naming_config(self, name: str) -> str:
        """Return the name in GraphQL."""
        found = self._names.get(name)
        if found is None:
            found = self._names[name] = super().apply_naming_config(name)
        return found


class NoSuggestions(PacedExecution):
    """Suggests no names of the schema in errors about variables, for when introspection is off."""

    @classmethod
    def build(cls, *arguments: Any, **named: Any) -> Any:
        """Build the execution context without suggestions."""
        return super().build(*arguments, **named | {"hide_suggestions": True})


class KnownDocuments(SchemaExtension):
    """Parses and validates each document only once."""

    def on_parse(self) -> Iterator[None]:
        """Use the syntax tree that was checked against the limits."""
        context = self.execution_context
        if isinstance(context.schema, DuetimeSchema) and context.query:
            context.graphql_document = context.schema.documents.read(context.query).ast
        yield

    def on_validate(self) -> Iterator[None]:
        """Use the errors that validation found the first time."""
        context = self.execution_context
        if isinstance(context.schema, DuetimeSchema) and context.query:
            context.pre_execution_errors = context.schema.documents.read(context.query).errors
        yield


async def only(result: ExecutionResult) -> AsyncGenerator[ExecutionResult, None]:
    """Yield one result."""
    yield result


schema = DuetimeSchema(ApiSettings.model_construct())
"""The schema to print, with the default limits."""
