"""Writes tests/data/cron-last-and-nth.json: `L` and `#` in cron expressions, over ten years in four time zones.

`make vectors` runs it. Two independent implementations compute the instants, cronsim and croner, and a row is written
only if they agree. The file has a digest of the instants, since there are thousands of them.
"""

import json
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from cronsim import CronSim

from tests.support.cron_oracle import zone
from tests.support.node import NODE

PATH = Path(__file__).parents[1] / "data" / "cron-last-and-nth.json"
CRONER = Path(__file__).with_name("croner.ts")
AFTER, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
EXPRESSIONS = (
    "0 0 L * *",
    "30 2 L * *",
    "15 12 L 2,4,12 *",
    "0 9 15,L * *",
    "0 9 L * mon",
    "0 0 * * friL",
    "30 2 * * 0L",
    "30 2 * * 7L",
    "0 9 * 3,10 sunL",
    "0 9 * * mon#1",
    "30 2 * * 0#2",
    "0 9 * * 1#5",
    "0 9 * 11 thu#4",
    "0 9 * * tue#2,tue#4",
    "0 9 * * mon#1,friL",
    "0 9 * * wed,fri#1",
    "0 9 1 * fri#3",
    "*/20 1-2 * * sat#2",
)


WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def with_numbers(expression: str) -> str:
    """Return an expression with numbers for days of the week, since neither of the two reads `friL`."""
    for number, name in enumerate(WEEKDAYS):
        expression = expression.replace(name, str(number))
    return expression


def digest(instants: Sequence[datetime]) -> str:
    """Return a digest of instants."""
    return sha256("\n".join(instant.astimezone(UTC).isoformat() for instant in instants).encode()).hexdigest()


def by_cronsim(expression: str, zone_name: str) -> list[datetime]:
    """Return the instants between `AFTER` and `UNTIL` by cronsim."""
    found: list[datetime] = []
    for instant in CronSim(with_numbers(expression), AFTER.astimezone(zone(zone_name))):
        if instant.astimezone(UTC) >= UNTIL:
            break
        found.append(instant.astimezone(UTC))
    return found


def by_croner(cases: Sequence[tuple[str, str]]) -> Iterator[list[datetime]]:
    """Yield the same by croner, which starts once for all."""
    questions = [
        json.dumps(
            {
                "expression": with_numbers(expression),
                "zone": zone_name,
                "after": AFTER.isoformat(),
                "until": UNTIL.isoformat(),
            }
        )
        for expression, zone_name in cases
    ]
    output = subprocess.run(
        [NODE, CRONER], input="\n".join(questions), capture_output=True, text=True, check=True
    ).stdout
    for line in output.splitlines():
        yield [datetime.fromisoformat(instant) for instant in json.loads(line)]


def rows() -> Iterator[dict[str, Any]]:
    """Yield a row for each expression in each zone. Raises `SystemExit` where the two disagree."""
    cases = [(expression, zone_name) for expression in EXPRESSIONS for zone_name in ZONES]
    for (expression, zone_name), theirs in zip(cases, by_croner(cases), strict=True):
        found = by_cronsim(expression, zone_name)
        if found != theirs:
            odd = sorted({*found} ^ {*theirs})
            raise SystemExit(f"cronsim and croner disagree on {expression!r} in {zone_name} at {odd[0]}")
        yield {"expr": expression, "tz": zone_name, "count": len(found), "sha256": digest(found)}


if __name__ == "__main__":
    PATH.write_text("[\n" + ",\n".join(f" {json.dumps(row)}" for row in rows()) + "\n]\n")
