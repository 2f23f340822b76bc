"""Random faults of all kinds at once, from a seed that is printed and reproduces them.

`make faults SECONDS=600 SEED=7` runs it for longer, or once more.
"""

import asyncio
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random, SystemRandom
from typing import Any
from uuid import UUID

import httpx
import pytest

from db.models import utc_now
from db.states import LostPolicy, MisfirePolicy, OverlapPolicy, RunEventType
from jobs.engine.flow_limits import CATCH_UP
from tests.faults.cluster import Cluster
from tests.faults.conftest import Report
from tests.faults.limits import beyond, limiting, most_answered_at_once
from tests.faults.notifying import failing_orders, first_failures, notifying
from tests.faults.order import LEAD, MILLISECOND, MINUTE, SECOND, Order, mixed_load, whole
from tests.faults.schedule import carry_out, plan_faults
from tests.support.follower import Seen, following
from tests.support.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECONDS = int(os.environ.get("DUETIME_TEST_FAULT_SECONDS") or 15)
SEED = int(os.environ.get("DUETIME_TEST_FAULT_SEED") or SystemRandom().randrange(1_000_000))
SLOWEST, CLOSEST = 1_500 * MILLISECOND, 3_000 * MILLISECOND
"""The longest call of a task that recurs, and the shortest interval of such tasks."""
SETTLES_WITHIN = 90 + SECONDS * (SLOWEST / CLOSEST)
"""Seconds after the faults until all has ended, even if a task whose runs may not overlap missed every instant."""
MOST, RATE = 64, 80
"""The flow limit of all calls: more than what is due needs, and less than what is due at once after a fault."""
AHEAD = 2 * RATE * (CATCH_UP / SECOND)
"""How many calls may have begun before the rate lets them: what is made up for, at two workers."""
MORE = 90 + SETTLES_WITHIN
"""Seconds after which the test gives up on a run that has still not ended."""
REQUEST_AGAIN = 0.2
TIMEOUT = SECONDS + 3 * MORE


def load(random: Random, start: datetime, *, lasts: timedelta) -> list[Order]:
    """Return orders of all policies, with quick targets, slow ones and ones that fail at first, and with cron."""
    end = whole(start + lasts)
    orders = mixed_load(start, lasts=lasts, tasks=27)
    for _ in range(15):
        first = whole(start + random.random() * 3 * SECOND)
        orders.append(
            Order(
                first=first,
                last=end,
                # Longer than a call, so that runs that catch up one after another get to an end.
                every=random.randint(CLOSEST // MILLISECOND, 5_000) * MILLISECOND,
                behavior=random.choice(["slow/300", f"slow/{SLOWEST // MILLISECOND}", "fail/1", "ok"]),
                overlap=random.choice(list(OverlapPolicy)),
                misfire=random.choice(list(MisfirePolicy)),
                on_lost=random.choice(list(LostPolicy)),
            )
        )
    # Each needs at least one instant, and cron's instants are whole minutes.
    orders.extend(
        Order(first=start, last=end, cron=cron, misfire=misfire)
        for cron, gap in (("* * * * *", MINUTE), ("*/2 * * * *", 2 * MINUTE))
        for misfire in MisfirePolicy
        if lasts > gap
    )
    return orders


async def create_one_offs(cluster: Cluster, random: Random, *, until: datetime) -> tuple[list[Order], list[Order]]:
    """Create tasks until an instant, each as long as it takes to be accepted, or refused because it is too late."""
    made: list[Order] = []
    refused: list[Order] = []
    while utc_now() < until:
        order = Order(first=whole(utc_now() + random.randint(500, 4_000) * MILLISECOND), behavior="slow/100")
        (made if await accepted(cluster, order) else refused).append(order)
        await asyncio.sleep(random.random() * 2 * REQUEST_AGAIN)
    return made, refused


async def accepted(cluster: Cluster, order: Order) -> bool:
    """Request a task under one idempotency key until a response comes, and return whether it was created."""
    while True:
        try:
            answer: Any = (await cluster.http.post("/graphql", json=cluster.creation(order))).json()
        except (httpx.HTTPError, ValueError):
            answer = {"errors": "the API is away"}
        if "errors" not in answer:
            task = answer["data"]["createTask"]
            if task["__typename"] == "Task":
                order.id = UUID(task["id"])
                return True
            assert "must be in the future" in task["message"], task
            return False
        await asyncio.sleep(REQUEST_AGAIN)


@pytest.mark.timeout(TIMEOUT)
async def test_random_faults(cluster: Cluster, report: Report, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever happens in whatever order, nothing is lost, doubled or early, and a subscriber sees every event.

    Each failure is told once, and the limit of the target holds.
    """

    def tell(line: str) -> None:
        with capsys.disabled():
            print(f"  {line}")  # noqa: T201 (the seed must be known even if the run hangs or is ended)

    tell(f"\n  faults at random for {SECONDS} s: make faults SECONDS={SECONDS} SEED={SEED}")
    random = Random(SEED)
    lasts = SECONDS * SECOND
    faults = plan_faults(random, lasts=lasts)
    begin, seen = await cluster.newest_event(), len(await cluster.target.calls())
    cursor = (await cluster.ask("{ runEventsCursor }"))["runEventsCursor"]
    try:
        async with (
            limiting(cluster, most=MOST, rate=RATE),
            notifying(cluster) as told,
            asyncio.timeout(SECONDS + MORE),
            following(str(cluster.http.base_url), cursor) as follower,
        ):
            start = whole(utc_now() + LEAD)
            failing = failing_orders(start, lasts=lasts)
            orders = [*load(random, start, lasts=lasts), *failing]
            await cluster.insert(orders)
            async with asyncio.TaskGroup() as group:
                creating = group.create_task(create_one_offs(cluster, random, until=start + lasts))
                turns = {fault.subject: asyncio.Lock() for fault in faults}
                striking = [
                    group.create_task(carry_out(cluster, fault, start=start, turn=turns[fault.subject], tell=tell))
                    for fault in faults
                ]
            await cluster.mend()
            mended_at = max(task.result() for task in striking)
            made, refused = creating.result()
            found = await cluster.settled([*orders, *made], within=SETTLES_WITHIN)
            events = await cluster.events_after(begin)
            await wait_until(lambda: len(follower.seen) >= len(events), what="the subscriber has seen every event")
            failures = {event.task_id for event in events if event.type == RunEventType.FAILED}
            assert set() < failures <= {order.id for order in failing}
            await told.check(cluster, first_failures(events))
    except BaseException:
        tell(f"it was SEED={SEED}")
        raise
    report.add(f"{len(faults)} faults at random, seed {SEED}", found, recovery=found.recovery(mended_at))
    assert not await cluster.named(order.name for order in refused)
    assert not follower.gaps
    assert most_answered_at_once((await cluster.target.calls())[seen:]) <= MOST
    assert beyond(RATE, (event.at for event in events if event.type == RunEventType.STARTED)) <= AHEAD
    assert differences(follower.seen, [Seen(e.type.name, str(e.run_id), e.attempt) for e in events]) == []


def differences(seen: Sequence[Seen], committed: Sequence[Seen]) -> list[str]:
    """Return where two streams of events differ, if they do."""
    if seen == committed:
        return []
    place = next(
        (n for n, (one, other) in enumerate(zip(seen, committed, strict=False)) if one != other),
        min(len(seen), len(committed)),
    )
    return [f"from event {place} on: {seen[place : place + 3]} was seen, {committed[place : place + 3]} committed"]
