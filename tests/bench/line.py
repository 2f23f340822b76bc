"""A row of the table that the benchmarks print."""

import operator
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median as median_of

COMPARISONS = {"at least": operator.ge, "at most": operator.le}


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table. `wanted` is the target of the ratio, such as `at most 3`, or empty without one.

    With a `unit`, `ratio` is a difference in that unit.
    """

    what: str
    ours: str
    bare: str
    ratio: float
    wanted: str
    unit: str = ""

    @property
    def verdict(self) -> str:
        """Return whether the ratio meets the target."""
        if not self.wanted:
            return ""
        words, _, bound = self.wanted.rpartition(" ")
        return "ok" if COMPARISONS[words](self.ratio, float(bound)) else "misses"

    def __str__(self) -> str:
        wanted = self.wanted and f"{self.wanted}{self.unit}"
        return f"| {self.what} | {self.ours} | {self.bare} | {self.ratio:.2f}{self.unit} | {wanted} | {self.verdict} |"


def median(values: Iterable[float]) -> float:
    """Return the median of the rounds."""
    return median_of(values)
