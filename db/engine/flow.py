"""The statements of flow limits: which runs wait for one, which of them start, and which hosts are paused.

Runs that wait stand in `unfinished_runs` with the limit that they wait for; their place is `next_attempt_at`, then the
id. A limit and its runs change only under one lock of the whole database, which a worker takes for a few milliseconds.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine.claims import ATTEMPTS_OF_DUE, WAITING
from db.engine.conditions import few, has_worker, is_looked_up
from db.prepared import Row, fetch

# Worded as a range, because reading any other index from end to end looks as good for IS NOT NULL.
WAITS = f"u.flow_limit_id >= CAST('{UUID(int=0)}' AS uuid) AND u.next_attempt_at IS NOT NULL"

# Looks up one entry of the index for each limit, however many runs wait.
LIMITS = text(f"""
WITH RECURSIVE awaited (id) AS (
    (SELECT u.flow_limit_id FROM unfinished_runs u WHERE {WAITS} ORDER BY u.flow_limit_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT u.flow_limit_id FROM unfinished_runs u WHERE {WAITS} AND u.flow_limit_id > awaited.id
        ORDER BY u.flow_limit_id LIMIT 1
    )
    FROM awaited WHERE awaited.id IS NOT NULL
)
SELECT COALESCE(l.id, a.id) AS id, l.id IS NOT NULL AS exists, a.id IS NOT NULL AS is_awaited, l.host, l.flow_key,
       l.max_concurrent, l.rate_per_second, l.burst, l.free_at, l.version
FROM flow_limits l FULL JOIN (SELECT id FROM awaited WHERE id IS NOT NULL) a ON a.id = l.id
ORDER BY 1
""")

# A session whose worker was cut off keeps the lock until Postgres ends it.
TRY_LOCK = text("""
SELECT pg_try_advisory_xact_lock(hashtext('flow_limits'), 0),
       set_config('idle_in_transaction_session_timeout', '2000', true)
""")

RUNNING = text(f"SELECT u.host, u.flow_key, count(*) FROM unfinished_runs u WHERE {has_worker('u')} GROUP BY 1, 2")

WAITING_COUNTS = text(f"SELECT u.flow_limit_id, count(*) AS number FROM unfinished_runs u WHERE {WAITS} GROUP BY 1")

LOCK_FIRST = text(f"""
WITH due AS MATERIALIZED (
    SELECT waiting.*
    FROM unnest(CAST(:flow_limit_ids AS uuid[]), CAST(:numbers AS int[])) AS wanted (flow_limit_id, number)
    CROSS JOIN LATERAL (
        SELECT {WAITING}
        FROM unfinished_runs u
        WHERE {WAITS} AND u.flow_limit_id = wanted.flow_limit_id
        ORDER BY u.flow_limit_id, u.next_attempt_at, u.id
        LIMIT wanted.number
        FOR NO KEY UPDATE SKIP LOCKED
    ) waiting
)
{ATTEMPTS_OF_DUE}
ORDER BY due.next_attempt_at, due.run_id
""")

PLACES = few(
    """unnest(CAST(:run_ids AS uuid[]), CAST(:start_ats AS timestamptz[]), CAST(:flow_limit_ids AS uuid[]))
       AS one (id, start_at, flow_limit_id)""",
    number="cardinality(CAST(:run_ids AS uuid[]))",
)
PLACE = text(f"""
UPDATE unfinished_runs r SET next_attempt_at = p.start_at, flow_limit_id = p.flow_limit_id
FROM {PLACES} p
WHERE {is_looked_up("r.id", "p.id")}
""")

# A change of the limit, which sets the version, starts a new rate.
KEEP_RATES = text("""
UPDATE flow_limits l SET free_at = k.free_at
FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS int[]), CAST(:free_ats AS timestamptz[]))
     AS k (id, version, free_at)
WHERE l.id = k.id AND l.version = k.version
""")

RELEASE = text(f"""
UPDATE unfinished_runs r SET flow_limit_id = NULL
WHERE r.id = ANY(ARRAY(
    SELECT u.id FROM unfinished_runs u
    WHERE {WAITS} AND u.flow_limit_id = ANY(CAST(:flow_limit_ids AS uuid[])) LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
))
""")

PAUSES = text("SELECT host, began_at, until, status_code FROM host_pauses WHERE until > :now")

PAUSES_OF_HOSTS = text("SELECT host, began_at, until, status_code FROM host_pauses WHERE host = ANY(:hosts)")

PAUSE = text("""
WITH past AS (DELETE FROM host_pauses WHERE until < CAST(:began_at AS timestamptz) - interval '1 minute')
INSERT INTO host_pauses AS p (host, began_at, until, status_code)
VALUES (:host, :began_at, :until, :status_code)
ON CONFLICT (host) DO UPDATE
SET began_at = excluded.began_at, until = excluded.until, status_code = excluded.status_code
WHERE p.until < excluded.until
""")


class Pause(NamedTuple):
    """A host that has asked with a status and Retry-After not to be called until an instant."""

    host: str
    began_at: datetime
    until: datetime
    status_code: int


class Place(NamedTuple):
    """Where a run waits: under a flow limit, in the order of `start_at`, or else until `start_at`."""

    start_at: datetime
    flow_limit_id: UUID | None = None


async def limits(connection: AsyncConnection) -> Sequence[Row]:
    """Return all limits, including deleted ones for which runs wait."""
    return await fetch(connection, LIMITS, {})


async def try_lock(connection: AsyncConnection) -> bool:
    """Lock all limits until the transaction ends, unless another worker has locked them. Return whether it did."""
    locked: bool = (await connection.execute(TRY_LOCK)).scalar_one()
    return locked


async def running(connection: AsyncConnection) -> list[tuple[str, str, int]]:
    """Return the number of runs that are RUNNING by their host and flow key."""
    return [(host, flow_key, count) for host, flow_key, count in await connection.execute(RUNNING)]


async def waiting(connection: AsyncConnection) -> dict[UUID, int]:
    """Return the number of runs that wait by their limit."""
    found = await connection.execute(WAITING_COUNTS)
    return {row.flow_limit_id: row.number for row in found}


async def lock_first(connection: AsyncConnection, numbers: Mapping[UUID, int]) -> Sequence[Row]:
    """Lock the first runs that wait for each limit, up to its number, and return them in order."""
    return await fetch(connection, LOCK_FIRST, {"flow_limit_ids": list(numbers), "numbers": list(numbers.values())})


async def place(connection: AsyncConnection, places: Mapping[UUID, Place]) -> None:
    """Let runs wait that this transaction has locked."""
    await fetch(
        connection,
        PLACE,
        {
            "run_ids": list(places),
            "start_ats": [each.start_at for each in places.values()],
            "flow_limit_ids": [each.flow_limit_id for each in places.values()],
        },
    )


async def keep_rates(connection: AsyncConnection, free_ats: Mapping[tuple[UUID, int], datetime]) -> None:
    """Store how far the rates are used up, by the limits' ids and versions."""
    await connection.execute(
        KEEP_RATES,
        {
            "ids": [limit_id for limit_id, _ in free_ats],
            "versions": [version for _, version in free_ats],
            "free_ats": list(free_ats.values()),
        },
    )


async def release(connection: AsyncConnection, flow_limit_ids: Collection[UUID], *, limit: int) -> None:
    """Make runs due that wait for limits which no longer exist."""
    await connection.execute(RELEASE, {"flow_limit_ids": list(flow_limit_ids), "limit": limit})


async def pauses(connection: AsyncConnection, *, now: datetime) -> list[Pause]:
    """Return the hosts that are paused."""
    return [Pause(*row) for row in await fetch(connection, PAUSES, {"now": now})]


async def pauses_of_hosts(connection: AsyncConnection, hosts: Collection[str]) -> dict[str, Pause]:
    """Return the last pauses of hosts, which may be over."""
    found = [Pause(*row) for row in await connection.execute(PAUSES_OF_HOSTS, {"hosts": list(hosts)})]
    return {each.host: each for each in found}


async def pause(connection: AsyncConnection, each: Pause) -> None:
    """Pause a host, unless it is paused for longer already; and forget pauses that are over."""
    await connection.execute(PAUSE, each._asdict())
