"""The ids of runs. A scheduled run's id is computed from what it stands for, so one instant can have one run only."""

from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from jobs.datetimes import MILLISECOND, UNIX_EPOCH


def scheduled_run_id(task_id: UUID, scheduled_for: datetime) -> UUID:
    """A UUIDv8 (RFC 9562, 5.8): 48 bits of `scheduled_for` in Unix milliseconds, the rest from SHA-256 of both.

    Ids therefore sort by instant, partitions by range of id prune look-ups, and a claim that was lost
    together with a server is made again under the same id.
    """
    since_epoch = scheduled_for - UNIX_EPOCH
    digest = sha256(task_id.bytes + (since_epoch // timedelta(microseconds=1)).to_bytes(8, "big", signed=True)).digest()
    return uuid_of(scheduled_for, digest[:10], version=8)


def requested_run_id(at: datetime, *, randomness: bytes) -> UUID:
    """A UUIDv7 (RFC 9562, 5.7) for a run that was asked for at an instant; `randomness` has 10 bytes.

    Like a scheduled run's it begins with the instant, so that it sorts and lies in partitions as those do.
    """
    return uuid_of(at, randomness, version=7)


def uuid_of(instant: datetime, rest: bytes, *, version: int) -> UUID:
    """48 bits of the instant in Unix milliseconds, then 10 bytes, in which version and variant (4.1, 4.2) are set."""
    milliseconds = (instant - UNIX_EPOCH) // MILLISECOND
    value = ((milliseconds & 0xFFFF_FFFF_FFFF) << 80) | int.from_bytes(rest, "big")
    value = (value & ~(0xF << 76)) | (version << 76)
    value = (value & ~(0b11 << 62)) | (0b10 << 62)
    return UUID(int=value)
