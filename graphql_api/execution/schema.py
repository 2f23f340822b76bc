"""The GraphQL schema. `duetime schema` prints it into schema.graphql."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from copy import copy
from functools import partial, wraps
from typing import Any, Self, TypeGuard, cast

from graphql import ExecutionResult as GraphQLExecutionResult
from graphql import Executor, GraphQLError, GraphQLObjectType, GraphQLResolveInfo, create_source_event_stream
from strawberry import Schema
from strawberry.exceptions import MissingQueryError
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.schema.name_converter import NameConverter
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType
from strawberry.utils.await_maybe import await_maybe

from db.states import KeyScope
from graphql_api import answer_size
from graphql_api.broadcast import ResultCache, SourceEvent
from graphql_api.compat import PacedExecution, convert_while_coercing
from graphql_api.context import Context
from graphql_api.errors import BAD_USER_INPUT, coded, masked
from graphql_api.execution.document_cache import Document, Documents
from graphql_api.execution.hidden_names import HiddenNames
from graphql_api.plain_values import note_plain_fields
from graphql_api.schema.mutations import Mutation
from graphql_api.schema.queries import Query
from graphql_api.schema.subscriptions import Subscription
from graphql_api.settings import ApiSettings
from graphql_api.types.action import FormFieldInput, HeaderInput, HttpActionInput
from graphql_api.types.refusals import HANDLERS
from graphql_api.types.retry import RetryPolicyInput
from graphql_api.types.scalars import SCALARS
from graphql_api.types.task_input import CreateTaskInput
from graphql_api.types.trigger import CronTriggerInput, IntervalTriggerInput, OneOffTriggerInput, TriggerInput
from jobs import json_value
from jobs.computation import off_loop

BULK_INPUTS = (
    CreateTaskInput, TriggerInput, OneOffTriggerInput, CronTriggerInput, IntervalTriggerInput, HttpActionInput,
    HeaderInput, FormFieldInput, RetryPolicyInput,
)  # fmt: skip
"""The input types of which one mutation may have a thousand."""
MANY_VALUES = 1_000
"""Values and characters of variables that are converted in a separate thread. Reading a thousand takes a few ms."""


class DuetimeSchema(Schema):
    """Strawberry's schema. It refuses operations that exceed a limit before it executes them, over any transport.

    It logs nothing but internal errors, where they are masked: mistakes of callers are not news.
    """

    def __init__(self, limits: ApiSettings) -> None:
        super().__init__(
            query=Query,
            mutation=Mutation,
            subscription=Subscription,
            exception_handlers=HANDLERS,
            config=StrawberryConfig(scalar_map=SCALARS, name_converter=CachedNames()),
        )
        for root, scope in (
            (self._schema.query_type, KeyScope.READ),
            (self._schema.mutation_type, KeyScope.WRITE),
            (self._schema.subscription_type, KeyScope.READ),
        ):
            check_scopes(root, scope)
        convert_while_coercing(self._schema, BULK_INPUTS, self.config.name_converter)
        note_plain_fields(self._schema)
        self.set_limits(limits)

    def within(self, limits: ApiSettings) -> Self:
        """Return this schema with other limits and separate caches. They share the types, because building
        those takes longer than everything else that an API does before it starts.
        """
        limited = copy(self)
        limited.set_limits(limits)
        return limited

    def set_limits(self, limits: ApiSettings) -> None:
        """Set the limits, and empty the caches, whose contents depend on them."""
        self.execution_context_class = Execution if limits.introspection else NoSuggestions
        self.documents = Documents(self._schema, limits)
        self.result_cache = ResultCache(max_bytes=limits.max_answer_bytes)
        self._limits = limits
        self._hidden_names = None if limits.introspection else HiddenNames(self._schema)

    async def prepared_refusal(
        self, query: str | None, variables: dict[str, Any] | None, operation_name: str | None
    ) -> PreExecutionError | None:
        """Return the same as `refusal`. What is long is read without holding up the event loop."""
        if not query:
            return None
        try:
            await self.documents.prepare(query, variables or {}, operation_name)
            refusal = partial(self.documents.read(query).refusal, variables or {}, operation_name)
            error = await off_loop(refusal) if are_many(variables) else refusal()
        except GraphQLError as unreadable:
            error = unreadable.with_traceback(None)
        return PreExecutionError(data=None, errors=[error]) if error else None

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
        """Execute a query or a mutation. Raises Strawberry's errors for requests without one that is allowed.

        What Strawberry itself does around the execution is for extensions, and would take a tenth of the time.
        """
        if refused := await self.prepared_refusal(query, variable_values, operation_name):
            return refused
        if not query:
            raise MissingQueryError
        document = self.documents.read(query)
        kind = OperationType(document.operations[operation_name].operation.value)
        if allowed_operation_types is not None and kind not in allowed_operation_types:
            raise InvalidOperationTypeError(kind)
        size = answer_size.begin(self._limits.max_answer_bytes)
        try:
            executor = document.errors or await self._executor(document, variable_values, context_value, operation_name)
            if isinstance(executor, list):
                return self._invalid(document, variable_values, executor)
            result = cast("GraphQLExecutionResult", await await_maybe(executor.execute_operation()))
        except Exception as error:
            return PreExecutionError(data=None, errors=masked([GraphQLError(str(error), original_error=error)]))
        return size.bounded(ExecutionResult(data=result.data, errors=masked(result.errors or ()) or None))

    async def _executor(
        self, document: Document, variables: dict[str, Any] | None, context: Context | None, operation_name: str | None
    ) -> Executor[Any] | list[GraphQLError]:
        """Return what executes an operation, or what is wrong with its variables.

        Many variables are converted without blocking the event loop.
        """
        build = partial(
            self.execution_context_class.build,
            self._schema,
            document.ast,
            context_value=context,
            raw_variable_values=variables,
            operation_name=operation_name,
            is_awaitable=cast("Callable[[Any], TypeGuard[Awaitable[Any]]]", optimized_is_awaitable),
            operation_extensions=None,
        )
        executor = await off_loop(build) if are_many(variables) else build()
        if document.writers is not None and isinstance(executor, PacedExecution):
            executor.writers = document.writers
        return executor

    def _invalid(
        self, document: Document, variables: dict[str, Any] | None, errors: list[GraphQLError]
    ) -> PreExecutionError:
        """Return the result of an operation that is not executed. With introspection off, it names nothing new."""
        hidden = self._hidden_names and self._hidden_names.hidden(errors, document.text, variables)
        return PreExecutionError(data=None, errors=hidden or errors)

    async def stream(  # type: ignore[override] # noqa: PLR0917 (Strawberry's signature)
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
    ) -> AsyncGenerator[list[ExecutionResult], None]:
        """Execute any operation and return its results: one, or those of a subscription, which come together if they
        are ready together.
        """
        if refused := await self.prepared_refusal(query, variable_values, operation_name):
            return only(refused)
        kind = self.operation_type(query, operation_name) if query else None
        if query and kind is OperationType.SUBSCRIPTION:
            document = self.documents.read(query)
            if document.errors:
                return only(self._invalid(document, variable_values, document.errors))
            return self._watch(document, variable_values or {}, context_value, operation_name)
        if kind is not None:
            return self._execute_once(query, variable_values, context_value, operation_name, operation_extensions)
        unknown = await super().stream(
            query,
            variable_values,
            context_value,
            root_value,
            operation_name,
            operation_extensions,
            allowed_operation_types,
        )
        return one_by_one(unknown)

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
    ) -> AsyncGenerator[list[ExecutionResult], None]:
        """Yield the result of a query or a mutation."""
        result = await self.execute(
            query,
            variables,
            context,
            operation_name=operation_name,
            operation_extensions=extensions,
        )
        yield [result]

    async def _watch(
        self, document: Document, variables: dict[str, Any], context: Context, operation_name: str | None
    ) -> AsyncGenerator[list[ExecutionResult], None]:
        """Yield the results of a subscription, each computed once for all subscribers who receive the same."""
        key = document.result_key(variables, operation_name)
        cost = document.cost(variables, operation_name)
        try:
            with context.subscribing(key, cost=cost, limits=self._limits):
                async with aclosing(self._results(document, variables, context, operation_name)) as results:
                    async for together in results:
                        yield together
        except GraphQLError as refused:
            yield [PreExecutionError(data=None, errors=[refused])]

    async def _results(
        self, document: Document, variables: dict[str, Any], context: Context, operation_name: str | None
    ) -> AsyncGenerator[list[ExecutionResult], None]:
        executor = await self._executor(document, variables, context, operation_name)
        if isinstance(executor, list):
            yield [self._invalid(document, variables, executor)]
            return
        source = create_source_event_stream(executor)
        if isinstance(source, Awaitable):
            source = await source
        if isinstance(source, GraphQLExecutionResult):
            yield [PreExecutionError(data=None, errors=masked(source.errors or ()))]
            return
        key = document.result_key(variables, operation_name)
        # Results that are computed at the same time may together have as many values as one answer.
        at_once = max(self._limits.max_cost // max(document.cost(variables, operation_name), 1), 1)
        async with aclosing(cast("AsyncGenerator[list[SourceEvent], None]", source)) as batches:
            async for batch in batches:
                async with aclosing(self.result_cache.results_of(key, executor, batch, at_once=at_once)) as results:
                    async for together in results:
                        yield together


def check_scopes(root: GraphQLObjectType | None, scope: KeyScope) -> None:
    """Make every field of a root type check the caller's scope before anything else, also each field to come.

    The middleware rejects requests without a key, but this does not rely on it. A field may require a higher scope.
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


class Execution(PacedExecution):
    """Executes an operation whose variables fit. Those that do not have errors with a code."""

    @classmethod
    def build(cls, *arguments: Any, **named: Any) -> Any:
        """Build the execution context, or return the errors of the variables."""
        built = super().build(*arguments, **named)
        return [coded(error, BAD_USER_INPUT) for error in built] if isinstance(built, list) else built


class NoSuggestions(Execution):
    """Suggests no names of the schema in errors about variables, for when introspection is off."""

    @classmethod
    def build(cls, *arguments: Any, **named: Any) -> Any:
        """Build the execution context without suggestions."""
        return super().build(*arguments, **named | {"hide_suggestions": True})


def are_many(variables: dict[str, Any] | None) -> bool:
    """Return whether it takes more than a few milliseconds to read the variables."""
    return variables is not None and json_value.has_more_than(MANY_VALUES, variables)


async def only(result: ExecutionResult) -> AsyncGenerator[list[ExecutionResult], None]:
    """Yield one result."""
    yield [result]


async def one_by_one(results: AsyncGenerator[Any, None]) -> AsyncGenerator[list[ExecutionResult], None]:
    """Yield each result alone."""
    async with aclosing(results):
        async for result in results:
            yield [result]


schema = DuetimeSchema(ApiSettings.model_construct())
"""The schema with the default limits, which is the one to print. Each API serves it `within` its own."""
