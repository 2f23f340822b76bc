"""Runs maintenance duties, each at its own interval, or when it is wanted, and independently of the others and of
recovery.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from db.connection import CONNECTION_ERRORS, message_of
from jobs.ticks import until_tick

logger = logging.getLogger(__name__)

LOOK_EVERY = timedelta(seconds=2)
"""How often one statement looks for work of all duties that are done when there is some."""
UNASKED_EVERY = timedelta(minutes=1)
"""How often these duties look for themselves. It counts only where that statement fails and theirs do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """Work that a worker does at an interval, or earlier when it is `wanted`. Several workers may do it at the same
    time.
    """

    name: str
    every: timedelta
    do: Callable[[], Awaitable[None]]
    wanted: asyncio.Event = field(default_factory=asyncio.Event)


async def keep_doing(duties: Sequence[Duty], *, after: timedelta = timedelta()) -> None:
    """Do each duty at its interval until cancelled, for the first time after a while. A duty that fails or hangs delays
    no other.
    """
    async with asyncio.TaskGroup() as group:
        for duty in duties:
            group.create_task(repeat(duty, after=after))


async def repeat(duty: Duty, *, after: timedelta = timedelta()) -> None:
    """Do one duty at its interval until cancelled. Failures are logged, and the duty is tried again."""
    pause = after
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(until_tick(pause).total_seconds()):
                await duty.wanted.wait()
        duty.wanted.clear()
        try:
            await duty.do()
        except CONNECTION_ERRORS as error:
            logger.warning(
                "A maintenance duty failed.",
                extra={"action": "maintenance_failed", "duty": duty.name, "error": message_of(error)},
            )
        except Exception:
            logger.exception("A maintenance duty failed.", extra={"action": "maintenance_failed", "duty": duty.name})
        pause = duty.every
