"""Durations as people write them: 90s, 5m, 1h30m, 250ms."""

import re

UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
LONGEST = 100 * 366 * UNITS["d"]
"""The API accepts no longer duration, and no date is further away."""
WHOLE = re.compile(rf"(?:{PART.pattern})+")


def milliseconds(text: str) -> int:
    """Return the milliseconds of a duration. Raises `ValueError`."""
    if not WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration; write it as 90s, 5m, 1h30m or 250ms")
    found = sum(float(number) * UNITS[unit] for number, unit in PART.findall(text))
    if found > LONGEST:
        raise ValueError(f"{text!r} is longer than 100 years")
    return round(found)
