"""Cron expressions and their instants, on which two independent implementations agreed."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from jobs.triggers import validation
from jobs.triggers.schedule import Cron, instants, next_instant
from tests.support.last_and_nth import AFTER, UNTIL, digest

DATA = Path(__file__).parent.parent / "data"
VECTORS: list[dict[str, Any]] = json.loads((DATA / "cron.json").read_text())
REFUSED: list[str] = json.loads((DATA / "cron-refused.json").read_text())
LAST_AND_NTH: list[dict[str, Any]] = json.loads((DATA / "cron-last-and-nth.json").read_text())
NOW = datetime(2026, 1, 15, 9, 17, tzinfo=UTC)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['class']}: {v['expr']} {v['tz']} {v['after']}")
def test_an_expression_fires_at_the_expected_instants(vector: dict[str, Any]) -> None:
    """The next instants after the reference are those of the vector."""
    trigger = Cron(expression=vector["expr"], timezone=vector["tz"])
    expected = [datetime.fromisoformat(instant) for instant in vector["expected"]]

    assert instants(trigger, datetime.fromisoformat(vector["after"]), count=len(expected)) == expected


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['class']}: {v['expr']} {v['tz']} {v['after']}")
def test_an_expression_of_a_vector_is_accepted(vector: dict[str, Any]) -> None:
    """A task can have each of the expressions, unchanged."""
    trigger = Cron(expression=vector["expr"], timezone=vector["tz"])

    assert validation.check(trigger, now=NOW) == (trigger, [])


@pytest.mark.parametrize("expression", REFUSED, ids=lambda expression: expression[:30])
def test_an_expression_is_refused(expression: str) -> None:
    """Each expression is refused with one problem, at `cron.expression`."""
    _, problems = validation.check(Cron(expression=expression), now=NOW)

    assert [problem.path for problem in problems] == [("cron", "expression")]


def every_instant(trigger: Cron, after: datetime) -> Iterator[datetime]:
    """Yield the instants after `after`."""
    instant = after
    while (following := next_instant(trigger, instant)) is not None:
        instant = following
        yield instant


@pytest.mark.parametrize("row", LAST_AND_NTH, ids=lambda row: f"{row['expr']} {row['tz']}")
def test_last_and_nth_days_are_those_of_two_other_implementations(row: dict[str, Any]) -> None:
    """Over ten years the instants of `L` and `#` are those of cronsim and croner (`make vectors`)."""
    trigger = Cron(expression=row["expr"], timezone=row["tz"])
    found = list(takewhile(lambda instant: instant < UNTIL, every_instant(trigger, AFTER)))

    assert len(found) == row["count"]
    assert digest(found) == row["sha256"]
