"""Edits at random moments around instants, on a clock that the test moves: the ledger is what an enumeration expects.

The enumeration judges an instant by the moment at which its call is due, jitter included. An edit keeps what was due
before it, and keeps what has come and still waits for its jitter as long as the new trigger has that instant.
"""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from db.models import Task, utc_now
from db.settings import DatabaseSettings
from db.states import MisfirePolicy, OverlapPolicy, RunState, TaskStatus
from jobs.datetimes import FIRST_INSTANT, MILLISECOND
from jobs.engine.claim import claim_tasks
from jobs.engine.slots import Slots
from jobs.errors import InvalidInput
from jobs.http.body import BodyDraft
from jobs.http.request import ActionDraft
from jobs.settings import JobsSettings
from jobs.tasks import changes, creation
from jobs.tasks.draft import TaskDraft, TaskUpdate
from jobs.triggers import schedule
from jobs.triggers.columns import trigger_of
from jobs.triggers.revision import TriggerUpdate
from jobs.triggers.schedule import Cron, Delayed, Interval, OneOff, Trigger
from tests.support.engine import every, runs_of, save, soon, task_of, working
from tests.support.interleaving import WORKER, changing, every_run
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

SECOND = timedelta(seconds=1)
HISTORIES = 12
EDITS = 10
LONG_ENOUGH = timedelta(minutes=5)


class Expected:
    """The enumeration: which instants of a task have to be accounted for, given its edits."""

    def __init__(self, trigger: Trigger, *, task_id: UUID, now: datetime) -> None:
        self.trigger = trigger
        self.accounted: set[datetime] = set()
        """Instants that have a run, or are counted in one."""
        self.paused = False
        self.may_miss = False
        """Whether the task was paused, or became a one-off while a call was due."""
        self._task_id = task_id
        self._since = now
        """The trigger applies to instants after this moment."""
        self._kept: set[datetime] = set()
        """Instants up to that moment whose calls are still to be made."""
        self._due: set[datetime] = set()
        """Those of them that were due before the last edit."""
        self._counts_from = now

    def is_due(self, instant: datetime, now: datetime) -> bool:
        """Return whether the call for an instant is due."""
        return instant in self._due or self.due_at(instant) <= now

    def due_at(self, instant: datetime) -> datetime:
        """Return when the call for an instant is due by the present trigger."""
        return schedule.due_at(self.trigger, instant, task_id=self._task_id)

    def come(self, now: datetime) -> set[datetime]:
        """Return the instants that have come and are not accounted for."""
        found = set(self._kept)
        instant = schedule.next_instant(self.trigger, self._since)
        while instant is not None and instant <= now:
            found.add(instant)
            instant = schedule.next_instant(self.trigger, instant)
        return found - self.accounted

    def claim(self, now: datetime) -> None:
        """Account for everything that is due."""
        self.accounted |= {instant for instant in self.come(now) if self.is_due(instant, now)}

    def edit(self, update: TriggerUpdate, now: datetime) -> None:
        """Apply an edit of the trigger."""
        come = self.come(now)
        due = {instant for instant in come if self.is_due(instant, now)}
        if self.paused or update.kind is OneOff:
            self.accounted |= due
            self.may_miss = self.may_miss or bool(due)
        settled = max(self.accounted | due | {self._counts_from})
        pending = come - due
        new = update.applied_to(self.trigger)
        assert not isinstance(new, Delayed)
        if isinstance(new, Interval) and isinstance(self.trigger, Interval):
            new, kept = self._interval(new, update, settled=settled, pending=pending, now=now)
        else:
            if isinstance(new, Interval) and new.start_at is None:
                new, self._counts_from = replace(new, start_at=now + new.every), now
            kept = {instant for instant in pending if schedule.next_instant(new, instant, inclusive=True) == instant}
        self._due = due - self.accounted
        self.trigger, self._since, self._kept = new, now, kept | self._due

    def _interval(
        self, new: Interval, update: TriggerUpdate, *, settled: datetime, pending: set[datetime], now: datetime
    ) -> tuple[Interval, set[datetime]]:
        old = self.trigger
        assert isinstance(old, Interval)
        waits = old.first_instant > now and old.first_instant - old.every not in {self._counts_from, settled}
        if new.start_at is not None and ("start_at" in update.members or new.every_ms == old.every_ms or waits):
            return new, {instant for instant in pending if (instant - new.first_instant) % new.every == timedelta()}
        start_at = settled + new.every
        while start_at <= now:
            start_at += new.every
        kept = {instant for instant in pending if (instant - settled) % new.every == timedelta()}
        if kept:
            return replace(new, start_at=max(kept)), kept
        self._counts_from = start_at - new.every
        return replace(new, start_at=start_at), set()


class History:
    """A task that is edited around its instants, and the claims in between."""

    def __init__(self, engine: AsyncEngine, *, seed: int) -> None:
        self._engine = engine
        self._random = random.Random(seed)
        self._now = utc_now().replace(microsecond=0)
        self._steps: list[Any] = []

    async def run(self) -> None:
        """Create the task, edit it again and again, cancel it, and compare the ledger with the enumeration."""
        trigger = Interval(every_ms=4_000, jitter_ms=2_000)
        draft = TaskDraft(
            name="n",
            trigger=trigger,
            action=ActionDraft(url="http://a/"),
            overlap=OverlapPolicy.ALLOW,
            misfire=self._random.choice([MisfirePolicy.LATEST, MisfirePolicy.SKIP]),
        )
        async with changing(self._engine) as work:
            task = await creation.create_task(work, draft, now=self._now)
        expected = Expected(trigger_of(task), task_id=task.id, now=self._now)
        for _ in range(EDITS):
            await self._go_on(task.id, expected, self._moment(await task_of(self._engine, task.id), expected))
            await self._edit(task.id, expected)
        await self._go_on(task.id, expected, self._moment(await task_of(self._engine, task.id), expected))
        await self._end(task.id, expected)

    def _moment(self, task: Task, expected: Expected) -> datetime:
        """Return a moment around the next instant: before it, amid its jitter, or when the call is due."""
        instant = task.next_run or task.resume_from
        if instant is None:
            return self._now + SECOND
        due_at = expected.due_at(instant)
        moment = self._random.choice(
            [
                instant - SECOND / 2,
                instant,
                instant + (due_at - instant) * self._random.random(),
                due_at - MILLISECOND,
                due_at,
                due_at + MILLISECOND,
                due_at + SECOND / 2,
            ]
        )
        return max(self._now + MILLISECOND, min(moment, self._now + LONG_ENOUGH))

    async def _go_on(self, task_id: UUID, expected: Expected, moment: datetime) -> None:
        """Claim whatever is due until a moment; what is due just then may stay for the edit."""
        while True:
            due_at = (await task_of(self._engine, task_id)).due_at
            if due_at is None or due_at > moment:
                break
            if due_at + 2 * MILLISECOND >= moment and self._random.random() < 0.5:
                break
            await self._claim(max(due_at, self._now), expected)
        self._now = moment

    async def _claim(self, now: datetime, expected: Expected) -> None:
        self._steps.append((now, "claim"))
        await claim_tasks(self._engine, worker_id=WORKER, slots=Slots(1000), now=now, since=FIRST_INSTANT, limit=10)
        expected.claim(now)

    async def _edit(self, task_id: UUID, expected: Expected) -> None:
        now, chance = self._now, self._random.random()
        async with changing(self._engine) as work:
            if chance < 0.1:
                self._steps.append((now, "rename"))
                update = TaskUpdate(name=f"{now}", action={"body": BodyDraft(payload=f"{now}")})
                await changes.update_task(work, task_id, update, now=now)
            elif chance < 0.2:
                self._steps.append((now, "pause"))
                task = await changes.locked(work, task_id)
                if task.status == TaskStatus.COMPLETED:
                    return
                await changes.pause_task(work, task_id, now=now)
                expected.paused = expected.may_miss = True
            elif chance < 0.4:
                self._steps.append((now, "resume"))
                task = await changes.locked(work, task_id)
                if task.status == TaskStatus.COMPLETED:
                    return
                await changes.resume_task(work, task_id, now=now)
                expected.paused = False
            else:
                trigger = self._trigger()
                self._steps.append((now, trigger))
                try:
                    await changes.update_task(work, task_id, TaskUpdate(trigger=trigger), now=now)
                except InvalidInput as error:
                    self._steps.append((now, f"refused: {error}"))
                    return
                expected.edit(trigger, now)

    def _trigger(self) -> TriggerUpdate:
        """Return a random trigger, some of whose members are absent."""
        choose = self._random.choice
        kind = choose([Cron, Cron, Interval, Interval, Interval, OneOff])
        if kind is OneOff:
            return TriggerUpdate(kind=OneOff, members={"at": self._now + choose([1, 3, 20]) * SECOND})
        optional: dict[str, Any] = {"end_at": choose([None, None, self._now + 2 * SECOND, self._now + 30 * SECOND])}
        if kind is Cron:
            members: dict[str, Any] = {
                "expression": choose(["* * * * *", "*/1 * * * *", "*/2 * * * *", "0-59 * * * *"])
            }
            optional["jitter_ms"] = choose([None, 0, 20_000, 60_000])
            optional["timezone"] = choose([None, "Europe/Berlin"])
        else:
            members = {"every_ms": choose([2_000, 3_000, 4_000, 4_000, 6_000])}
            optional["jitter_ms"] = choose([None, 0, 1_500, 2_000])
            optional["start_at"] = self._now + choose([1, 5]) * SECOND
        chances = {"jitter_ms": 0.6, "timezone": 0.3, "start_at": 0.15, "end_at": 0.3}
        return TriggerUpdate(
            kind=kind,
            members=members
            | {name: value for name, value in optional.items() if self._random.random() < chances[name]},
        )

    async def _end(self, task_id: UUID, expected: Expected) -> None:
        missed = [run.scheduled_for for run in await every_run(self._engine, task_id) if run.state == RunState.MISSED]
        assert expected.may_miss or not missed, self._story(expected, f"missed {missed}")
        expected.claim(self._now)
        async with changing(self._engine) as work:
            await changes.cancel_task(work, task_id, now=self._now)
        covered: list[datetime] = []
        for run in await every_run(self._engine, task_id):
            its = sorted(
                instant
                for instant in expected.accounted
                if (run.missed_since or run.scheduled_for) <= instant <= run.scheduled_for
            )
            assert len(its) == run.missed_count + 1, self._story(expected, f"{run.scheduled_for} covers {its}")
            covered += its
        assert sorted(covered) == sorted(expected.accounted), self._story(expected, f"{covered}")

    def _story(self, expected: Expected, found: str) -> str:
        """Return what happened, for the message of a failure."""
        lines = [f"{moment.time()} {step}" for moment, step in self._steps]
        return "\n".join([*lines, f"found {found}", f"expected {sorted(map(str, expected.accounted))}"])


async def test_edits_around_instants_lose_nothing(engine: AsyncEngine) -> None:
    """Each instant whose moment has come is accounted for once, and nothing else is."""
    for seed in range(HISTORIES):
        await History(engine, seed=seed).run()


@pytest.mark.parametrize("what", ["the same trigger", "its end", "its period", "its name"])
async def test_a_task_that_is_edited_all_the_time_fires(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target, what: str
) -> None:
    """Edits that come faster than the instants, also amid the jitter and when a call is due, hold up no call."""
    start = soon()
    # A new period has other instants, so that it drops the one whose call waits for its jitter.
    jitter_ms = 0 if what == "its period" else 400
    [task_id] = await save(engine, every(target.responds("/", CannedResponse()), SECOND, start, jitter_ms=jitter_ms))
    numbers = iter(range(1_000_000))

    async def edit() -> bool:
        number, now = next(numbers), utc_now()
        members: dict[str, Any] = {"every_ms": 1_000 + (number % 2 if what == "its period" else 0)}
        if what == "its end":
            members["end_at"] = now + timedelta(hours=1)
        update = TaskUpdate(trigger=TriggerUpdate(kind=Interval, members=members))
        async with changing(engine) as work:
            await changes.update_task(
                work, task_id, TaskUpdate(name=f"{now}") if what == "its name" else update, now=now
            )
        return len(target.calls) >= 3

    async with working(database, jobs_settings):
        await wait_until(lambda: target.calls, what="the worker is there")
        await wait_until(edit, what="the task has fired twice more")
    if what != "its period":
        # On a stalled machine, one run may stand for several instants.
        places = [(run.scheduled_for - start) / SECOND for run in await runs_of(engine, task_id)]
        counts = [run.missed_count + 1 for run in await runs_of(engine, task_id)]
        assert places == [sum(counts[: number + 1]) - 1 for number in range(len(counts))]
