"""What to write instead of a schedule that other programs accept and Duetime does not.

The advice is the very text to write wherever that can be said for certain.
"""

import re
from collections.abc import Callable

from jobs.triggers.cron import MACROS, MAX_LENGTH, InvalidExpression, parse, quoted
from jobs.triggers.zone_names import zone_names

UNITS_MS = {"ms": 1, "second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000, "week": 604_800_000}
SHORT_UNITS = {"s": "second", "sec": "second", "m": "minute", "min": "minute", "h": "hour", "d": "day", "w": "week"}
ZONE_FIRST = re.compile(r"(?:CRON_)?TZ=(?P<zone>\S+)\s+(?P<expression>.+)", re.IGNORECASE)
WRAPPED = re.compile(r"cron\((?P<fields>.*)\)", re.IGNORECASE)
PERIOD = re.compile(
    r"(?:rate\(\s*(?P<rate>\d+)\s+(?P<rate_unit>[a-z]+)\s*\)"
    r"|@?every\s+(?:(?P<every>\d+)\s*)?(?P<every_unit>[a-z]+))",
    re.IGNORECASE,
)
STEP_OF_SECONDS = re.compile(r"(?:\*|0)/(?P<step>[1-9][0-9]?)")
NUMBER = re.compile(r"\d+")


def advice_for(text: str) -> str | None:
    """Return what a refused schedule is, and what to write instead; None for a text of no known kind."""
    written = " ".join(text[: MAX_LENGTH + 1].split())
    if len(written) > MAX_LENGTH:
        return None
    for kind in (_zone_first, _wrapped, _period, _macro, _zone_last, _with_year, _with_seconds):
        advice: str | None = kind(written)
        if advice is not None:
            return advice
    return None


def _zone_first(written: str) -> str | None:
    match = ZONE_FIRST.fullmatch(written)
    return _apart(match["expression"], zone=match["zone"]) if match else None


def _zone_last(written: str) -> str | None:
    expression, _, last = written.rpartition(" ")
    return _apart(expression, zone=last) if last in zone_names() and len(expression.split()) in (1, 5) else None


def _apart(expression: str, *, zone: str) -> str | None:
    return _if_valid(
        expression, lambda valid: f"names a time zone; write '{valid}' and give {quoted(zone)} as timezone"
    )


def _wrapped(written: str) -> str | None:
    """Amazon EventBridge: minute, hour, day of month, month, day of week (Sunday is 1), year."""
    match = WRAPPED.fullmatch(written)
    if match is None:
        return None
    fields = match["fields"].split()
    if len(fields) == 6 and fields[5] == "*":
        fields = [*fields[:4], _from_one(fields[4])]
    elif len(fields) != 5:
        return "is a schedule of another service; write only its minute, hour, day of month, month and day of week"
    advice = _if_valid(" ".join(fields), lambda valid: f"is a schedule of another service; write '{valid}'")
    return advice or "is a schedule of another service; write only its five fields, without cron( )"


def _period(written: str) -> str | None:
    match = PERIOD.fullmatch(written)
    if match is None:
        return None
    unit = (match["rate_unit"] or match["every_unit"]).lower()
    unit = SHORT_UNITS.get(unit, unit.removesuffix("s") if unit != "ms" else unit)
    if unit not in UNITS_MS:
        return None
    every = int(match["rate"] or match["every"] or 1) * UNITS_MS[unit]
    return f"is an interval; use an interval trigger with everyMs: {every}"


def _macro(written: str) -> str | None:
    if written.lower() == "@reboot":
        return (
            "is '@reboot', and Duetime has no such moment: it does not start with your machine; use a one-off trigger, "
            "or a schedule such as '@daily'"
        )
    if written.lower() in MACROS and written not in MACROS:
        return f"is {quoted(written)}; write '{written.lower()}'"
    if written.startswith("@every"):
        return "is an interval; use an interval trigger, whose everyMs is the time in milliseconds"
    return None


def _with_year(written: str) -> str | None:
    """Quartz: second, minute, hour, day of month, month, day of week (Sunday is 1), year."""
    fields = written.split()
    if len(fields) != 7 or fields[0] != "0" or fields[6] != "*":
        return None
    five = " ".join([*fields[1:5], _from_one(fields[5])])
    return _if_valid(five, lambda valid: f"has fields for seconds and years, which are left out; write '{valid}'")


def _with_seconds(written: str) -> str | None:
    fields = written.split()
    if len(fields) != 6:
        return None
    seconds, *rest = fields
    if step := STEP_OF_SECONDS.fullmatch(seconds):
        every = int(step["step"]) * 1_000
        return f"has a field for seconds; below a minute, use an interval trigger with everyMs: {every}"
    if seconds == "*":
        return "has a field for seconds; below a minute, use an interval trigger with everyMs: 1000"
    if not NUMBER.fullmatch(seconds):
        return None
    check = "; and check the day of week: here 0 and 7 are Sunday" if "?" in rest and NUMBER.search(rest[4]) else ""
    return _if_valid(
        " ".join(rest), lambda valid: f"has a field for seconds, which is left out; write '{valid}'{check}"
    )


def _from_one(weekdays: str) -> str:
    """Return days of week that count from 1 for Sunday as they count here; names, `*` and `?` stay."""
    value, separator, of_month = weekdays.partition("#")
    shifted = NUMBER.sub(lambda number: str(int(number.group()) - 1), value) if "/" not in value else value
    return shifted + separator + of_month


def _if_valid(expression: str, words: Callable[[str], str]) -> str | None:
    """Return the words with an expression, if that is one."""
    try:
        parse(expression)
    except InvalidExpression:
        return None
    return words(" ".join(expression.replace("?", "*").split()))
