"""The statements that keep the forecast of the load: how many calls are due at which host in each hour to come."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine.forecast import HOUR
from db.prepared import fetch
from db.states import TriggerType

# A range of the index on next instants holds just the tasks that have one.
IS_SCHEDULED = "next_run >= '-infinity'"

CLAIM = text("""
UPDATE load_forecast_state SET claimed_until = clock_timestamp() + CAST(:time AS interval)
WHERE claimed_until < clock_timestamp()
RETURNING computed_at, tasks, clock_timestamp() AS now
""")
RELEASE = text("""
UPDATE load_forecast_state
SET claimed_until = clock_timestamp() + CAST(:pause AS interval), tasks = :tasks, computed_at = :computed_at
""")

# Each change of a definition or a status sets updated_at; what fires or is removed changes the number.
FINGERPRINT = text(f"SELECT count(*) || ' ' || max(updated_at) FROM tasks WHERE {IS_SCHEDULED}")

EXPRESSIONS = text(f"""
SELECT DISTINCT cron_expr, timezone FROM tasks
WHERE trigger_type = '{TriggerType.CRON}' AND {IS_SCHEDULED} AND next_run < :until AND cron_expr IS NOT NULL
""")

CRONS = text(f"""
SELECT cron_expr, timezone, end_at, next_run, host, count(*) AS number FROM tasks
WHERE trigger_type = '{TriggerType.CRON}' AND {IS_SCHEDULED} AND next_run < :until AND cron_expr IS NOT NULL
GROUP BY cron_expr, timezone, end_at, next_run, host
""")

REMOVE = text("DELETE FROM load_forecast WHERE start < :since OR (start >= :from AND start < :until)")

MICROSECONDS = "CAST(extract(epoch FROM {}) * 1000000 AS bigint)"
LENGTH = f"{HOUR // timedelta(microseconds=1)}"


def instants_before(moment: str) -> str:
    """Return an expression for the number of instants of a group of intervals `g` before a moment in microseconds."""
    return f"(greatest(least({moment}, g.past_end) - g.first, 0) + g.every - 1) / g.every"


# Intervals by arithmetic: tasks with the same next instant and period are due together from then on.
ADD = text(f"""
INSERT INTO load_forecast (start, host, calls)
SELECT start, host, CAST(sum(calls) AS bigint)
FROM (
    SELECT date_trunc('hour', next_run, 'UTC') AS start, host, count(*) AS calls FROM tasks
    WHERE trigger_type = '{TriggerType.ONE_OFF}' AND next_run >= :from AND next_run < :until
    GROUP BY 1, 2
    UNION ALL
    SELECT to_timestamp(h.start / 1000000), g.host,
           sum(g.number * ({instants_before(f"h.start + {LENGTH}")} - {instants_before("h.start")}))
    FROM (
        SELECT host, every_ms * 1000 AS every, {MICROSECONDS.format("next_run")} AS first,
               COALESCE({MICROSECONDS.format("end_at")} + 1, {2**62}) AS past_end, count(*) AS number
        FROM tasks
        WHERE trigger_type = '{TriggerType.INTERVAL}' AND {IS_SCHEDULED} AND next_run < :until AND every_ms > 0
        GROUP BY host, every_ms, next_run, end_at
    ) AS g
    CROSS JOIN generate_series(
        {MICROSECONDS.format("CAST(:from AS timestamptz)")},
        {MICROSECONDS.format("CAST(:until AS timestamptz)")} - {LENGTH}, {LENGTH}
    ) AS h (start)
    GROUP BY 1, 2
    UNION ALL
    SELECT * FROM unnest(CAST(:starts AS timestamptz[]), CAST(:hosts AS text[]), CAST(:calls AS bigint[]))
) AS parts
GROUP BY start, host
HAVING sum(calls) > 0
""")


class Claim(NamedTuple):
    """The basis and time of the last forecast, and the current time by the database's clock."""

    computed_at: datetime | None
    tasks: str | None
    now: datetime


async def claim(connection: AsyncConnection, *, time: timedelta) -> Claim | None:
    """Claim the computation for a time, or return None while another worker has it."""
    claimed = await fetch(connection, CLAIM, {"time": time})
    return Claim(*claimed[0]) if claimed else None


async def release(
    connection: AsyncConnection, *, pause: timedelta, tasks: str | None, computed_at: datetime | None
) -> None:
    """Give up the claim after a pause, and note what the forecast was computed from."""
    await fetch(connection, RELEASE, {"pause": pause, "tasks": tasks, "computed_at": computed_at})


async def fingerprint(connection: AsyncConnection) -> str:
    """Return a text that changes with the schedules of tasks."""
    [[found]] = await fetch(connection, FINGERPRINT, {})
    return str(found or "none")


async def expressions(connection: AsyncConnection, *, until: datetime) -> list[tuple[str, str]]:
    """Return the cron expressions that tasks have, each with its time zone."""
    return [(row.cron_expr, row.timezone) for row in await connection.execute(EXPRESSIONS, {"until": until})]


async def crons(connection: AsyncConnection, *, until: datetime, size: int) -> AsyncIterator[Sequence[Row[Any]]]:
    """Yield groups of tasks that a cron expression makes due at the same instants at one host, `size` at a time.

    The connection is in a transaction.
    """
    found = await connection.stream(CRONS, {"until": until}, execution_options={"yield_per": size})
    async for rows in found.partitions(size):
        yield rows


async def replace(
    connection: AsyncConnection, *, since: datetime, first: datetime, until: datetime, calls: Mapping[Any, int]
) -> None:
    """Compute the hours in [first, until) again, and remove those before `since`. `calls` has those of cron
    expressions by hour and host. The connection is in a transaction.
    """
    hours = {"from": first, "until": until}
    await connection.execute(REMOVE, hours | {"since": since})
    starts, hosts = [start for start, _ in calls], [host for _, host in calls]
    await connection.execute(ADD, hours | {"starts": starts, "hosts": hosts, "calls": list(calls.values())})
