"""Slots: how many attempts a worker makes at once, in all and to each host."""

from jobs.engine.slots import Slots


def test_host_gets_at_most_half_of_the_slots() -> None:
    """One dead target must leave room for the calls to all others."""
    slots = Slots(10)
    while slots.room("dead.example:80"):
        slots.take("dead.example:80")
    assert slots.free == 5
    assert slots.saturated_hosts == ["dead.example:80"]
    assert slots.room("healthy.example:80") == 5


def test_slot_that_is_given_back_can_be_taken_again() -> None:
    """A host with a free slot is no longer saturated, and a host without calls is forgotten."""
    slots = Slots(2)
    slots.take("a.example:80")
    assert slots.room("a.example:80") == 0
    slots.give("a.example:80")
    assert slots.room("a.example:80") == 1
    assert slots.saturated_hosts == []
    assert slots.free == 2


def test_room_for_a_host_ends_with_the_slots() -> None:
    """A host's share is not reserved: other hosts may take all slots."""
    slots = Slots(4)
    for host in ("a", "a", "b", "c"):
        slots.take(host)
    assert slots.free == 0
    assert slots.room("d") == 0
