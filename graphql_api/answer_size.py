"""Limits the size of the response to one operation. Code that is about to read a large value counts its size first, so
a response that would be too large is refused before it uses the memory. A response of many small values is measured
after it has been written as JSON.
"""

from contextvars import ContextVar
from typing import Any

from graphql import GraphQLError
from strawberry.types import ExecutionResult

from db import json_text
from graphql_api.errors import limit_exceeded
from graphql_api.settings import PREFIX


class SharedData(dict[str, Any]):
    """The data of a result, and its JSON."""

    def __init__(self, data: dict[str, Any]) -> None:
        super().__init__(data)
        self.text = json_text.write(data, separators=(",", ":"))


class AnswerSize:
    """The bytes of large values that one operation has read so far."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._refusal: GraphQLError | None = None

    def add(self, count: int) -> None:
        """Count bytes before they are read. Raises GraphQL's LIMIT_EXCEEDED."""
        self._bytes += count
        if self._bytes > self._limit:
            raise self._exceeded()

    def bounded(self, result: ExecutionResult) -> ExecutionResult:
        """Return the result with its JSON, or an error if it was too large, also as JSON."""
        if self._refusal is None:
            if not result.data:
                return result
            data = SharedData(result.data)
            if len(data.text) <= self._limit:
                return ExecutionResult(data=data, errors=result.errors, extensions=result.extensions)
        refusal = self._exceeded()
        # With a path, because the operation was executed: without one, a client would take it for refused.
        path = next((error.path for error in result.errors or () if error.path), None) or list(result.data or ())[:1]
        error = GraphQLError(refusal.message, path=path, extensions=refusal.extensions)
        return ExecutionResult(data=None, errors=[error])

    def _exceeded(self) -> GraphQLError:
        if self._refusal is None:
            self._refusal = limit_exceeded(
                f"The answer would have more than {self._limit:,} bytes ({PREFIX}MAX_ANSWER_BYTES), where those of "
                "JSON values count four times; ask for smaller pages or fewer fields. If this was a mutation, it was "
                "executed"
            )
        return self._refusal


_current: ContextVar[AnswerSize] = ContextVar("answer_size")


def begin(limit: int) -> AnswerSize:
    """Begin an answer, to which everything belongs that this task and the tasks that it starts read from now on."""
    size = AnswerSize(limit)
    _current.set(size)
    return size


def add(count: int) -> None:
    """Count bytes of the present answer before they are read. Raises GraphQL's LIMIT_EXCEEDED."""
    _current.get().add(count)
