"""Run ids are computed from the task and the instant, so that an instant can have only one run."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from db.engine.days import lower_bound
from jobs.run_ids import requested_run_id, scheduled_run_id

TASK = UUID("6b0f3c5e-0d0a-4d8e-9d3e-2f6f0d9c1a11")
NINE = datetime(2026, 3, 1, 9, tzinfo=UTC)
INSTANTS = st.integers(min_value=0, max_value=253_402_214_400_000_000).map(
    lambda microseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)


@given(instant=INSTANTS, task_id=st.uuids())
def test_a_scheduled_run_id_is_a_uuid_version_8_that_begins_with_the_instant(instant: datetime, task_id: UUID) -> None:
    """RFC 9562 leaves the layout of version 8 to the application; here the first 48 bits are Unix milliseconds."""
    run_id = scheduled_run_id(task_id, instant)
    assert run_id.version == 8
    assert run_id.variant == "specified in RFC 4122"
    assert run_id.int >> 80 == (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@given(instant=INSTANTS, randomness=st.binary(min_size=10, max_size=10))
def test_a_requested_run_id_is_a_uuid_version_7(instant: datetime, randomness: bytes) -> None:
    """RFC 9562, section 5.7: 48 bits of Unix milliseconds, then 74 random bits around version and variant."""
    run_id = requested_run_id(instant, randomness=randomness)
    assert run_id.version == 7
    assert run_id.variant == "specified in RFC 4122"
    assert run_id.int >> 80 == (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    given_bits = int.from_bytes(randomness, "big")
    fixed = (0xF << 76) | (0b11 << 62)
    assert (run_id.int & ((1 << 80) - 1)) & ~fixed == given_bits & ~fixed


def test_the_example_in_the_rfc() -> None:
    """RFC 9562, appendix A.6."""
    instant = datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)
    randomness = bytes.fromhex("0CC3" + "18C4DC0C0C07398F")
    assert requested_run_id(instant, randomness=randomness) == UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")


@given(first=INSTANTS, second=INSTANTS)
def test_ids_sort_as_their_instants_do(first: datetime, second: datetime) -> None:
    """Ids sort to the millisecond, on which partitions and pages rely."""
    if second - first >= timedelta(milliseconds=1):
        assert scheduled_run_id(TASK, first) < scheduled_run_id(TASK, second)


def test_the_same_instant_of_the_same_task_has_the_same_id() -> None:
    """A claim that was lost together with a server is repeated with the same Idempotency-Key."""
    assert scheduled_run_id(TASK, NINE) == scheduled_run_id(TASK, NINE)
    assert scheduled_run_id(TASK, NINE) != scheduled_run_id(UUID(int=1), NINE)
    assert scheduled_run_id(TASK, NINE) != scheduled_run_id(TASK, NINE + timedelta(microseconds=1))


@given(instant=INSTANTS)
def test_an_id_falls_into_the_partition_of_its_day(instant: datetime) -> None:
    """Partitions hold UTC days."""
    day = instant.date()
    assert lower_bound(day) <= scheduled_run_id(TASK, instant)
    if day < datetime(9999, 12, 31, tzinfo=UTC).date():
        assert scheduled_run_id(TASK, instant) < lower_bound(day + timedelta(days=1))
