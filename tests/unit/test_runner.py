"""The runner: however an attempt ends, its slot is freed, and a run without an outcome is released."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from db.engine.finishes import Finish
from jobs.cancellation import cancel_and_wait
from jobs.clock import Clock
from jobs.engine.claimed import Attempt
from jobs.engine.in_flight import InFlight
from jobs.engine.runner import STARTED_PER_TURN, AttemptRunner
from jobs.engine.slots import Slots
from jobs.http.body import NO_CONTENT
from jobs.http.client import Response
from jobs.http.request import Action
from jobs.retry import RetryPolicy
from jobs.security.encryption import SecretKeys
from tests.support.waiting import wait_until

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Caller:
    """Makes calls that end when the test says so, or that fail at once with an error that no call should raise."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.started = 0
        self.may_end = asyncio.Event()
        self.error = error

    async def call(self, action: Action, *, headers: Mapping[str, str]) -> Response:
        """Return a success once that is allowed."""
        assert action.url
        assert headers["Idempotency-Key"]
        self.started += 1
        if self.error is not None:
            raise self.error
        await self.may_end.wait()
        return Response(started_at=NOW, duration=SECOND, status_code=200)


def attempts(count: int) -> list[Attempt]:
    """Return attempts of different runs, each to its own host."""
    action = Action(method="GET", url="https://t.example/", headers={}, content=NO_CONTENT, timeout=SECOND, redirects=0)
    return [
        Attempt(
            run_id=UUID(int=n),
            task_id=UUID(int=n),
            task_name="a task",
            epoch=1,
            number=1,
            scheduled_for=NOW,
            host=f"host {n}",
            one_off=True,
            releases=False,
            action=action,
            retry=RetryPolicy(),
        )
        for n in range(count)
    ]


def runner_of(in_flight: InFlight, caller: Caller, *, held: bool = True) -> tuple[AttemptRunner, list[Finish]]:
    """Return a runner whose lease is held or not, and the list to which it adds outcomes."""
    outcomes: list[Finish] = []
    lease: Any = SimpleNamespace(held=held)
    writer: Any = SimpleNamespace(add=outcomes.append)
    runner = AttemptRunner(
        in_flight=in_flight, caller=caller, secrets=SecretKeys(), lease=lease, clock=Clock(), writer=writer
    )
    return runner, outcomes


async def test_a_slot_is_taken_until_the_outcome_is_stored() -> None:
    """A call that has ended still counts, so that outcomes cannot pile up while Postgres is away."""
    slots = Slots(4)
    in_flight, caller = InFlight(slots), Caller()
    runner, outcomes = runner_of(in_flight, caller)
    in_flight.register(attempts(1))
    running = asyncio.create_task(runner.run())
    caller.may_end.set()
    await wait_until(lambda: outcomes and not in_flight.unmade, what="the attempt has an outcome")
    assert (slots.free, len(in_flight)) == (3, 1)
    in_flight.settle((outcomes[0].run_id, outcomes[0].epoch))
    assert (slots.free, len(in_flight), in_flight.needs_reconcile) == (4, 0, False)
    await cancel_and_wait(running)


async def test_a_few_attempts_start_per_turn() -> None:
    """The event loop serves whatever else is waiting between two turns."""
    in_flight, caller = InFlight(Slots(100)), Caller()
    runner, _ = runner_of(in_flight, caller)
    in_flight.register(attempts(3 * STARTED_PER_TURN))
    running = asyncio.create_task(runner.run())
    seen = {caller.started}
    while caller.started < 3 * STARTED_PER_TURN:
        await asyncio.sleep(0)
        seen.add(caller.started)
    assert seen == {0, STARTED_PER_TURN, 2 * STARTED_PER_TURN, 3 * STARTED_PER_TURN}
    in_flight.cancel(in_flight.unmade)
    assert await in_flight.wait_empty(within=10 * SECOND)
    await cancel_and_wait(running)


@pytest.mark.parametrize("moment", ["ready", "before its first step", "calling"])
async def test_a_cancelled_attempt_frees_its_slot(moment: str) -> None:
    """It does so at any moment, and its run is released by the next sweep."""
    slots = Slots(4)
    in_flight, caller = InFlight(slots), Caller()
    runner, outcomes = runner_of(in_flight, caller)
    [attempt] = attempts(1)
    in_flight.register([attempt])
    if moment != "ready":
        running = asyncio.create_task(runner.run())
        # In this turn the runner creates the attempt's task, which has its first step in the next turn.
        await asyncio.sleep(0)
        assert caller.started == 0
        if moment == "calling":
            await wait_until(lambda: caller.started, what="the call has started")
    in_flight.cancel({attempt.key})
    assert await in_flight.wait_empty(within=10 * SECOND)
    assert (slots.free, in_flight.unmade, in_flight.needs_reconcile, outcomes) == (4, set(), True, [])
    if moment != "ready":
        await cancel_and_wait(running)


async def test_no_call_is_made_without_the_lease(caplog: pytest.LogCaptureFixture) -> None:
    """Another worker may have claimed the run by then."""
    in_flight, caller = InFlight(Slots(4)), Caller()
    runner, outcomes = runner_of(in_flight, caller, held=False)
    in_flight.register(attempts(1))
    running = asyncio.create_task(runner.run())
    assert await in_flight.wait_empty(within=10 * SECOND)
    assert (caller.started, outcomes, in_flight.needs_reconcile) == (0, [], True)
    assert [getattr(record, "action", None) for record in caplog.records] == ["attempt_not_begun"]
    await cancel_and_wait(running)


async def test_an_unexpected_error_affects_no_other_attempt(caplog: pytest.LogCaptureFixture) -> None:
    """The error is logged, the run is released, and the runner continues."""
    in_flight, caller = InFlight(Slots(4)), Caller(error=RuntimeError("a bug"))
    runner, outcomes = runner_of(in_flight, caller)
    in_flight.register(attempts(1))
    running = asyncio.create_task(runner.run())
    assert await in_flight.wait_empty(within=10 * SECOND)
    [record] = caplog.records
    assert getattr(record, "action", None) == "work_failed"
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "a bug"
    caller.error = None
    caller.may_end.set()
    in_flight.register(attempts(1))
    await wait_until(lambda: outcomes, what="the next attempt has an outcome")
    await cancel_and_wait(running)
