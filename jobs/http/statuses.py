"""Sets of HTTP statuses as people write them: `2xx`, `404` or `200-204`."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from jobs.problems import Problem

FIRST_STATUS, LAST_STATUS = 200, 599
MAX_ITEMS = 50
PATTERN = "^(?:[2-5][xX]{2}|[2-5][0-9]{2}(?:-[2-5][0-9]{2})?)$"
"""The items that are accepted, for JSON Schema."""
CLASS = re.compile(r"(?P<hundreds>[2-5])xx", re.IGNORECASE)
RANGE = re.compile(r"(?P<first>[0-9]{3})(?:-(?P<last>[0-9]{3}))?")
SUCCESS = ("2xx",)


@lru_cache(maxsize=1_024)
def statuses(written: tuple[str, ...]) -> frozenset[int]:
    """Return the statuses that a list stands for. Raises `ValueError` for an item that is not a status."""
    return frozenset(status for item in written for status in item_range(item))


def item_range(item: str) -> range:
    """Return the statuses that an item stands for. Raises `ValueError`, whose text says what is wrong."""
    if match := CLASS.fullmatch(item):
        first = int(match["hundreds"]) * 100
        return range(first, first + 100)
    match = RANGE.fullmatch(item)
    if match is None:
        raise ValueError(f"{item[:40]!r} is not a status; write '2xx', '404' or '200-204'")
    first, last = sorted((int(match["first"]), int(match["last"] or match["first"])))
    if first < FIRST_STATUS or last > LAST_STATUS:
        raise ValueError(f"{item!r} is out of range; statuses are {FIRST_STATUS} to {LAST_STATUS}")
    return range(first, last + 1)


def problems_of(items: Sequence[str], member: str) -> Iterator[Problem]:
    """Yield what is wrong with a list of statuses."""
    if len(items) > MAX_ITEMS:
        yield Problem((member,), f"has {len(items):,} items; at most {MAX_ITEMS} are accepted")
    for place, item in enumerate(items[:MAX_ITEMS]):
        try:
            item_range(item)
        except ValueError as error:
            yield Problem((member, str(place)), str(error))
