"""The retry policy: a value that decides when a failed attempt is retried. It neither sleeps nor saves."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from jobs.problems import Problem

SPREAD = 0.2
"""A delay varies by this share of itself in both directions, so that runs that failed together are not retried
together."""

LONGEST_RETRY_AFTER = timedelta(hours=24)

MAX_ATTEMPTS = 100
MAX_DELAY_MS = 86_400_000
MAX_FACTOR = 10.0
MAX_ELAPSED_MS = 30 * 86_400_000

_SECONDS = re.compile(r"(?P<whole>\d+)(?:\.(?P<fraction>\d+))?", re.ASCII)

# RFC 9110, section 5.6.7: IMF-fixdate, then the two obsolete forms that recipients must read too.
_HTTP_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT"
    r"|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT"
    r"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How many attempts there are, and how long after a failed attempt the next one starts."""

    max_attempts: int = 3
    initial_delay: timedelta = timedelta(seconds=5)
    factor: float = 2.0
    max_delay: timedelta = timedelta(seconds=300)
    statuses: frozenset[int] | None = None
    """The statuses that are retried; None for all that are not a success. A call without a status is always retried."""
    max_elapsed: timedelta | None = None
    """How long after the run's instant the last attempt may begin; None for any time."""

    def latest_start(self, instant: datetime) -> datetime | None:
        """Return when the last attempt of a run for this instant may begin, or None if that is not limited."""
        return None if self.max_elapsed is None else instant + self.max_elapsed

    def delay_after(self, attempt: int, *, randomness: float, retry_after: timedelta | None = None) -> timedelta | None:
        """Return the delay from the end of attempt number `attempt`, from 1, to the next one; None after the last one.

        The delay is min(initial_delay * factor^(attempt - 1), max_delay), varied by `SPREAD` with `randomness` in
        [0, 1). If the target's `retry_after` is longer, that counts, up to `LONGEST_RETRY_AFTER`.
        """
        if attempt >= self.max_attempts:
            return None
        delay = self._backoff(attempt) * (1 - SPREAD + 2 * SPREAD * randomness)
        return delay if retry_after is None else max(delay, min(retry_after, LONGEST_RETRY_AFTER))

    def _backoff(self, attempt: int) -> timedelta:
        try:
            seconds = self.initial_delay.total_seconds() * self.factor ** (attempt - 1)
        except OverflowError:
            seconds = math.inf if self.initial_delay else 0.0
        return timedelta(seconds=min(seconds, self.max_delay.total_seconds()))


def problems_of(
    *, max_attempts: int, initial_delay_ms: int, factor: float, max_delay_ms: int, max_elapsed_ms: int | None
) -> Iterator[Problem]:
    """Yield what is wrong with a policy, by the names of GraphQL's RetryPolicyInput."""
    if not 1 <= max_attempts <= MAX_ATTEMPTS:
        yield Problem(("maxAttempts",), f"must be from 1 to {MAX_ATTEMPTS}; 1 means no retry")
    if not 0 <= initial_delay_ms <= MAX_DELAY_MS:
        yield Problem(("initialDelayMs",), f"must be from 0 to {MAX_DELAY_MS} (24 hours)")
    if not 1.0 <= factor <= MAX_FACTOR:  # NaN fails this too
        yield Problem(("factor",), f"must be a number from 1.0 to {MAX_FACTOR}")
    if not 0 <= max_delay_ms <= MAX_DELAY_MS:
        yield Problem(("maxDelayMs",), f"must be from 0 to {MAX_DELAY_MS} (24 hours)")
    if max_elapsed_ms is not None and not 0 <= max_elapsed_ms <= MAX_ELAPSED_MS:
        yield Problem(("maxElapsedMs",), f"must be from 0 to {MAX_ELAPSED_MS} (30 days)")


def parse_retry_after(value: str, *, now: datetime) -> timedelta | None:
    """Return how long a Retry-After field asks to wait, in seconds or until a date (RFC 9110, section 10.2.3).

    A decimal number, which the RFC does not know, is rounded up. A date in the past asks for no wait. Returns None for
    any other text.
    """
    written = value.strip(" \t")
    if (number := _SECONDS.fullmatch(written)) is not None:
        digits, fraction = number["whole"].lstrip("0") or "0", (number["fraction"] or "").strip("0")
        # A longer number may not fit a timedelta, and exceeds the limit anyway.
        return timedelta(seconds=int(digits) + bool(fraction)) if len(digits) < 10 else LONGEST_RETRY_AFTER
    if not _HTTP_DATE.fullmatch(written):
        return None
    try:
        at = parsedate_to_datetime(written)
    except ValueError:
        return None
    return max(timedelta(), at.replace(tzinfo=UTC) - now)
