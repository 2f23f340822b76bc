"""The contract's limits: 50 ms of CPU time to check any trigger, and 500 ms to compute its instants."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import thread_time

import pytest

from jobs.triggers import cron as cron_module
from jobs.triggers import day_steps, timezones, validation
from jobs.triggers.schedule import (
    Cron,
    count_between,
    describe,
    instants,
    latest_at_or_before,
    next_instant,
)
from tests.support.caches import clear_caches

NOW = datetime(2026, 7, 15, 9, 0, tzinfo=UTC)
DECADE = timedelta(days=3_653)
BEGIN = datetime.min.replace(tzinfo=UTC)
EVERY_MINUTE = Cron(expression="* * * * *", timezone="Europe/Berlin")
LEAP_SUNDAYS = Cron(expression="0 0 29 2 */7", timezone="Africa/El_Aaiun")
ONLY_IN_GAPS = Cron(expression="*/10 2 25-31 3 */7", timezone="Europe/Berlin")


def seconds_taken(what: Callable[[], object]) -> float:
    """Return the CPU time of the fastest of several runs, each with empty caches."""

    def run() -> float:
        clear_caches(cron_module, day_steps, timezones)
        begin = thread_time()
        what()
        return thread_time() - begin

    return min(run() for _ in range(4))


@pytest.mark.timing
@pytest.mark.parametrize(
    ("expression", "timezone"),
    [
        ("0 0 29 2 1", "UTC"),
        ("0 0 29 2 */7", "Africa/El_Aaiun"),
        ("0 0 31 2,4 *", "Asia/Gaza"),
        ("0 0 30 2 */2", "UTC"),
        ("*/10 2 25-31 3 */7", "Europe/Berlin"),
        ("*/10 2 29-31 2,3 */7", "Europe/Berlin"),
        ("* * * * *", "Europe/Berln"),
        ("* * * * *", "America/" * 100_000),
        ("*" * 1_000_000, "UTC"),
        ("0/" + "9" * 250, "UTC"),
        (",".join(["1-59/2"] * 30) + " * * * *", "America/St_Johns"),
        ("0 0 29 2 *", "Antarctica/Troll"),
    ],
)
def test_checking_takes_less_than_50_ms(expression: str, timezone: str) -> None:
    """The jitter is long enough that the shortest gap has to be computed."""
    trigger = Cron(expression=expression, timezone=timezone, jitter_ms=20 * 3_600_000)

    assert seconds_taken(lambda: validation.check(trigger, now=NOW)) < 0.05


@pytest.mark.timing
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda: count_between(EVERY_MINUTE, NOW, NOW + DECADE), id="ten years down, every minute"),
        pytest.param(lambda: latest_at_or_before(EVERY_MINUTE, NOW + DECADE, after=NOW), id="the last of ten years"),
        pytest.param(lambda: instants(LEAP_SUNDAYS, NOW, count=100), id="a hundred leap Sundays"),
        pytest.param(lambda: instants(LEAP_SUNDAYS, datetime(9990, 1, 1, tzinfo=UTC), count=100), id="year 9990"),
        pytest.param(lambda: instants(LEAP_SUNDAYS, BEGIN, count=100), id="year 1"),
        pytest.param(lambda: instants(ONLY_IN_GAPS, NOW, count=100), id="only in gaps"),
        pytest.param(lambda: next_instant(ONLY_IN_GAPS, BEGIN), id="only in gaps, from year 1"),
        pytest.param(
            lambda: latest_at_or_before(ONLY_IN_GAPS, NOW + 10 * DECADE, after=NOW), id="only in gaps, backwards"
        ),
        pytest.param(lambda: describe(EVERY_MINUTE), id="description"),
    ],
)
def test_computing_takes_less_than_500_ms(answer: Callable[[], object]) -> None:
    """The references are far away, the dates rare, and the outages long."""
    assert seconds_taken(answer) < 0.5


def test_a_long_outage_is_counted_exactly() -> None:
    """Ten years have all their minutes: the transitions skip as many as they repeat."""
    assert count_between(EVERY_MINUTE, NOW, NOW + DECADE) == DECADE // timedelta(minutes=1)
