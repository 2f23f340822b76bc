"""The plan for a due task: whatever was missed, every instant has one run or is counted in one."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.states import MisfirePolicy, OverlapPolicy, RunState, TaskStatus, TriggerType
from jobs.engine.misfire import Plan, plan
from jobs.triggers import schedule
from jobs.triggers.due import CAUGHT_UP, LATE, oldest_of_newest
from jobs.triggers.schedule import Cron, Interval, OneOff, Trigger

START = datetime(2026, 3, 28, 22, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
MILLISECOND = timedelta(milliseconds=1)
EVERY_MINUTE = Interval(every_ms=60_000, start_at=START)
TASK_ID = UUID(int=7)


def due_task(trigger: Trigger, *, next_run: datetime, misfire: MisfirePolicy) -> Any:
    """Return a row of the claim with the columns that a plan uses."""
    kind = {OneOff: TriggerType.ONE_OFF, Cron: TriggerType.CRON, Interval: TriggerType.INTERVAL}[type(trigger)]
    return SimpleNamespace(
        id=TASK_ID,
        version=1,
        host="target",
        flow_key="",
        trigger_type=kind,
        next_run=next_run,
        due_at=schedule.due_at(trigger, next_run, task_id=TASK_ID),
        settled_until=None,
        misfire=misfire,
        overlap=OverlapPolicy.SKIP,
    )


def planned(trigger: Trigger, misfire: MisfirePolicy, *, now: datetime, next_run: datetime = START) -> Plan:
    """Return the plan for a task that is due from `next_run` on."""
    return plan(due_task(trigger, next_run=next_run, misfire=misfire), trigger, now=now)


@pytest.mark.parametrize("misfire", MisfirePolicy)
def test_instant_that_is_claimed_in_time_is_not_missed(misfire: MisfirePolicy) -> None:
    """Up to ten seconds late it runs, unless the overlap policy skips it."""
    [run], reschedule = planned(EVERY_MINUTE, misfire, now=START + LATE)
    assert (run.scheduled_for, run.verdict, run.overlap, run.missed_count) == (START, None, OverlapPolicy.SKIP, 0)
    assert (reschedule.next_run, reschedule.due_at, reschedule.settled_until) == (START + MINUTE, START + MINUTE, START)


@pytest.mark.parametrize(
    ("misfire", "verdict", "overlap"),
    [
        (MisfirePolicy.LATEST, None, OverlapPolicy.SKIP),
        (MisfirePolicy.SKIP, RunState.MISSED, OverlapPolicy.SKIP),
        (MisfirePolicy.ALL, None, OverlapPolicy.ALLOW),
    ],
)
def test_instant_that_is_later_is_missed(
    misfire: MisfirePolicy, verdict: RunState | None, overlap: OverlapPolicy
) -> None:
    """It is missed even if no later instant is due yet."""
    [run], reschedule = planned(EVERY_MINUTE, misfire, now=START + LATE + MILLISECOND)
    assert (run.scheduled_for, run.verdict, run.overlap, run.missed_count) == (START, verdict, overlap, 0)
    assert reschedule.due_at == START + MINUTE


def test_jitter_does_not_count_as_lateness() -> None:
    """Lateness is counted from the instant plus its jitter, which delays the call on purpose."""
    trigger = Interval(every_ms=60_000, start_at=START, jitter_ms=60_000)
    due = schedule.due_at(trigger, START, task_id=TASK_ID)
    assert due > START
    [run], _ = planned(trigger, MisfirePolicy.SKIP, now=due + LATE)
    assert run.verdict is None
    [run], _ = planned(trigger, MisfirePolicy.SKIP, now=due + LATE + MILLISECOND)
    assert run.verdict == RunState.MISSED


def test_call_that_waited_for_a_jitter_which_is_gone_is_not_late() -> None:
    """An update that removes the jitter makes the call due at that moment, and SKIP runs it."""
    row = due_task(EVERY_MINUTE, next_run=START, misfire=MisfirePolicy.SKIP)
    row.due_at = START + 40 * SECOND
    [run], _ = plan(row, EVERY_MINUTE, now=START + 41 * SECOND)
    assert (run.scheduled_for, run.verdict) == (START, None)
    [run], _ = plan(row, EVERY_MINUTE, now=row.due_at + LATE + MILLISECOND)
    assert run.verdict == RunState.MISSED


@pytest.mark.parametrize(
    "trigger", [Interval(every_ms=1_000, start_at=START - 5 * SECOND), Cron(expression="* * * * *")]
)
@pytest.mark.parametrize("misfire", MisfirePolicy)
def test_instants_of_a_new_trigger_before_its_update_were_never_due(trigger: Trigger, misfire: MisfirePolicy) -> None:
    """The instant that an update has kept runs by itself; the new trigger applies from the update on."""
    updated = START + 130 * SECOND
    row = due_task(trigger, next_run=START, misfire=misfire)
    row.due_at, row.settled_until = updated, updated
    [run], reschedule = plan(row, trigger, now=updated)
    assert (run.scheduled_for, run.missed_count, run.verdict) == (START, 0, None)
    following = schedule.next_instant(trigger, updated)
    assert (reschedule.next_run, reschedule.settled_until) == (following, updated)


@pytest.mark.parametrize("surplus", [-1, 0, 1, 2, CAUGHT_UP - 1, CAUGHT_UP, CAUGHT_UP + 1, 5 * CAUGHT_UP])
def test_newest_thousand_are_found_from_either_end(surplus: int) -> None:
    """They are found for an interval, and for cron across a spring gap."""
    for trigger in (EVERY_MINUTE, Cron(expression="*/2 * * * *", timezone="Europe/Berlin")):
        found = schedule.instants(trigger, START - SECOND, count=CAUGHT_UP + surplus)
        assert oldest_of_newest(found[0], found[-1], trigger) == found[max(0, surplus)]


@given(
    misfire=st.sampled_from(MisfirePolicy),
    every=st.integers(1, 100),
    jitter=st.integers(0, 1_000),
    number=st.integers(1, 30),
    waits=st.lists(st.integers(0, 300), max_size=20),
)
def test_every_instant_is_accounted_for_once(
    misfire: MisfirePolicy, every: int, jitter: int, number: int, waits: list[int]
) -> None:
    """At whatever times workers claim, an instant has its own run or lies in the range of one, and none runs early."""
    trigger = Interval(
        every_ms=every * 1_000,
        start_at=START,
        end_at=START + (number - 1) * every * SECOND,
        jitter_ms=every * jitter,
    )
    next_run: datetime | None = START
    accounted: list[datetime] = []
    now = START
    for wait in [*waits, 100_000, *[0] * number]:
        now += wait * SECOND
        if next_run is None or schedule.due_at(trigger, next_run, task_id=TASK_ID) > now:
            continue
        runs, reschedule = planned(trigger, misfire, now=now, next_run=next_run)
        for run in runs:
            assert run.due_at <= now
            since = run.missed_since or run.scheduled_for
            covered = [*schedule.instants(trigger, since - MILLISECOND, count=run.missed_count), run.scheduled_for]
            assert schedule.count_between(trigger, since, run.scheduled_for) == run.missed_count
            accounted += covered
        assert reschedule.settled_until == accounted[-1]
        next_run = reschedule.next_run
        if next_run is None:
            assert reschedule.status == TaskStatus.COMPLETED
    assert accounted == schedule.instants(trigger, START - SECOND, count=number + 1)
