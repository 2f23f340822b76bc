"""The part of the root types that tries an action before a task makes it."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any

import strawberry

from db.engine.finishes import Finish
from db.models import utc_now
from db.states import KeyScope
from graphql_api.context import Context, Info
from graphql_api.errors import client_gone, limit_exceeded
from graphql_api.types.action import HttpActionInput, TriedAction, TryActionResult
from jobs.cancellation import cancel_and_wait
from jobs.engine.trial import AT_ONCE, TooManyTrials
from jobs.tasks.audit import action_definition
from jobs.tasks.validation import columns_of_action


@strawberry.type
class TrialMutations:
    """What can be tried."""

    @strawberry.mutation(
        description="Makes one call now and returns how it ended. Only an entry in the audit log is stored. The call "
        "is made like an attempt of a task: to the same targets, with the same limits, with Duetime's "
        "headers, signed if there are signingSecrets. It is not retried, and it is aborted when the client closes the "
        f"connection. Each process makes at most {AT_ONCE} such calls at once; further ones are LIMIT_EXCEEDED."
    )
    async def try_action(
        self,
        info: Info,
        action: Annotated[HttpActionInput, strawberry.argument(description="The request to make.")],
    ) -> TryActionResult:
        """Make one call, or return every problem with it at once."""
        info.context.need(KeyScope.WRITE)
        services = info.context.services
        columns = await columns_of_action(action.draft(), secrets=services.secrets, checker=services.targets)
        try:
            services.trials.check()
            # Written before the call, so that no call goes out without an entry.
            async with info.context.transaction() as work:
                work.record("tryAction", after=action_definition(columns))
            return TriedAction.of(await call(info.context, columns))
        except TooManyTrials:
            raise limit_exceeded(
                f"{AT_ONCE} calls of tryAction are in progress in this process; try again when one has ended"
            ) from None


async def call(context: Context, columns: Mapping[str, Any]) -> Finish:
    """Make the call, and abort it when the client goes or its key ends. Raises `TooManyTrials` and `GraphQLError`."""
    services = context.services
    calling = asyncio.ensure_future(services.trials.make(columns, now=utc_now()))
    leaving = asyncio.ensure_future(until_gone(context.until_gone))
    try:
        with services.authenticator.holding(context.need(KeyScope.WRITE), calling.cancel):
            await asyncio.wait({calling, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not calling.done() or calling.cancelled():
            raise client_gone()
        return calling.result()
    finally:
        await cancel_and_wait(calling)
        await cancel_and_wait(leaving)


async def until_gone(waits: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
    """Wait until the client has disconnected, or forever where the operation itself is cancelled then."""
    await (asyncio.get_running_loop().create_future() if waits is None else waits())
