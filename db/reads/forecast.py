"""Reads the forecast of the load that maintenance keeps."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.states import StatisticsWidth

BUCKETS = text("""
SELECT date_trunc(CAST(:bucket AS text), start, 'UTC') AS bucket, CAST(sum(calls) AS bigint) AS calls FROM load_forecast
WHERE start >= :since AND start < :until GROUP BY 1
""")
HOSTS = text("""
SELECT host, CAST(sum(calls) AS bigint) AS calls FROM load_forecast
WHERE start >= :since AND start < :until GROUP BY host ORDER BY calls DESC, host LIMIT :limit
""")
COMPUTED_AT = text("SELECT computed_at FROM load_forecast_state")


class Forecast(NamedTuple):
    """The calls by the start of their bucket, if it has any, those of the busiest hosts, and when it was computed."""

    buckets: dict[datetime, int]
    hosts: Sequence[tuple[str, int]]
    computed_at: datetime | None


async def forecast(
    connection: AsyncConnection, *, since: datetime, until: datetime, bucket: StatisticsWidth, hosts: int
) -> Forecast:
    """Return the forecast of [since, until), which are whole hours, with so many of the busiest hosts."""
    hours = {"since": since, "until": until}
    buckets = await connection.execute(BUCKETS, hours | {"bucket": str(bucket)})
    busiest = await connection.execute(HOSTS, hours | {"limit": hosts})
    return Forecast(
        buckets={row.bucket: row.calls for row in buckets},
        hosts=[(row.host, row.calls) for row in busiest],
        computed_at=(await connection.execute(COMPUTED_AT)).scalar_one(),
    )
