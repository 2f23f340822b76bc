"""A receiver that is notified of failed tasks, for tests of what happens to notifications under faults."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from db.models import RunEvent
from db.states import RunEventType, RunState
from jobs.cancellation import cancel_and_wait
from jobs.notifications.message import KEPT_ITEMS
from tests.faults.cluster import Cluster
from tests.faults.order import Order, whole
from tests.support.notifications import CREATE_CHANNEL, CREATE_RULE, DELIVERIES, Webhooks
from tests.support.target import running_target
from tests.support.waiting import wait_until

DELETE_RULE = "mutation ($id: ID!) { deleteNotificationRule(id: $id) { __typename } }"
DELETE_CHANNEL = "mutation ($id: ID!) { deleteChannel(id: $id) { __typename } }"
FAILING = 30
READ_EVERY = 60
"""Seconds."""
FAILURES = {RunEventType.FAILED, RunEventType.UNKNOWN}
TOLD_WITHIN = 60
"""A message whose delivery was cut off is sent again when its lease has run out."""


class Told:
    """What the receiver has received about tasks that failed."""

    def __init__(self, hooks: Webhooks) -> None:
        self._hooks = hooks
        self._read = 0
        self._messages: dict[str, dict[str, Any]] = {}

    def messages(self) -> list[dict[str, Any]]:
        """Return what the messages say. One that was sent twice has the same id, and counts once."""
        calls = self._hooks.target.calls_of(self._hooks.path)
        for call in calls[self._read :]:
            self._messages[call.headers["webhook-id"]] = self._hooks.message_of(call)["data"]
        self._read = len(calls)
        return list(self._messages.values())

    async def keep_reading(self) -> None:
        """Read what arrives until cancelled, because a signature is valid for five minutes."""
        while True:
            self.messages()
            await asyncio.sleep(READ_EVERY)

    def number(self) -> int:
        """Return how many failures were told."""
        return sum(message["count"] for message in self.messages())

    async def check(self, cluster: Cluster, failed: Collection[UUID]) -> None:
        """Wait until the failure of each run was told, and check that none was twice and nothing is under way."""
        await wait_until(lambda: self.number() >= len(failed), what="all failures are told", within=TOLD_WITHIN)

        async def all_recorded() -> bool:
            found = (await cluster.ask(DELIVERIES, {"filter": {}}))["notificationDeliveries"]["nodes"]
            return {delivery["state"] for delivery in found} == {"DELIVERED"}

        await wait_until(all_recorded, what="all deliveries are recorded", within=TOLD_WITHIN)
        assert self.number() == len(failed), self.messages()
        # A message names so many tasks at most, and counts the others.
        named = [UUID(task["runId"]) for message in self.messages() for task in message["tasks"]]
        assert len({*named}) == len(named) >= min(len(failed), KEPT_ITEMS)
        assert {*named} <= {*failed}


def first_failures(events: Iterable[RunEvent]) -> set[UUID]:
    """Return the runs whose failure is told: those with which a task begins to fail.

    A run that ends UNKNOWN, because its worker was lost, has failed too.
    """
    failing: set[UUID] = set()
    first: set[UUID] = set()
    for event in events:
        if event.type == RunEventType.SUCCEEDED:
            failing.discard(event.task_id)
        elif event.type in FAILURES and event.task_id not in failing:
            failing.add(event.task_id)
            first.add(event.run_id)
    return first


@asynccontextmanager
async def notifying(cluster: Cluster) -> AsyncIterator[Told]:
    """Tell a receiver of all tasks that fail, until the block ends."""
    async with running_target() as target:
        hooks = Webhooks(target)
        webhook = {"webhook": {"url": hooks.url, "signingSecrets": [hooks.secret]}}
        made = await cluster.ask(CREATE_CHANNEL, {"input": {"name": "failures", "target": webhook}})
        channel = made["createChannel"]["id"]
        given = {"name": "failures", "channelIds": [channel], "events": ["FAILED"], "gatherMs": 0}
        rule = (await cluster.ask(CREATE_RULE, {"input": given}))["createNotificationRule"]["id"]
        told = Told(hooks)
        reading = asyncio.create_task(told.keep_reading())
        try:
            yield told
        finally:
            await cancel_and_wait(reading)
            await cluster.mend()
            await cluster.ask(DELETE_RULE, {"id": rule})
            await cluster.ask(DELETE_CHANNEL, {"id": channel})


def failing_orders(start: datetime, *, lasts: timedelta) -> list[Order]:
    """Return tasks that are due one after another, are called twice, and fail."""
    step = lasts / FAILING
    return [
        Order(first=whole(start + number * step), behavior="fail/99", attempts=2, final_state=RunState.FAILED)
        for number in range(FAILING)
    ]
