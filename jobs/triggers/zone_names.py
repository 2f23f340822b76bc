"""The names of time zones, and what to write instead of invalid ones."""

import re
from difflib import get_close_matches
from functools import lru_cache
from importlib import resources

from tzlocal.windows_tz import win_tz

NO_PLACES = {"Factory"}
"""Entries of the time zone database that stand for no place and no offset."""

OFFSET = re.compile(r"(?:UTC|GMT|Z)?\s*(?P<sign>[+-])(?P<hours>[0-9]{1,2})(?::?(?P<minutes>[0-9]{2}))?", re.IGNORECASE)
ABBREVIATION = re.compile(r"[A-Z]{2,5}")
FARTHEST_BEHIND, FARTHEST_AHEAD = 12, 14
LIKENESS = 0.8
EXAMPLES = "an IANA name such as Europe/Berlin or UTC"


class UnknownZone(ValueError):
    """The name is not in the time zone database. The message says what to write instead."""


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return every name in the pinned time zone database that a trigger may have."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text("ascii").split()) - NO_PLACES


def unknown(name: str) -> UnknownZone:
    """Return the error for a name that is not in the database."""
    shown = name if len(name) <= 40 else f"{name[:40]}..."
    return UnknownZone(f"{shown!r} is not a time zone; {_advice(name[:40])}")


def _advice(name: str) -> str:
    windows = {windows.lower(): place for windows, place in win_tz.items()}
    if name.lower() in windows:
        return f"it is the name in Windows; write {windows[name.lower()]}"
    if offset := OFFSET.fullmatch(name.strip()):
        return _advice_for_offset(int(f"{offset['sign']}{offset['hours']}"), minutes=int(offset["minutes"] or 0))
    known = {each.lower(): each for each in sorted(zone_names())}
    if name.lower() in known:
        return f"did you mean {known[name.lower()]}?"
    if ABBREVIATION.fullmatch(name):
        return f"an abbreviation does not say when the clocks change; give {EXAMPLES}"
    near = get_close_matches(name.lower(), known, n=1, cutoff=LIKENESS)
    return f"did you mean {known[near[0]]}?" if near else f"give {EXAMPLES}"


def _advice_for_offset(hours: int, *, minutes: int) -> str:
    if minutes or not -FARTHEST_BEHIND <= hours <= FARTHEST_AHEAD:
        return f"give {EXAMPLES} in place of an offset"
    if hours == 0:
        return "write UTC"
    direction = "ahead of" if hours > 0 else "behind"
    amount = "1 hour" if abs(hours) == 1 else f"{abs(hours)} hours"
    return (
        f"write Etc/GMT{-hours:+d}, whose sign is the other way round: it is {amount} {direction} UTC all year; or "
        "give the name of a place, such as Europe/Berlin, whose clocks may change"
    )
