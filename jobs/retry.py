"""When a failed attempt is tried again: a value that decides, and neither sleeps nor saves."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

SPREAD = 0.2
"""A delay varies by this share of itself either way, so that what failed together does not come back together."""

LONGEST_RETRY_AFTER = timedelta(hours=24)

MAX_ATTEMPTS = 100
MAX_DELAY_MS = 86_400_000
MAX_FACTOR = 10.0

# RFC 9110, section 5.6.7: IMF-fixdate, then the two obsolete forms that recipients must read too.
_HTTP_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT"
    r"|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT"
    r"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}",
    re.ASCII,
)

Problem = tuple[tuple[str, ...], str]


class InvalidRetryPolicy(ValueError):
    """The policy cannot be accepted.

    `problems` has one entry for each member at fault: its path, in the names of the contract's RetryPolicyInput, and
    a message that says what is wrong and what would be right.
    """

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{'.'.join(path)}: {message}" for path, message in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often an action is attempted, and how long after a failed attempt the next one starts."""

    max_attempts: int = 3
    initial_delay: timedelta = timedelta(seconds=5)
    factor: float = 2.0
    max_delay: timedelta = timedelta(seconds=300)

    def delay_after(self, attempt: int, *, randomness: float, retry_after: timedelta | None = None) -> timedelta | None:
        """How long after the end of attempt number `attempt` (1 is the first) the next one starts; None for no more.

        min(initial_delay * factor^(attempt - 1), max_delay), varied by `SPREAD` as `randomness` in [0, 1) says; or
        later, as the target's `retry_after` asks, which max_delay does not limit but `LONGEST_RETRY_AFTER` does.
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


def retry_policy(
    max_attempts: int = 3, initial_delay_ms: int = 5_000, factor: float = 2.0, max_delay_ms: int = 300_000
) -> RetryPolicy:
    """A checked policy. Raises InvalidRetryPolicy with everything that is wrong."""
    problems: list[Problem] = []
    if not 1 <= max_attempts <= MAX_ATTEMPTS:
        problems.append((("maxAttempts",), f"must be from 1 to {MAX_ATTEMPTS}; 1 means no retry"))
    if not 0 <= initial_delay_ms <= MAX_DELAY_MS:
        problems.append((("initialDelayMs",), f"must be from 0 to {MAX_DELAY_MS} (24 hours)"))
    if not 1.0 <= factor <= MAX_FACTOR:  # NaN fails this too
        problems.append((("factor",), f"must be a number from 1.0 to {MAX_FACTOR}"))
    if not 0 <= max_delay_ms <= MAX_DELAY_MS:
        problems.append((("maxDelayMs",), f"must be from 0 to {MAX_DELAY_MS} (24 hours)"))
    if problems:
        raise InvalidRetryPolicy(problems)
    return RetryPolicy(
        max_attempts=max_attempts,
        initial_delay=timedelta(milliseconds=initial_delay_ms),
        factor=factor,
        max_delay=timedelta(milliseconds=max_delay_ms),
    )


def parse_retry_after(value: str, *, now: datetime) -> timedelta | None:
    """How long a Retry-After field (RFC 9110, section 10.2.3) asks to wait, in seconds or as a date.

    A date that has passed is no wait at all; what is neither is None.
    """
    written = value.strip(" \t")
    if written.isascii() and written.isdigit():
        digits = written.lstrip("0") or "0"
        # A longer number may not fit a timedelta, and is far beyond what is heeded.
        return timedelta(seconds=int(digits)) if len(digits) < 10 else LONGEST_RETRY_AFTER
    if not _HTTP_DATE.fullmatch(written):
        return None
    try:
        at = parsedate_to_datetime(written)
    except ValueError:
        return None
    return max(timedelta(), at.replace(tzinfo=UTC) - now)
