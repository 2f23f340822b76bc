"""The ids of runs. A scheduled run's id is computed from its task and instant, so an instant can have only one run."""

from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from jobs.datetimes import MILLISECOND, UNIX_EPOCH


def scheduled_run_id(task_id: UUID, scheduled_for: datetime) -> UUID:
    """Return a UUIDv8 (RFC 9562, section 5.8): 48 bits of `scheduled_for` in Unix milliseconds, the rest a SHA-256 of
    both.

    So ids sort by instant, partitions by range of id prune look-ups, and a claim that was lost together with a server
    is repeated with the same id.
    """
    since_epoch = scheduled_for - UNIX_EPOCH
    digest = sha256(task_id.bytes + (since_epoch // timedelta(microseconds=1)).to_bytes(8, "big", signed=True)).digest()
    return uuid_of(scheduled_for, digest[:10], version=8)


def requested_run_id(at: datetime, *, randomness: bytes) -> UUID:
    """Return a UUIDv7 (RFC 9562, section 5.7) for a run requested at an instant; `randomness` has 10 bytes.

    Like the id of a scheduled run it starts with the instant, so it sorts and lies in partitions in the same way.
    """
    return uuid_of(at, randomness, version=7)


def uuid_of(instant: datetime, rest: bytes, *, version: int) -> UUID:
    """Return 48 bits of the instant in Unix milliseconds and 10 bytes, with version and variant (sections 4.1, 4.2)
    set.
    """
    milliseconds = (instant - UNIX_EPOCH) // MILLISECOND
    value = ((milliseconds & 0xFFFF_FFFF_FFFF) << 80) | int.from_bytes(rest, "big")
    value = (value & ~(0xF << 76)) | (version << 76)
    value = (value & ~(0b11 << 62)) | (0b10 << 62)
    return UUID(int=value)
