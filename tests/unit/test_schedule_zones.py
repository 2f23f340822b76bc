"""The assumptions of the zone arithmetic, checked against all files of the pinned time zone database."""

import struct
import zoneinfo
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import pairwise

import pytest

from jobs.triggers import timezones
from jobs.triggers.schedule import Cron, instants
from jobs.triggers.zone_names import zone_names

DAY = 86_400


def transitions_in_file(name: str) -> list[tuple[int, int, int]]:
    """Return (second, offset before, offset after) of each transition in a zone's TZif file (RFC 8536)."""
    data = resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
    head = ">4sc15x6l"
    *_, utc, std, leap, times, types, chars = struct.unpack_from(head, data)
    begin = struct.calcsize(head) + times * 5 + types * 6 + chars + leap * 8 + std + utc
    *_, times, types, _ = struct.unpack_from(head, data, begin)
    begin += struct.calcsize(head)
    seconds = struct.unpack_from(f">{times}q", data, begin)
    kinds = struct.unpack_from(f">{times}B", data, begin + 8 * times)
    offsets = [struct.unpack_from(">l", data, begin + 9 * times + 6 * kind)[0] for kind in range(types)]
    shown = [offsets[0], *(offsets[kind] for kind in kinds)]
    return [
        (second, before, after)
        for second, (before, after) in zip(seconds, pairwise(shown), strict=True)
        if before != after
    ]


@pytest.fixture(scope="module")
def listed_transitions() -> dict[str, list[tuple[int, int, int]]]:
    """Return the transitions of every zone."""
    return {name: transitions_in_file(name) for name in zone_names()}


def test_probing_finds_every_transition(listed_transitions: dict[str, list[tuple[int, int, int]]]) -> None:
    """Transitions are further apart than a probe and in the probed years, and none is longer than a day."""
    changes = [change for each in listed_transitions.values() for change in each]
    apart = min(later[0] - earlier[0] for each in listed_transitions.values() for earlier, later in pairwise(each))
    years = {(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)).year for second, _, _ in changes}

    assert len(listed_transitions) > 500
    assert apart > timezones.PROBE
    assert min(years) >= timezones.FIRST_PROBED_YEAR
    assert max(years) < timezones.RULED_FROM_YEAR
    assert all(abs(after - before) <= DAY and max(abs(after), abs(before)) < DAY for _, before, after in changes)


@pytest.mark.parametrize(
    "name",
    ["America/Sao_Paulo", "America/St_Johns", "Asia/Gaza", "Europe/Berlin", "Pacific/Apia", "Pacific/Kwajalein"],
)
def test_periods_end_at_the_listed_transitions(
    name: str, listed_transitions: dict[str, list[tuple[int, int, int]]]
) -> None:
    """A period ends at each listed transition, and nowhere else."""
    listed = listed_transitions[name]
    last_year = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=listed[-1][0])).year
    periods = [each for year in range(timezones.FIRST_PROBED_YEAR, last_year) for each in timezones.periods(name, year)]
    found = [
        (later.start, earlier.offset, later.offset)
        for earlier, later in pairwise(periods)
        if earlier.offset != later.offset
    ]

    assert all(earlier.end == later.start for earlier, later in pairwise(periods))
    assert found == [change for change in listed if change[0] < periods[-1].end]


@pytest.mark.parametrize("year", [2129, 2200, 2399, 2400, 4321, 9998])
@pytest.mark.parametrize("name", ["Africa/Casablanca", "America/New_York", "Asia/Gaza", "Australia/Lord_Howe"])
def test_far_years_follow_the_rule(name: str, year: int) -> None:
    """Years that are not probed have the offsets of the zone's rule."""
    rules = timezones.zone(name)

    for period in timezones.periods(name, year):
        for second in (period.start, (period.start + period.end) // 2, period.end - 1):
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
            assert at.astimezone(rules).utcoffset() == timedelta(seconds=period.offset)


def test_the_hosts_zone_files_are_not_used(tmp_path: object) -> None:
    """Instants follow the pinned package, even when the search path leads to other rules first."""
    wrong = resources.files("tzdata").joinpath("zoneinfo", "Asia", "Tokyo").read_bytes()
    folder = tmp_path / "Europe"  # type: ignore[operator]
    folder.mkdir()
    (folder / "Berlin").write_bytes(wrong)
    timezones.zone.cache_clear()
    timezones.periods.cache_clear()
    zoneinfo.reset_tzpath([str(tmp_path)])
    try:
        found = instants(
            Cron(expression="0 9 * * *", timezone="Europe/Berlin"), datetime(2026, 1, 15, tzinfo=UTC), count=1
        )
    finally:
        zoneinfo.reset_tzpath()

    assert found == [datetime(2026, 1, 15, 8, 0, tzinfo=UTC)]
