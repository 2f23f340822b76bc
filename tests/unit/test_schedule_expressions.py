"""Schedules as people write them: which are accepted, what they mean, and what the others are told."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.triggers import validation
from jobs.triggers.schedule import Cron, describe, instants

DATA = Path(__file__).parent.parent / "data"
SCHEDULES: list[dict[str, Any]] = json.loads((DATA / "expressions.json").read_text())
NOW = datetime(2026, 11, 28, 10, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule["text"])
def test_a_schedule_is_understood_or_refused(schedule: dict[str, Any]) -> None:
    """An accepted one has its expression, its description and its next instants; any other gets a message."""
    trigger, problems = validation.check(Cron(expression=schedule["text"]), now=NOW)
    if "refused" in schedule:
        assert [problem.message for problem in problems] == [schedule["refused"]]
        return
    assert problems == []
    assert isinstance(trigger, Cron)
    assert trigger.expression == schedule["expression"]
    assert describe(trigger) == schedule["description"]
    following = [datetime.fromisoformat(instant) for instant in schedule["next"]]
    assert instants(trigger, NOW, count=len(following)) == following
