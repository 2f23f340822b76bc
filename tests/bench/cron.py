"""`python -m tests.bench.cron`: measures what cron triggers cost, and prints a Markdown table of CPU times.

Needs no servers. Each figure is the fastest of several rounds, since other programs disturb the rest. "Cold" begins
with nothing known about the expression, as after a start; "warm" has what an earlier round left in the caches.
"""

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from db.states import MisfirePolicy, OverlapPolicy, TriggerType
from jobs.datetimes import FIRST_INSTANT
from jobs.engine import misfire
from jobs.triggers import cron, day_steps, due, schedule
from jobs.triggers.schedule import Cron
from tests.support.caches import clear_caches

NOW = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)
STEPS = 100
MISSED = 1_000
BACKLOG = 5_000
"""So many missed instants that the first of the newest 1,000 is reached backwards."""

COMMON = (
    Cron(expression="* * * * *"),
    Cron(expression="*/5 * * * *"),
    Cron(expression="0 9 * * mon-fri", timezone="Europe/Berlin"),
    Cron(expression="30 2 1,15 * mon", timezone="America/New_York"),
)
RARE = (Cron(expression="0 0 29 2 *"), Cron(expression="0 0 29 2 */7"))
TRIGGERS = (*COMMON, *RARE)


def upcoming(trigger: Cron) -> Callable[[], object]:
    """Compute the next 100 instants, as `upcoming(count: 100)` and `previewTrigger` do."""
    return partial(schedule.instants, trigger, NOW, count=STEPS)


def backwards(trigger: Cron) -> Callable[[], object]:
    """Compute the 100 instants before the present, one by one."""

    def work() -> None:
        instant = NOW
        for _ in range(STEPS):
            instant = due.before(trigger, instant, oldest=FIRST_INSTANT)

    return work


def catching_up(trigger: Cron) -> Callable[[], object]:
    """Plan 1,000 missed instants, as one claim after the other does under the misfire policy ALL."""
    instants = schedule.instants(trigger, NOW, count=MISSED)

    def work() -> None:
        next_run: datetime | None = instants[0]
        while next_run is not None and next_run <= instants[-1]:
            next_run = misfire.plan(task_row(next_run), trigger, now=instants[-1]).reschedule.next_run

    return work


def first_claim(trigger: Cron) -> Callable[[], object]:
    """Plan the first claim after 5,000 missed instants under the misfire policy ALL, which runs the newest 1,000."""
    instants = schedule.instants(trigger, NOW, count=BACKLOG)
    return partial(misfire.plan, task_row(instants[0]), trigger, now=instants[-1])


MEASURED = (
    (f"upcoming({STEPS})", upcoming, TRIGGERS),
    (f"{STEPS} steps back", backwards, TRIGGERS),
    (f"misfire ALL, {MISSED:,} instants planned one by one", catching_up, COMMON),
    (f"misfire ALL, first claim after {BACKLOG:,} missed", first_claim, COMMON),
)


def task_row(next_run: datetime) -> Any:
    """Return what a claim knows of a task."""
    return SimpleNamespace(
        id=UUID(int=1),
        version=1,
        host="",
        next_run=next_run,
        due_at=next_run,
        settled_until=None,
        trigger_type=TriggerType.CRON,
        misfire=MisfirePolicy.ALL,
        overlap=OverlapPolicy.SKIP,
    )


def fastest(work: Callable[[], object], *, rounds: int, cold: bool) -> float:
    """Return the CPU seconds of the fastest round."""
    work()
    times = []
    for _ in range(rounds):
        if cold:
            clear_caches(cron, day_steps)
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cron", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print("| ms | caches | " + " | ".join(f"`{each.expression}`" for each in TRIGGERS) + " |")  # noqa: T201
    print("| --- " * (2 + len(TRIGGERS)) + "|")  # noqa: T201
    for what, prepare, triggers in MEASURED:
        works = [prepare(trigger) for trigger in triggers]
        for cold in (True, False):
            figures = [f"{fastest(work, rounds=rounds, cold=cold) * 1e3:,.2f}" for work in works]
            figures += [""] * (len(TRIGGERS) - len(triggers))
            print(f"| {what} | {'cold' if cold else 'warm'} | " + " | ".join(figures) + " |")  # noqa: T201


if __name__ == "__main__":
    main()
