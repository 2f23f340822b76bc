"""What the zone arithmetic takes for granted about the pinned time zone database, held against all of its files."""

import struct
import zoneinfo
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import pairwise

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.triggers import timezones
from jobs.triggers.cron import parse
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
        each for year in range(timezones.FIRST_PROBED_YEAR, last_year) for each in timezones.stretches(name, year)
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

    for stretch in timezones.stretches(name, year):
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
    timezones.stretches.cache_clear()
    zoneinfo.reset_tzpath([str(tmp_path)])
    try:
        found = instants(
            Cron(expression="0 9 * * *", timezone="Europe/Berlin"), datetime(2026, 1, 15, tzinfo=UTC), count=1
        )
    finally:
        zoneinfo.reset_tzpath()

    assert found == [datetime(2026, 1, 15, 8, 0, tzinfo=UTC)]


@st.composite
def plain_expressions(draw: st.DrawFn) -> str:
    """Lists of numbers, which croniter reads as we do."""
    fields = []
    for low, high in ((0, 59), (0, 23), (1, 28), (1, 12), (0, 6)):
        numbers = draw(st.none() | st.sets(st.integers(low, high), min_size=1, max_size=4))
        fields.append("*" if numbers is None else ",".join(map(str, sorted(numbers))))
    return " ".join(fields)


@given(expression=plain_expressions(), moment=st.datetimes(datetime(1980, 1, 1), datetime(2090, 1, 1)))  # noqa: DTZ001
@settings(max_examples=100, deadline=None)
def test_the_walk_on_a_wall_clock_is_croniters(expression: str, moment: datetime) -> None:
    """On a clock that is never set, both walks agree, forwards and backwards."""
    moment = moment.replace(microsecond=0)
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock's
    second = (moment - epoch) // timedelta(seconds=1)
    parsed = parse(expression)

    after = parsed.first_at_or_after(second // 60 + 1)
    before = parsed.last_at_or_before(-(-second // 60) - 1)

    assert after is not None
    assert before is not None
    assert epoch + timedelta(minutes=after) == croniter(expression, moment).get_next(datetime)
    assert epoch + timedelta(minutes=before) == croniter(expression, moment).get_prev(datetime)
