"""Looks for work of the duties that are done when there is some."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import autocommit
from db.pending import Pending, pending
from jobs.maintenance.duties import LOOK_EVERY, Duty


def look_duty(engine: AsyncEngine, duties: Sequence[Duty]) -> Duty:
    """Return the duty that makes those of the duties wanted that have something to do.

    For an idle worker, one statement every two seconds costs less than one for each of them.
    """
    wanted = {duty.name: duty.wanted for duty in duties}
    single_statements = autocommit(engine)

    async def look() -> None:
        async with single_statements.connect() as connection:
            found = await pending(connection)
        for name in Pending._fields:
            if getattr(found, name):
                wanted[name].set()

    return Duty(name="look", every=LOOK_EVERY, do=look)
