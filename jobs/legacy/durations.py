"""Durations as Go writes them, such as 1h30m or 10s (https://pkg.go.dev/time#ParseDuration)."""

import re
from datetime import timedelta
from fractions import Fraction

PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
MICROSECONDS = {
    "ns": Fraction(1, 1000),
    "us": Fraction(1),
    "µs": Fraction(1),
    "μs": Fraction(1),
    "ms": Fraction(1_000),
    "s": Fraction(1_000_000),
    "m": Fraction(60_000_000),
    "h": Fraction(3_600_000_000),
}
MAX_LENGTH = 100


def parse(text: str) -> timedelta:
    """Return the duration, to the microsecond. Raises `ValueError`."""
    parts = PART.findall(text)
    if not parts or len(text) > MAX_LENGTH or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text[:50]!r} is not a duration such as 1h30m or 10s")
    microseconds = sum(Fraction(number) * MICROSECONDS[unit] for number, unit in parts)
    try:
        return timedelta(microseconds=int(microseconds))
    except OverflowError:
        raise ValueError(f"{text[:50]!r} is a longer duration than can be kept") from None


def write(duration: timedelta) -> str:
    """Return a duration of a second or more as text, such as 1h30m, without the units that are zero."""
    minutes, seconds = divmod(duration, timedelta(minutes=1))
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if minutes else ""
    if seconds:
        whole = f"{seconds // timedelta(seconds=1)}"
        fraction = f".{seconds.microseconds:06}".rstrip("0").rstrip(".")
        text += f"{whole}{fraction}s"
    return text
