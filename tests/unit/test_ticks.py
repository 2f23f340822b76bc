"""The moments at which periodic work of a process is done."""

from datetime import timedelta

import pytest

from jobs.ticks import AFTER_SECOND, until_tick

FULL_SECOND = 1_790_000_000


@pytest.mark.parametrize("now", [0.0, 0.1, 0.1234, 0.1236, 0.4, 0.7, 0.999])
@pytest.mark.parametrize("seconds", [1, 2, 5, 3600])
def test_a_pause_ends_at_a_tick(monkeypatch: pytest.MonkeyPatch, now: float, seconds: int) -> None:
    """The end lies a while after a full second, an even one for a long pause, and the pause is at most half of that
    longer or shorter.
    """
    apart = 1 if seconds < 2 else 2
    monkeypatch.setattr("jobs.ticks.time.time", lambda: FULL_SECOND + now)
    pause = until_tick(timedelta(seconds=seconds)).total_seconds()
    assert abs(pause - seconds) <= apart / 2 + 1e-6
    assert (FULL_SECOND + now + pause) % apart == pytest.approx(AFTER_SECOND.total_seconds(), abs=1e-5)


@pytest.mark.parametrize("early", [-0.002, 0.0, 0.05])
@pytest.mark.parametrize("seconds", [1, 2])
def test_one_tick_follows_another(monkeypatch: pytest.MonkeyPatch, early: float, seconds: int) -> None:
    """Neither a timer that ends early nor work that takes a while leaves one out, or has one twice."""
    now = FULL_SECOND + AFTER_SECOND.total_seconds() + early
    monkeypatch.setattr("jobs.ticks.time.time", lambda: now)
    assert until_tick(timedelta(seconds=seconds)).total_seconds() == pytest.approx(seconds - early, abs=1e-5)


def test_a_short_pause_stays() -> None:
    """What has to be done more often than each second keeps its own interval."""
    assert until_tick(timedelta(milliseconds=250)) == timedelta(milliseconds=250)
