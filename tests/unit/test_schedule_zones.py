"""What the zone arithmetic takes for granted about the pinned time zone database, held against all of its files."""

import struct
import zoneinfo
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import pairwise

import pytest

from jobs.triggers import timezones
from jobs.triggers.schedule import Cron, instants

DAY = 86_400


def changes_in_file(name: str) -> list[tuple[int, int, int]]:
    """(second, offset before, offset after) of each change that a zone's TZif file (RFC 8536) lists."""
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
def listed_changes() -> dict[str, list[tuple[int, int, int]]]:
    """The changes of every zone."""
    return {name: changes_in_file(name) for name in timezones.zone_names()}


def test_no_zone_breaks_what_the_probing_relies_on(listed_changes: dict[str, list[tuple[int, int, int]]]) -> None:
    """Changes lie further apart than a probe, in the probed years, and none sets a clock back by more than a day."""
    changes = [change for each in listed_changes.values() for change in each]
    apart = min(later[0] - earlier[0] for each in listed_changes.values() for earlier, later in pairwise(each))
    years = {(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)).year for second, _, _ in changes}

    assert len(listed_changes) > 500
    assert apart > timezones.PROBE
    assert min(years) >= timezones.FIRST_PROBED_YEAR
    assert max(years) < timezones.RULED_FROM_YEAR
    assert all(abs(after - before) <= DAY and max(abs(after), abs(before)) < DAY for _, before, after in changes)


@pytest.mark.parametrize(
    "name",
    ["America/Sao_Paulo", "America/St_Johns", "Asia/Gaza", "Europe/Berlin", "Pacific/Apia", "Pacific/Kwajalein"],
)
def test_probing_finds_what_the_file_lists(name: str, listed_changes: dict[str, list[tuple[int, int, int]]]) -> None:
    """Each listed change, and no other, ends one stretch and begins the next."""
    listed = listed_changes[name]
    last_year = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=listed[-1][0])).year
    stretches = [
        each for year in range(timezones.FIRST_PROBED_YEAR, last_year) for each in timezones.periods(name, year)
    ]
    found = [
        (later.start, earlier.offset, later.offset)
        for earlier, later in pairwise(stretches)
        if earlier.offset != later.offset
    ]

    assert all(earlier.end == later.start for earlier, later in pairwise(stretches))
    assert found == [change for change in listed if change[0] < stretches[-1].end]


@pytest.mark.parametrize("year", [2129, 2200, 2399, 2400, 4321, 9998])
@pytest.mark.parametrize("name", ["Africa/Casablanca", "America/New_York", "Asia/Gaza", "Australia/Lord_Howe"])
def test_far_years_follow_the_rule(name: str, year: int) -> None:
    """Years that are not probed have the offsets that the zone's rule gives them."""
    rules = timezones.zone(name)

    for stretch in timezones.periods(name, year):
        for second in (stretch.start, (stretch.start + stretch.end) // 2, stretch.end - 1):
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
            assert at.astimezone(rules).utcoffset() == timedelta(seconds=stretch.offset)


def test_the_hosts_zone_files_have_no_say(tmp_path: object) -> None:
    """With a search path that leads to wrong rules first, instants stay those of the pinned package."""
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
