"""Keeps a forecast of the load: the calls that are due at each host in each hour of the next days.

It is computed again when schedules have changed and when an hour has passed, by one worker at a time, and never takes
more than a twentieth of the time. Intervals and one-offs are counted in Postgres. The hours of each cron expression
are counted once, beside the event loop.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import autocommit
from db.engine.forecast import HORIZON, HOUR
from db.maintenance import forecast
from jobs.computation import off_loop, portions
from jobs.maintenance.duties import Duty
from jobs.triggers.cron import InvalidExpression
from jobs.triggers.schedule import Cron, count_between

EVERY = timedelta(seconds=5)
CLAIMED_FOR = timedelta(minutes=2)
SHORTEST_PAUSE = timedelta(seconds=4)
SHARE = 20
"""A pause is at least this many times as long as the computation before it."""
EXPRESSIONS_AT_ONCE = 20
GROUPS_AT_ONCE = 200
HOURS_PER_STATEMENT = 12
MOST_KNOWN = 10_000
"""The most expressions whose hours are remembered."""


class Forecaster:
    """Computes the forecast. It remembers how often each cron expression is due in each hour."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._known: dict[tuple[str, str], dict[datetime, int]] = {}

    async def keep(self) -> None:
        """Compute the forecast if it is outdated, unless another worker does."""
        async with autocommit(self._engine).connect() as connection:
            claim = await forecast.claim(connection, time=CLAIMED_FOR)
            if claim is None:
                return
            begun = monotonic()
            since = claim.now.replace(minute=0, second=0, microsecond=0)
            tasks = f"{since.isoformat()} {await forecast.fingerprint(connection)}"
        computed_at = claim.computed_at
        if tasks != claim.tasks:
            await self.compute(since)
            computed_at = claim.now
        pause = max(SHORTEST_PAUSE, SHARE * timedelta(seconds=monotonic() - begun))
        async with autocommit(self._engine).connect() as connection:
            await forecast.release(connection, pause=pause, tasks=tasks, computed_at=computed_at)

    async def compute(self, since: datetime) -> None:
        """Compute all hours from `since` on."""
        hours = [since + number * HOUR for number in range(HORIZON // HOUR)]
        until = since + HORIZON
        async with autocommit(self._engine).connect() as connection:
            expressions = await forecast.expressions(connection, until=until)
        known, self._known = self._known, {}
        for some in portions(expressions[:MOST_KNOWN], size=EXPRESSIONS_AT_ONCE):
            self._known |= await off_loop(partial(by_expression, some, hours, known))
        calls: Counter[tuple[datetime, str]] = Counter()
        # Postgres ends a transaction that idles for seconds, so nothing long is computed in this one.
        async with self._engine.begin() as connection:
            async for groups in forecast.crons(connection, until=until, size=GROUPS_AT_ONCE):
                calls.update(await off_loop(partial(self._calls_of, groups, hours)))
        for place in range(0, len(hours), HOURS_PER_STATEMENT):
            first = hours[place]
            end = first + HOURS_PER_STATEMENT * HOUR
            its = {key: number for key, number in calls.items() if first <= key[0] < end}
            async with self._engine.begin() as connection:
                await forecast.replace(connection, since=since, first=first, until=end, calls=its)

    def _calls_of(self, groups: Sequence[Any], hours: Sequence[datetime]) -> Counter[tuple[datetime, str]]:
        """Return the calls of groups of tasks by hour and host."""
        calls: Counter[tuple[datetime, str]] = Counter()
        for group in groups:
            key = group.cron_expr, group.timezone
            by_its_hour = self._known.get(key)
            if by_its_hour is None:
                by_its_hour = by_hour(*key, hours, {})
            for hour, number in by_its_hour.items():
                begin, end = max(hour, group.next_run), hour + HOUR
                if begin >= end or (group.end_at is not None and group.end_at < begin):
                    continue
                if begin > hour or (group.end_at is not None and group.end_at < end):
                    trigger = Cron(expression=group.cron_expr, timezone=group.timezone, end_at=group.end_at)
                    calls[hour, group.host] += group.number * count_between(trigger, begin, end)
                else:
                    calls[hour, group.host] += group.number * number
        return calls


def by_expression(
    expressions: Sequence[tuple[str, str]],
    hours: Sequence[datetime],
    known: Mapping[tuple[str, str], Mapping[datetime, int]],
) -> dict[tuple[str, str], dict[datetime, int]]:
    """Return how often each of the expressions is due in each of the hours, by the expression and its time zone."""
    return {key: by_hour(*key, hours, known.get(key, {})) for key in expressions}


def by_hour(
    expression: str, timezone: str, hours: Sequence[datetime], known: Mapping[datetime, int]
) -> dict[datetime, int]:
    """Return how often a cron expression is due in each of the hours, without those in which it is not.

    Hours up to the last one in `known` are not counted again.
    """
    trigger = Cron(expression=expression, timezone=timezone)
    counted = max(known, default=hours[0] - HOUR)
    found = {hour: number for hour, number in known.items() if hour >= hours[0]}
    try:
        found |= {hour: count_between(trigger, hour, hour + HOUR) for hour in hours if hour > counted}
    except InvalidExpression:
        # A task that was imported from the old service can have such an expression. It is never due.
        return {}
    return {hour: number for hour, number in found.items() if number or hour == hours[-1]}


def forecast_duty(engine: AsyncEngine) -> Duty:
    """Return the duty that keeps the forecast."""
    return Duty(name="forecast", every=EVERY, do=Forecaster(engine).keep)
