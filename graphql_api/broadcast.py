"""Executes a subscription's document once for all subscribers who would receive the same result.

    source of each subscriber ──batches of source events──▶ (document, variables) x event ──▶ one result, one JSON text
                                                            what is ready goes on together ──▶ one write a subscriber

The arguments of the root field choose which events a subscriber receives, not how they look, so subscribers of
different tasks or with different cursors share results. A result is valid for a moment only, because a document may
select the current state of a run or a task; for slower subscribers it is executed again. A batch starts together, so
that its runs are read in one statement. The caller does not matter, because everyone who may subscribe may read
everything.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Hashable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NamedTuple

from graphql import ExecutionResult as Executed
from graphql import Executor, GraphQLError, execute_subscription_event
from strawberry.types import ExecutionResult

from graphql_api import answer_size
from graphql_api.answer_size import AnswerSize, SharedData
from graphql_api.context import Context
from graphql_api.errors import masked
from jobs.cancellation import cancel_and_wait

SHARED_SECONDS = 1.0
KEPT = 5_000
KEPT_CHARACTERS = 32 * 1024 * 1024
TOGETHER = 64 * 1024
"""Characters of the results that one subscriber is sent at once; the transport copies them for each subscriber."""


class SourceEvent(NamedTuple):
    """An event of a subscription's source: `key` identifies it, and `make` creates the value of the root field.

    After one with a `seq` the subscription can be resumed.
    """

    key: Hashable
    make: Callable[[Context], object | Awaitable[object]]
    seq: int | None = None


@dataclass
class EventResult(ExecutionResult):
    """The result for an event after which a stream can be resumed."""

    seq: int = field(kw_only=True)


@dataclass(slots=True)
class Rendering:
    """A result, or one that is being computed. `seq` is that of its event."""

    begun_at: float
    seq: int | None
    result: ExecutionResult | None = None
    task: asyncio.Task[ExecutionResult] | None = None

    async def ready(self) -> ExecutionResult:
        """Return the result. Others may wait for it as well, so cancelling one waiter cancels nothing."""
        if self.result is None and self.task is not None:
            # The result is kept by a callback of the task, before any waiter goes on.
            await asyncio.shield(self.task)
        return self.result or failed(RuntimeError("There is no result"))

    def finish(self, result: ExecutionResult) -> None:
        """Keep the result, in the form in which all subscribers receive it."""
        self.result = result if self.seq is None else resumable(result, self.seq)

    def is_fresh(self, now: float) -> bool:
        """Return whether the result may still be shared."""
        return now - self.begun_at < SHARED_SECONDS

    @property
    def characters(self) -> int:
        """Return the size of the result."""
        data = self.result.data if self.result else None
        return len(data.text) if isinstance(data, SharedData) else 0


class ResultCache:
    """The results of the last moment, each of at most `max_bytes`. Its owner closes it."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[tuple[Hashable, Hashable], Rendering] = OrderedDict()
        self._characters = 0
        self._under_way: set[asyncio.Task[ExecutionResult]] = set()

    async def close(self) -> None:
        """Cancel what is being computed."""
        await cancel_and_wait(*self._under_way)

    async def results_of(
        self, document: Hashable, executor: Executor[Any], events: Sequence[SourceEvent], *, at_once: int
    ) -> AsyncGenerator[list[ExecutionResult], None]:
        """Yield the results of a batch, in its order, of which `at_once` are computed at the same time. Those that are
        ready together come together, unless they are large.

        `document` is the part of the key that does not depend on the events.
        """
        for start in range(0, len(events), at_once):
            part = events[start : start + at_once]
            now = monotonic()
            begun = [self._rendering(document, executor, event, now) for event in part]
            ready: list[ExecutionResult] = []
            characters = 0
            for event, early in zip(part, begun, strict=True):
                rendering = early if early.is_fresh(now) else self._rendering(document, executor, event, now)
                if ready and (rendering.result is None or characters + rendering.characters > TOGETHER):
                    yield ready
                    ready, characters = [], 0
                    # The subscriber may have taken its time.
                    now = monotonic()
                    rendering = (
                        rendering if rendering.is_fresh(now) else self._rendering(document, executor, event, now)
                    )
                if rendering.result is None:
                    ready.append(await rendering.ready())
                    now = monotonic()
                else:
                    ready.append(rendering.result)
                characters += rendering.characters
            yield ready

    def _rendering(self, document: Hashable, executor: Executor[Any], event: SourceEvent, now: float) -> Rendering:
        key = (document, event.key)
        known = self._kept.get(key)
        if known is not None and known.is_fresh(now):
            return known
        if known is not None:
            self._forget(key)
        rendering = Rendering(now, event.seq)
        # Each result is counted separately, although one task may start many.
        own = copy_context()
        size = own.run(answer_size.begin, self._max_bytes)
        outcome = own.run(render, executor, event, size)
        if isinstance(outcome, ExecutionResult):
            rendering.finish(outcome)
        else:
            rendering.task = asyncio.create_task(outcome, context=own)
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
            rendering.finish(task.result())
            if self._kept.get(key) is rendering:
                self._characters += rendering.characters
                self._prune()

    def _forget(self, key: tuple[Hashable, Hashable]) -> None:
        self._characters -= self._kept.pop(key).characters

    def _prune(self) -> None:
        now = monotonic()
        while len(self._kept) > KEPT or self._characters > KEPT_CHARACTERS or self._kept_too_long(now):
            self._forget(next(iter(self._kept)))

    def _kept_too_long(self, now: float) -> bool:
        oldest = next(iter(self._kept.values()), None)
        return oldest is not None and not oldest.is_fresh(now)


def resumable(result: ExecutionResult, seq: int) -> EventResult:
    """Return the result with the number of its event."""
    return EventResult(data=result.data, errors=result.errors, extensions=result.extensions, seq=seq)


def render(
    executor: Executor[Any], event: SourceEvent, size: AnswerSize
) -> ExecutionResult | Coroutine[Any, Any, ExecutionResult]:
    """Execute the document for an event; return a result at once if nothing has to be awaited. Never raises."""
    try:
        value = event.make(executor.context_value)
        if not isinstance(value, Awaitable):
            outcome = execute_subscription_event(executor.build_per_event_executor(value))
            if isinstance(outcome, Executed):
                return shared(outcome, size)
            return render_later(executor, size, outcome=outcome)
    except Exception as error:
        return failed(error)
    return render_later(executor, size, value=value)


async def render_later(
    executor: Executor[Any],
    size: AnswerSize,
    *,
    value: Awaitable[object] | None = None,
    outcome: Awaitable[Executed] | None = None,
) -> ExecutionResult:
    """Return the result of an execution that has to be awaited."""
    try:
        if outcome is None:
            found = execute_subscription_event(executor.build_per_event_executor(await value if value else None))
            if isinstance(found, Executed):
                return shared(found, size)
            outcome = found
        return shared(await outcome, size)
    except Exception as error:
        return failed(error)


def shared(executed: Executed, size: AnswerSize) -> ExecutionResult:
    """Return a result in the form in which it is shared, unless it is too large."""
    errors = masked(executed.errors) if executed.errors else None
    return size.bounded(ExecutionResult(data=executed.data, errors=errors))


def failed(error: Exception) -> ExecutionResult:
    """Return the result of an internal error."""
    return ExecutionResult(data=None, errors=masked([GraphQLError(str(error), original_error=error)]))
