"""The ids of runs. A scheduled run's id is computed from what it stands for, so one instant can have one run only."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def scheduled_run_id(task_id: UUID, scheduled_for: datetime) -> UUID:
    """A UUIDv8 (RFC 9562, 5.8): 48 bits of `scheduled_for` in Unix milliseconds, the rest from SHA-256 of both.

    Ids therefore sort by instant, partitions by range of id prune look-ups, and a claim that was lost
    together with a server is made again under the same id.
    """
    since_epoch = scheduled_for - EPOCH
    milliseconds = since_epoch // MILLISECOND
    digest = sha256(task_id.bytes + (since_epoch // timedelta(microseconds=1)).to_bytes(8, "big", signed=True)).digest()
    value = ((milliseconds & 0xFFFF_FFFF_FFFF) << 80) | int.from_bytes(digest[:10], "big")
    value = (value & ~(0xF << 76)) | (8 << 76)
    value = (value & ~(0b11 << 62)) | (0b10 << 62)
    return UUID(int=value)
