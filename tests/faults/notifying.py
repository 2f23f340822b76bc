"""A receiver that is told of failed tasks, for tests of what happens to notifications under faults."""

from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from db.states import RunState
from tests.faults.cluster import Cluster
from tests.faults.order import SECOND, Order, whole
from tests.support.notifications import CREATE_CHANNEL, CREATE_RULE, DELIVERIES, Webhooks
from tests.support.target import running_target
from tests.support.waiting import wait_until

DELETE_RULE = "mutation ($id: ID!) { deleteNotificationRule(id: $id) { __typename } }"
DELETE_CHANNEL = "mutation ($id: ID!) { deleteChannel(id: $id) { __typename } }"
TOLD_WITHIN = 60
"""A message whose delivery was cut off is sent again when its lease has run out."""


class Told:
    """What the receiver was told of tasks that failed."""

    def __init__(self, hooks: Webhooks) -> None:
        self._hooks = hooks

    def times(self) -> Counter[UUID]:
        """Return how often each task was told of. A message that was sent twice has the same id, and counts once."""
        messages = dict(zip(self._hooks.ids, self._hooks.messages, strict=True))
        for message in messages.values():
            assert message["data"]["count"] == len(message["data"]["tasks"])
        return Counter(UUID(task["taskId"]) for message in messages.values() for task in message["data"]["tasks"])

    async def check(self, cluster: Cluster, failed: Collection[UUID]) -> None:
        """Wait until each of the tasks was told of, and check that none was twice, and that nothing is under way."""
        await wait_until(lambda: self.times().keys() >= {*failed}, what="all failures are told", within=TOLD_WITHIN)

        async def all_recorded() -> bool:
            found = (await cluster.ask(DELIVERIES, {"filter": {}}))["notificationDeliveries"]["nodes"]
            return {delivery["state"] for delivery in found} == {"DELIVERED"}

        await wait_until(all_recorded, what="all deliveries are recorded", within=TOLD_WITHIN)
        assert {task_id: self.times()[task_id] for task_id in failed} == dict.fromkeys(failed, 1)


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
        try:
            yield Told(hooks)
        finally:
            await cluster.mend()
            await cluster.ask(DELETE_RULE, {"id": rule})
            await cluster.ask(DELETE_CHANNEL, {"id": channel})


def failing_orders(start: datetime, *, seconds: int) -> list[Order]:
    """Return a task for each second that is called twice and fails."""
    return [
        Order(
            first=whole(start + number * SECOND),
            behavior="fail/99",
            attempts=2,
            final_state=RunState.FAILED,
        )
        for number in range(seconds)
    ]
