"""The statement that adds up the counts of results, so that their sum stays cheap to read."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.prepared import fetch

# Several workers may compact at the same time, each its own rows. A few rows are not worth a write.
COMPACT = text("""
WITH gone AS (
    DELETE FROM result_counts WHERE id = ANY(ARRAY(
        SELECT id FROM result_counts WHERE EXISTS (SELECT FROM result_counts OFFSET :few)
        ORDER BY id LIMIT :limit
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING results, succeeded, unsuccessful
)
INSERT INTO result_counts (results, succeeded, unsuccessful)
SELECT sum(results), sum(succeeded), sum(unsuccessful) FROM gone
HAVING count(*) > 0
""")
FEW = 100


async def compact(connection: AsyncConnection, *, limit: int) -> None:
    """Replace up to `limit` counts by their sum, if there are more than a few."""
    await fetch(connection, COMPACT, {"few": FEW, "limit": limit})
