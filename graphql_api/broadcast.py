"""Executes a subscription's document once for all subscribers who would be told the same.

    source of each subscriber ──batches of happenings──▶ (document, variables) x happening ──▶ one result, one JSON text

The arguments of the root field only choose what a subscriber is told, not how, so subscribers of different tasks or
with different cursors share, too. What was rendered is good for a moment only, since a document may ask for the present
state of a run or a task: whoever is slower has it rendered anew. A batch is begun together, so that its runs are read
in one statement. Who asks makes no difference: whoever may subscribe may read everything.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from graphql import ExecutionResult as Executed
from graphql import Executor, GraphQLError, execute_subscription_event
from strawberry.types import ExecutionResult

from graphql_api.context import Context
from graphql_api.errors import masked

SHARED_SECONDS = 1.0
KEPT = 5_000
KEPT_CHARACTERS = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """What a subscription's source tells: `key` says what it is, and `make` makes the root field's value."""

    key: Hashable
    make: Callable[[Context], object | Awaitable[object]]


class SharedData(dict[str, Any]):
    """The data of a result, and its JSON."""

    def __init__(self, data: dict[str, Any]) -> None:
        super().__init__(data)
        self.text = json.dumps(data, separators=(",", ":"))


@dataclass(slots=True)
class Rendering:
    """A result, or one that is under way."""

    begun_at: float
    result: ExecutionResult | None = None
    task: asyncio.Task[ExecutionResult] | None = None

    async def ready(self) -> ExecutionResult:
        """The result. Others wait for it, too, so whoever gives up waiting ends nothing."""
        if self.task is not None:
            return await asyncio.shield(self.task)
        return self.result or failed(RuntimeError("There is no result"))

    @property
    def characters(self) -> int:
        """Its size."""
        data = self.result.data if self.result else None
        return len(data.text) if isinstance(data, SharedData) else 0


class ResultCache:
    """The results of the last moment. Whoever makes it closes it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Hashable, Hashable], Rendering] = OrderedDict()
        self._characters = 0
        self._under_way: set[asyncio.Task[ExecutionResult]] = set()

    async def close(self) -> None:
        """Ends what is under way."""
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def tell(
        self, document: Hashable, executor: Executor[Any], happenings: Sequence[SourceEvent]
    ) -> AsyncGenerator[ExecutionResult, None]:
        """The results of a batch, in its order. `document` is what decides on them besides the happenings."""
        begun = [self._rendering(document, executor, happening) for happening in happenings]
        for happening, early in zip(happenings, begun, strict=True):
            rendering = early if is_fresh(early) else self._rendering(document, executor, happening)
            yield rendering.result or await rendering.ready()

    def _rendering(self, document: Hashable, executor: Executor[Any], happening: SourceEvent) -> Rendering:
        key = (document, happening.key)
        known = self._kept.get(key)
        if known is not None and is_fresh(known):
            return known
        if known is not None:
            self._forget(key)
        rendering = Rendering(monotonic())
        outcome = render(executor, happening)
        if isinstance(outcome, ExecutionResult):
            rendering.result = outcome
        else:
            rendering.task = asyncio.ensure_future(outcome)
            self._under_way.add(rendering.task)
            rendering.task.add_done_callback(lambda task: self._finish(key, rendering, task))
        self._kept[key] = rendering
        self._characters += rendering.characters
        self._prune()
        return rendering

    def _finish(
        self, key: tuple[Hashable, Hashable], rendering: Rendering, task: asyncio.Task[ExecutionResult]
    ) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            rendering.result = task.result()
            if self._kept.get(key) is rendering:
                self._characters += rendering.characters
                self._prune()

    def _forget(self, key: tuple[Hashable, Hashable]) -> None:
        self._characters -= self._kept.pop(key).characters

    def _prune(self) -> None:
        while len(self._kept) > KEPT or self._characters > KEPT_CHARACTERS or self._kept_too_long():
            self._forget(next(iter(self._kept)))

    def _kept_too_long(self) -> bool:
        oldest = next(iter(self._kept.values()), None)
        return oldest is not None and not is_fresh(oldest)


def is_fresh(rendering: Rendering) -> bool:
    """Whether it may still be shared."""
    return monotonic() - rendering.begun_at < SHARED_SECONDS


def render(executor: Executor[Any], happening: SourceEvent) -> ExecutionResult | Awaitable[ExecutionResult]:
    """Executes the document for a happening; at once, if nothing has to be waited for. Never raises."""
    try:
        value = happening.make(executor.context_value)
        if not isinstance(value, Awaitable):
            outcome = execute_subscription_event(executor.build_per_event_executor(value))
            if isinstance(outcome, Executed):
                return shared(outcome)
            return render_later(executor, outcome=outcome)
    except Exception as error:
        return failed(error)
    return render_later(executor, value=value)


async def render_later(
    executor: Executor[Any], *, value: Awaitable[object] | None = None, outcome: Awaitable[Executed] | None = None
) -> ExecutionResult:
    """The same, where something has to be waited for."""
    try:
        if outcome is None:
            found = execute_subscription_event(executor.build_per_event_executor(await value if value else None))
            if isinstance(found, Executed):
                return shared(found)
            outcome = found
        return shared(await outcome)
    except Exception as error:
        return failed(error)


def shared(executed: Executed) -> ExecutionResult:
    """A result as all get it."""
    data = SharedData(executed.data) if executed.data is not None else None
    return ExecutionResult(data=data, errors=masked(executed.errors) if executed.errors else None)


def failed(error: Exception) -> ExecutionResult:
    """The result of a surprise."""
    return ExecutionResult(data=None, errors=masked([GraphQLError(str(error), original_error=error)]))
