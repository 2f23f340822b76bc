"""The date in the headers of responses, which no timer updates."""

import pytest

from duetime.compat import DatedState

INSTANT = 1_790_000_000


def test_the_date_is_that_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is formatted once a second, before the other headers of every response."""
    now = INSTANT + 0.25
    monkeypatch.setattr("duetime.compat.time.time", lambda: now)
    state = DatedState()
    state.default_headers = [(b"server", b"duetime")]
    first = state.default_headers
    assert first == [(b"date", b"Mon, 21 Sep 2026 14:13:20 GMT"), (b"server", b"duetime")]
    now += 0.5
    assert state.default_headers is first
    now += 0.5
    assert state.default_headers == [(b"date", b"Mon, 21 Sep 2026 14:13:21 GMT"), (b"server", b"duetime")]
