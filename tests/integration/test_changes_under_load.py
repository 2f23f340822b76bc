"""Tasks that are due each second change at random: the ledger stays complete, and no change takes effect late."""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.models import Run, utc_now
from db.settings import DatabaseSettings
from db.states import UNFINISHED, MisfirePolicy, OverlapPolicy, RunCause, RunState, TaskStatus
from jobs.errors import Conflict
from jobs.http.body import BodyDraft
from jobs.queue import Queue
from jobs.security.api_keys import ANYBODY
from jobs.security.encryption import SecretKeys
from jobs.settings import JobsSettings
from jobs.tasks import changes, runs
from jobs.tasks.draft import TaskUpdate
from jobs.tasks.transaction import transaction
from jobs.triggers import schedule
from jobs.triggers.columns import trigger_of
from jobs.triggers.revision import TriggerUpdate
from jobs.triggers.schedule import Interval, Trigger
from tests.support.engine import every, opened, runs_of, save, working
from tests.support.interleaving import every_run
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

SECOND = timedelta(seconds=1)
TASKS = 200
CLIENTS = 4
LASTS = 3 * SECOND
CLOCKS_DIFFER = timedelta(milliseconds=5)
"""A worker goes by the database's clock and the client by this host's, and either is read before it is used."""


@dataclass(slots=True)
class Known:
    """What a client knows about one task from its responses."""

    id: UUID
    schedules: list[tuple[Trigger | None, datetime, datetime]]
    """Which trigger the task had from when on, and when that was acknowledged; none once its schedule has ended."""
    payloads: dict[int, Any]
    """What it called with, from which version on."""
    acknowledged: list[tuple[datetime, int]] = field(default_factory=list)
    """When which version was acknowledged."""
    silent: list[tuple[datetime, datetime]] = field(default_factory=list)
    """From which acknowledgement to which request the schedule had to stand still."""
    silent_since: datetime | None = None
    deleted: bool = False

    def payload_of(self, version: int) -> Any:
        """Return the payload that runs of a version have to send."""
        return self.payloads[max(known for known in self.payloads if known <= version)]

    def instants(self, *, until_acknowledged: bool = False) -> list[datetime]:
        """Return all instants at which the task was due, by an enumeration of its triggers.

        A claim may have locked the task when a change was requested, so an instant of the old trigger may still have
        been claimed; `until_acknowledged` includes those instants.
        """
        found: set[datetime] = set()
        for (trigger, since, _), (_, until, acknowledged) in pairwise(self.schedules):
            if trigger is not None:
                last = acknowledged + CLOCKS_DIFFER if until_acknowledged else until
                instants = schedule.instants(trigger, since, count=int((last - since) / SECOND) + 3)
                found |= {instant for instant in instants if instant <= last}
        return sorted(found)


class Client:
    """Changes its tasks one after another, and remembers the responses."""

    def __init__(self, engine: AsyncEngine, queue: Queue, mine: Sequence[Known], *, seed: int) -> None:
        self._engine = engine
        self._queue = queue
        self._mine = mine
        self._random = random.Random(seed)
        self._numbers = 0

    async def go_on(self, until: datetime) -> None:
        """Change tasks at random."""
        ways = [self._payload] * 4 + [
            self._trigger,
            self._pause,
            self._resume,
            self._resume,
            self._run,
            self._cancel_run,
        ]
        rare = [self._cancel, self._delete]
        while utc_now() < until:
            known = self._random.choice([known for known in self._mine if not known.deleted])
            try:
                await self._random.choice(rare if self._random.random() < 0.05 else ways)(known)
            except Conflict:
                # A task whose schedule has ended, or a run that was finished meanwhile.
                continue

    async def end(self) -> None:
        """End all schedules, so that the ledger can be compared."""
        for known in self._mine:
            if not known.deleted:
                await self._cancel(known)

    async def _payload(self, known: Known) -> None:
        self._numbers += 1
        payload = {"n": self._numbers}
        async with transaction(self._engine, self._queue, caller=ANYBODY, secrets=SecretKeys()) as work:
            update = TaskUpdate(action={"body": BodyDraft(payload=payload)})
            task = await changes.update_task(work, known.id, update, now=utc_now())
        known.payloads[task.version] = payload
        known.acknowledged.append((utc_now(), task.version))

    async def _trigger(self, known: Known) -> None:
        now = utc_now()
        trigger = TriggerUpdate(kind=Interval, members={"every_ms": self._random.choice([1_000, 1_300])})
        async with transaction(self._engine, self._queue, caller=ANYBODY, secrets=SecretKeys()) as work:
            task = await changes.update_task(work, known.id, TaskUpdate(trigger=trigger), now=now)
        known.acknowledged.append((utc_now(), task.version))
        if task.status != TaskStatus.CANCELLED:
            known.schedules.append((trigger_of(task), now, utc_now()))

    async def _pause(self, known: Known) -> None:
        async with transaction(self._engine, self._queue, caller=ANYBODY, secrets=SecretKeys()) as work:
            task = await changes.pause_task(work, known.id, now=utc_now())
        known.acknowledged.append((utc_now(), task.version))
        known.silent_since = known.silent_since or utc_now()

    async def _resume(self, known: Known) -> None:
        now, missed = utc_now(), self._random.choice([None, *MisfirePolicy])
        async with transaction(self._engine, self._queue, caller=ANYBODY, secrets=SecretKeys()) as work:
            task = await changes.resume_task(work, known.id, now=now, missed=missed)
        known.acknowledged.append((utc_now(), task.version))
        if known.silent_since is not None:
            known.silent.append((known.silent_since, now))
            known.silent_since = None

    async def _cancel(self, known: Known) -> None:
        now = utc_now()
        async with transaction(self._engine, self._queue, caller=ANYBODY, secrets=SecretKeys()) as work:
            task = await changes.cancel_task(work, known.id, now=now)
        known.acknowledged.append((utc_now(), task.version))
        if known.schedules[-1][0] is not None:
            known.schedules.append((None, now, utc_now()))
        known.silent_since = known.silent_since or utc_now()

    async def _delete(self, known: Known) -> None:
        async with transaction(self._engine, self._queue, caller=ANYBODY, secrets=SecretKeys()) as work:
            await changes.delete_task(work, known.id, now=utc_now())
        known.deleted = True

    async def _run(self, known: Known) -> None:
        async with transaction(self._engine, self._queue, caller=ANYBODY, secrets=SecretKeys()) as work:
            await runs.run_task(work, known.id, now=utc_now())

    async def _cancel_run(self, known: Known) -> None:
        for run in await every_run(self._engine, known.id):
            if run.state in UNFINISHED:
                async with transaction(self._engine, self._queue, caller=ANYBODY, secrets=SecretKeys()) as work:
                    await runs.cancel_run(work, run.id, now=utc_now())


@pytest.fixture
async def queue(jobs_settings: JobsSettings) -> AsyncIterator[Queue]:
    """The clients' queue."""
    opening = Queue.open(str(jobs_settings.redis_url))
    try:
        yield opening
    finally:
        await opening.close()


async def test_changes_at_random(
    database: DatabaseSettings, jobs_settings: JobsSettings, queue: Queue, target: Target
) -> None:
    """Each instant has one run or is counted in one. Each run sends the definition of its version, and no run that was
    claimed after an acknowledgement has an older one.
    """
    async with opened(database) as engine:
        known = await make(engine, target)
        clients = [Client(engine, queue, known[number::CLIENTS], seed=number) for number in range(CLIENTS)]
        async with working(database, jobs_settings), working(database, jobs_settings):
            end = utc_now() + LASTS
            await asyncio.gather(*(client.go_on(end) for client in clients))
            await asyncio.gather(*(client.end() for client in clients))
            await wait_until(lambda: nothing_unfinished(engine), what="no run is left unfinished")
            await wait_until(lambda: nothing_deleted_left(engine), what="the rows of deleted tasks are removed")
        sent: dict[UUID, list[Any]] = defaultdict(list)
        for call in target.calls:
            sent[UUID(call.headers["idempotency-key"])].append(json.loads(call.body))
        kept = [each for each in known if not each.deleted]
        for each in kept:
            its = list(await runs_of(engine, each.id))
            check_instants(each, [run for run in its if run.cause == RunCause.SCHEDULE])
            check_versions(each, its, sent)
        assert len(kept) > TASKS / 2
        assert sum(len(each.acknowledged) for each in kept) > TASKS


async def make(engine: AsyncEngine, target: Target) -> list[Known]:
    """Return tasks with all policies, which start within about a second."""
    start = utc_now() + SECOND / 4
    made = [
        every(
            target.responds(f"/{number}", *answers(number)),
            SECOND,
            start + number * SECOND / TASKS,
            method="POST",
            payload={"n": 0},
            overlap=list(OverlapPolicy)[number % 3],
            misfire=list(MisfirePolicy)[number // 3 % 3],
        )
        for number in range(TASKS)
    ]
    await save(engine, *made)
    return [Known(task.id, [(trigger_of(task), start - SECOND, start)], {1: {"n": 0}}) for task in made]


def answers(number: int) -> list[CannedResponse]:
    """Prepare responses: the first call of some tasks fails, and calls of others take over a second and overlap."""
    match number % 5:
        case 0:
            return [CannedResponse(status=500), CannedResponse()]
        case 1:
            return [CannedResponse(delay=1.2 * SECOND)]
        case _:
            return [CannedResponse()]


def check_instants(known: Known, its: Sequence[Run]) -> None:
    """Check that each instant is accounted for once, and nothing else is."""
    due, nearly_due = known.instants(), known.instants(until_acknowledged=True)
    accounted: list[datetime] = []
    for run in its:
        first = run.missed_since or run.scheduled_for
        covered = [instant for instant in nearly_due if first <= instant <= run.scheduled_for]
        assert len(covered) == run.missed_count + 1, (known, run)
        accounted += covered
    assert len(accounted) == len(set(accounted)), known
    assert set(due) <= set(accounted) <= set(nearly_due), (known, sorted(set(due) ^ set(accounted)))


def check_versions(known: Known, its: Sequence[Run], sent: dict[UUID, list[Any]]) -> None:
    """Check that an acknowledged change applies to everything claimed after it."""
    for run in its:
        assert all(payload == known.payload_of(run.task_version) for payload in sent[run.id]), (known, run)
        if run.cause == RunCause.RETRY or run.state == RunState.MISSED:
            continue
        acknowledged = [version for at, version in known.acknowledged if at + CLOCKS_DIFFER < run.created_at]
        assert run.task_version >= max(acknowledged, default=1), (known, run)
        if run.cause == RunCause.SCHEDULE:
            silent = [(a, b) for a, b in known.silent if a + CLOCKS_DIFFER < run.created_at < b]
            assert not silent, (known, run)
            assert known.silent_since is None or run.created_at <= known.silent_since + CLOCKS_DIFFER, (known, run)


async def nothing_unfinished(engine: AsyncEngine) -> bool:
    """Return whether all runs have ended."""
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT count(*) FROM task_results WHERE finished_at IS NULL"))
        return bool(found.scalar_one() == 0)


async def nothing_deleted_left(engine: AsyncEngine) -> bool:
    """Return whether maintenance has removed everything that was deleted."""
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT count(*) FROM tasks WHERE deleted_at IS NOT NULL"))
        return bool(found.scalar_one() == 0)
