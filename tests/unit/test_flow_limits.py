"""The rules of flow limits, without a database: which calls they are about, and when a run may start."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.engine.admission import Admission
from jobs.engine.flow_limits import CATCH_UP, Budget, FlowLimit, FlowLimits
from jobs.http.host_patterns import parse_host_pattern

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def limit_of(
    host: str | None = None,
    flow_key: str | None = None,
    *,
    most: int | None = None,
    rate: float | None = None,
    burst: int | None = None,
    free_at: datetime | None = None,
) -> FlowLimit:
    """Return a limit."""
    return FlowLimit(uuid4(), host, flow_key, most, rate, burst, free_at, 1)


def test_all_limits_apply_that_match() -> None:
    """A host with and without its port, patterns at any depth, and the flow key; a pattern excludes its own name."""
    limits = FlowLimits(
        limit_of(host, key, most=1)
        for host, key in (
            ("api.example.com", None), ("api.example.com:8443", None), ("*.example.com", None), ("*.com:8443", None),
            ("[::1]", None), (None, "acme"),
        )
    )  # fmt: skip

    def keys(host: str, flow_key: str = "") -> list[str | None]:
        return [limit.host or limit.flow_key for limit in limits.of_call(host, flow_key)]

    assert keys("api.example.com:443") == ["api.example.com", "*.example.com"]
    assert keys("api.example.com:8443", "acme") == [
        "acme", "api.example.com:8443", "api.example.com", "*.example.com", "*.com:8443"
    ]  # fmt: skip
    assert keys("a.b.example.com:443", "other") == ["*.example.com"]
    assert keys("example.com:443") == keys("example.org:443") == keys("badexample.com:443") == []
    assert keys("[::1]:80") == ["[::1]"]


@given(
    rate=st.floats(0.5, 50),
    burst=st.integers(1, 20),
    looks=st.lists(st.floats(0.001, 2 * CATCH_UP / SECOND), min_size=20, max_size=200),
)
def test_late_looks_neither_lower_nor_raise_the_rate(rate: float, burst: int, looks: list[float]) -> None:
    """Runs that all wait since the beginning start at the rate, whenever workers look within CATCH_UP."""
    limit = limit_of("h", rate=rate, burst=burst)
    now, started = NOW, []
    for pause in looks:
        budget = Budget(limit, running=0, now=now)
        most = budget.most(10_000)
        number = 0
        while (at := budget.earliest(NOW)) is not None and at <= now:
            budget.take(at)
            started.append(now)
            number += 1
        assert number <= most
        limit = limit._replace(free_at=budget.free_at)
        now += timedelta(seconds=pause)
    elapsed = (started[-1] - NOW).total_seconds()
    assert len(started) <= burst + rate * elapsed + 1
    late = sum(max(pause - CATCH_UP / SECOND, 0) for pause in looks)
    assert len(started) >= min(burst + rate * (elapsed - late), burst + rate * elapsed) - 1 - rate * 0.001


def test_a_burst_gathers_while_nothing_runs() -> None:
    """After a time without calls as many start together as the burst has, and then one after another."""
    limit = limit_of("h", rate=10, burst=3, free_at=NOW - 60 * SECOND)
    budget = Budget(limit, running=0, now=NOW)
    starts = []
    for _ in range(5):
        at = budget.earliest(NOW)
        assert at is not None
        budget.take(at)
        starts.append((at - NOW) / SECOND)
    assert starts == [0, 0, 0, pytest.approx(0.1), pytest.approx(0.2)]


def test_places_are_free_once_others_have_ended() -> None:
    """With all places taken, or more after the limit was lowered, no run starts, and no instant is known."""
    limit = limit_of("h", most=3)
    assert Budget(limit, running=1, now=NOW).most(10) == 2
    for running in (3, 5):
        budget = Budget(limit, running=running, now=NOW)
        assert (budget.most(10), budget.earliest(NOW)) == (0, None)


def test_nothing_waits_without_limits() -> None:
    """Without limits and pauses a claim is not even looked at."""
    assert Admission().places_of(iter(()), now=NOW) == {}


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        (" API.Example.com ", "api.example.com"),
        ("*.Example.COM:8443", "*.example.com:8443"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("*.bücher.example", "*.xn--bcher-kva.example"),
        ("127.0.0.1:9000", "127.0.0.1:9000"),
        ("::1", "[::1]"),
        ("[::1]:80", "[::1]:80"),
        ("*.internal", "*.internal"),
    ],
)
def test_a_pattern_has_one_spelling(text: str, pattern: str) -> None:
    """Case, white space and the form of an international name do not matter."""
    assert parse_host_pattern(text) == pattern


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no host"),
        ("https://example.com", "not just a host"),
        ("example.com/path", "not just a host"),
        ("user@example.com", "not just a host"),
        ("*", "has a * inside"),
        ("api.*.com", "has a * inside"),
        ("*.*.com", "has a * inside"),
        ("*.1.2.3.4", "before an address"),
        ("*.[::1]", "before an address"),
        ("exa mple.com", "not just a host"),
        ("example.com:0", "port 0"),
        ("example.com:x", "cannot be read"),
        ("a" * 64 + ".example", "not a DNS name"),
    ],
)
def test_a_wrong_pattern_says_why(text: str, reason: str) -> None:
    """Each is refused with what would be right."""
    with pytest.raises(ValueError, match=reason.replace("*", r"\*")):
        parse_host_pattern(text)
