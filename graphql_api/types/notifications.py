"""Notifications: channels, rules, and deliveries, as admin keys see them."""

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry import UNSET

from db import models
from db.reads import notifications
from db.reads.keyset import Key, Slice
from db.reads.notifications import DeliveryFilter
from db.states import ChannelKind, DeliveryState, NotificationEvent
from graphql_api import cursors, ids
from graphql_api.context import Info
from graphql_api.types import connections
from graphql_api.types.refusals import Conflict, InvalidInput, NotFound
from graphql_api.types.scalars import Milliseconds, given_or_none
from jobs.notifications.channels import ChannelDraft
from jobs.notifications.rules import (
    DEFAULTS,
    MAX_AFTER_FAILURES,
    MAX_CHANNELS_OF_RULE,
    MAX_TASKS_OF_RULE,
    RuleDraft,
)

NAME = "A name for people, unique; 1 to 255 characters."
URL = "Where messages are sent by POST. The same targets are allowed as for tasks."
SIGNING_SECRETS = (
    "One to four secrets of Standard Webhooks, each of which signs: whsec_ and 24 to 64 random bytes in Base64. "
    "They are encrypted, and never shown."
)
APPRISE_URL = (
    "A URL of the library apprise, such as mailto://user:password@example.com?to=ops@example.com. It is encrypted, and "
    "never shown."
)
CHANNEL_IDS = f"The channels that receive the messages; 1 to {MAX_CHANNELS_OF_RULE}."
EVENTS = "The events to notify of."
TASK_IDS = f"Only of these tasks; at most {MAX_TASKS_OF_RULE:,}. An empty list means all tasks."
TAGS = "Only of tasks with all of these tags. An empty list means all tasks."
AFTER_FAILURES = f"FAILED is sent at the n-th consecutive failed run; 1 to {MAX_AFTER_FAILURES:,}."
LATE_MS = "How late a run may begin before LATE is sent. LATE requires it."
TOLERANCE_MS = (
    "How long after its instant a run may end before ABSENT is sent, and how long there may be no worker before "
    "NO_WORKERS is sent."
)
REMIND_EVERY_MS = (
    "Sends a reminder at this interval until the event is over; at least 1,000. 0, the default, means never."
)
GATHER_MS = (
    "How long further tasks are collected in a message, so that many failures at once become one message; at most "
    "600,000."
)


@strawberry.type(description="Where notifications go. It shows no secrets.")
class Channel:
    """A channel."""

    id: strawberry.ID = strawberry.field(description="The channel's id, a UUID.")
    name: str = strawberry.field(description="A name for people.")
    kind: ChannelKind = strawberry.field(description="How the channel reaches people or programs.")
    url: str | None = strawberry.field(description="The URL of a webhook; null for APPRISE, whose URL is a secret.")
    version: int = strawberry.field(description="Increases with each change.")
    created_at: datetime = strawberry.field(description="When the channel was created.")
    updated_at: datetime = strawberry.field(description="When the channel was last changed.")

    @staticmethod
    def of(row: models.NotificationChannel) -> "Channel":
        """Return a channel from its row."""
        return Channel(
            id=strawberry.ID(str(row.id)),
            name=row.name,
            kind=row.kind,
            url=row.url,
            version=row.version,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


@strawberry.type(description="Which events of which tasks go to which channels.")
class NotificationRule:
    """A rule."""

    id: strawberry.ID = strawberry.field(description="The rule's id, a UUID.")
    name: str = strawberry.field(description="A name for people.")
    channel_ids: list[strawberry.ID] = strawberry.field(description="The channels that receive the messages.")
    events: list[NotificationEvent] = strawberry.field(description="The events that it notifies of.")
    task_ids: list[strawberry.ID] = strawberry.field(description="Only of these tasks; an empty list means all.")
    tags: list[str] = strawberry.field(description="Only of tasks with all of these tags; an empty list means all.")
    after_failures: int = strawberry.field(description="FAILED is sent at the n-th consecutive failed run.")
    late_ms: Milliseconds | None = strawberry.field(description="How late a run may begin before LATE is sent.")
    tolerance_ms: Milliseconds = strawberry.field(description=TOLERANCE_MS)
    remind_every_ms: Milliseconds | None = strawberry.field(
        description="The interval of reminders until the event is over; null means never."
    )
    gather_ms: Milliseconds = strawberry.field(description="How long further tasks are collected in a message.")
    version: int = strawberry.field(description="Increases with each change.")
    created_at: datetime = strawberry.field(description="When the rule was created.")
    updated_at: datetime = strawberry.field(description="When the rule was last changed.")

    @staticmethod
    def of(row: models.NotificationRule) -> "NotificationRule":
        """Return a rule from its row."""
        return NotificationRule(
            id=strawberry.ID(str(row.id)),
            name=row.name,
            channel_ids=[strawberry.ID(str(each)) for each in row.channel_ids],
            events=[NotificationEvent(each) for each in row.events],
            task_ids=[strawberry.ID(str(each)) for each in row.task_ids],
            tags=row.tags,
            after_failures=row.after_failures,
            late_ms=None if row.late_ms is None else Milliseconds(row.late_ms),
            tolerance_ms=Milliseconds(row.tolerance_ms),
            remind_every_ms=None if row.remind_every_ms is None else Milliseconds(row.remind_every_ms),
            gather_ms=Milliseconds(row.gather_ms),
            version=row.version,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


@strawberry.type(description="One message for one channel. Deliveries are kept for 30 days.")
class NotificationDelivery:
    """A delivery with its message."""

    id: strawberry.ID = strawberry.field(
        description="The delivery's id, a UUID, which is the webhook-id of all its attempts."
    )
    channel_id: strawberry.ID = strawberry.field(description="The channel.")
    rule_id: strawberry.ID | None = strawberry.field(description="The rule; null for a test, and if it was deleted.")
    event: NotificationEvent = strawberry.field(description="What the message is about.")
    reminder: bool = strawberry.field(description="Whether the message is a reminder of an event that is not over.")
    count: int = strawberry.field(description="Number of tasks that the message is about, of which it names some.")
    subject: str = strawberry.field(description="The message in a few words.")
    text: str = strawberry.field(description="The message for people.")
    state: DeliveryState = strawberry.field(description="The state of the delivery.")
    attempts: int = strawberry.field(description="Number of attempts that were begun.")
    next_attempt_at: datetime | None = strawberry.field(description="When the next attempt is due, while PENDING.")
    status_code: int | None = strawberry.field(description="The status of a webhook's last response.")
    error_message: str | None = strawberry.field(description="Why the last attempt failed.")
    created_at: datetime = strawberry.field(description="When the delivery was created.")
    finished_at: datetime | None = strawberry.field(description="When the delivery ended.")

    @staticmethod
    def of(row: models.NotificationDelivery, message: models.Notification) -> "NotificationDelivery":
        """Return a delivery from its row and that of its message."""
        content = message.content or {}
        return NotificationDelivery(
            id=strawberry.ID(str(row.id)),
            channel_id=strawberry.ID(str(row.channel_id)),
            rule_id=None if message.rule_id is None else strawberry.ID(str(message.rule_id)),
            event=message.event,
            reminder=message.reminder,
            count=message.count,
            subject=content.get("subject", ""),
            text=content.get("text", ""),
            state=row.state,
            attempts=row.attempts,
            next_attempt_at=row.next_attempt_at if row.state is DeliveryState.PENDING else None,
            status_code=row.status_code,
            error_message=row.error_message,
            created_at=row.created_at,
            finished_at=row.finished_at,
        )


@strawberry.input(description="A webhook.")
class WebhookInput:
    """A webhook to create."""

    url: str = strawberry.field(description=URL)
    signing_secrets: list[str] = strawberry.field(description=SIGNING_SECRETS)


@strawberry.input(description="A service of the library apprise.")
class AppriseInput:
    """A URL of apprise."""

    url: str = strawberry.field(description=APPRISE_URL)


@strawberry.input(description="What to change in a webhook. An absent or null member leaves the old value.")
class UpdateWebhookInput:
    """What to change in a webhook."""

    url: str | None = strawberry.field(default=UNSET, description=URL)
    signing_secrets: list[str] | None = strawberry.field(default=UNSET, description=SIGNING_SECRETS)


@strawberry.input(one_of=True, description="Where messages go: exactly one kind.")
class ChannelTargetInput:
    """A kind of channel."""

    webhook: WebhookInput | None = strawberry.field(default=UNSET, description="A signed request to a URL.")
    apprise: AppriseInput | None = strawberry.field(default=UNSET, description="A service of the library apprise.")


@strawberry.input(one_of=True, description="Where messages go. The kind of a channel cannot be changed.")
class UpdateChannelTargetInput:
    """What to change in a kind of channel."""

    webhook: UpdateWebhookInput | None = strawberry.field(default=UNSET, description="A signed request to a URL.")
    apprise: AppriseInput | None = strawberry.field(default=UNSET, description="A service of the library apprise.")


@strawberry.input(description="A channel to create.")
class CreateChannelInput:
    """A channel to create."""

    name: str = strawberry.field(description=NAME)
    target: ChannelTargetInput = strawberry.field(description="Where messages go.")

    def draft(self) -> ChannelDraft:
        """Return the channel as the use cases take it."""
        return channel_draft(self.name, self.target)


@strawberry.input(description="What to change in a channel. An absent or null member leaves the old value.")
class UpdateChannelInput:
    """What to change in a channel."""

    name: str | None = strawberry.field(default=UNSET, description=NAME)
    target: UpdateChannelTargetInput | None = strawberry.field(default=UNSET, description="Where messages go.")
    expected_version: int | None = strawberry.field(
        default=UNSET, description="Refuses the change unless the channel has this version."
    )

    def draft(self) -> ChannelDraft:
        """Return the update as the use cases take it."""
        return channel_draft(given_or_none(self.name), given_or_none(self.target))


def channel_draft(name: str | None, target: ChannelTargetInput | UpdateChannelTargetInput | None) -> ChannelDraft:
    """Return a draft of a channel."""
    if target and target.webhook:
        return ChannelDraft(
            name=name,
            kind=ChannelKind.WEBHOOK,
            url=given_or_none(target.webhook.url),
            signing_secrets=given_or_none(target.webhook.signing_secrets),
        )
    if target and target.apprise:
        return ChannelDraft(name=name, kind=ChannelKind.APPRISE, url=target.apprise.url)
    return ChannelDraft(name=name)


@strawberry.input(description="A rule to create. A null stands for a member's default.")
class CreateNotificationRuleInput:
    """A rule to create."""

    name: str = strawberry.field(description=NAME)
    channel_ids: list[strawberry.ID] = strawberry.field(description=CHANNEL_IDS)
    events: list[NotificationEvent] = strawberry.field(description=EVENTS)
    task_ids: list[strawberry.ID] | None = strawberry.field(default=UNSET, description=TASK_IDS)
    tags: list[str] | None = strawberry.field(default=UNSET, description=TAGS)
    after_failures: int | None = strawberry.field(default=DEFAULTS["after_failures"], description=AFTER_FAILURES)
    late_ms: Milliseconds | None = strawberry.field(default=UNSET, description=LATE_MS)
    tolerance_ms: Milliseconds | None = strawberry.field(
        default=Milliseconds(DEFAULTS["tolerance_ms"]), description=TOLERANCE_MS
    )
    remind_every_ms: Milliseconds | None = strawberry.field(default=UNSET, description=REMIND_EVERY_MS)
    gather_ms: Milliseconds | None = strawberry.field(
        default=Milliseconds(DEFAULTS["gather_ms"]), description=GATHER_MS
    )


@strawberry.input(
    description="What to change in a rule, which then starts over with what happens from now on. An absent or null "
    "member leaves the old value."
)
class UpdateNotificationRuleInput:
    """What to change in a rule."""

    name: str | None = strawberry.field(default=UNSET, description=NAME)
    channel_ids: list[strawberry.ID] | None = strawberry.field(default=UNSET, description=CHANNEL_IDS)
    events: list[NotificationEvent] | None = strawberry.field(default=UNSET, description=EVENTS)
    task_ids: list[strawberry.ID] | None = strawberry.field(default=UNSET, description=TASK_IDS)
    tags: list[str] | None = strawberry.field(default=UNSET, description=TAGS)
    after_failures: int | None = strawberry.field(default=UNSET, description=AFTER_FAILURES)
    late_ms: Milliseconds | None = strawberry.field(default=UNSET, description=LATE_MS)
    tolerance_ms: Milliseconds | None = strawberry.field(default=UNSET, description=TOLERANCE_MS)
    remind_every_ms: Milliseconds | None = strawberry.field(default=UNSET, description=REMIND_EVERY_MS)
    gather_ms: Milliseconds | None = strawberry.field(default=UNSET, description=GATHER_MS)
    expected_version: int | None = strawberry.field(
        default=UNSET, description="Refuses the change unless the rule has this version."
    )


def rule_draft(given: CreateNotificationRuleInput | UpdateNotificationRuleInput) -> RuleDraft:
    """Return a rule, or an update, as the use cases take it. Raises GraphQL's INVALID_ID."""
    channel_ids, task_ids = given_or_none(given.channel_ids), given_or_none(given.task_ids)
    return RuleDraft(
        name=given_or_none(given.name),
        channel_ids=None if channel_ids is None else [ids.parse(each) for each in channel_ids],
        events=given_or_none(given.events),
        task_ids=None if task_ids is None else [ids.parse(each) for each in task_ids],
        tags=given_or_none(given.tags),
        after_failures=given_or_none(given.after_failures),
        late_ms=given_or_none(given.late_ms),
        tolerance_ms=given_or_none(given.tolerance_ms),
        remind_every_ms=given_or_none(given.remind_every_ms),
        gather_ms=given_or_none(given.gather_ms),
    )


@strawberry.type(description="A deleted channel.")
class DeletedChannel:
    """A channel that was deleted."""

    channel_id: strawberry.ID = strawberry.field(description="The id of the channel.")


@strawberry.type(description="A deleted rule.")
class DeletedNotificationRule:
    """A rule that was deleted."""

    rule_id: strawberry.ID = strawberry.field(description="The id of the rule.")


ChannelResult = Annotated[
    Channel | InvalidInput | NotFound | Conflict,
    strawberry.union("ChannelResult", description="The channel, or why it was not created or changed."),
]
DeleteChannelResult = Annotated[
    DeletedChannel | NotFound | Conflict,
    strawberry.union("DeleteChannelResult", description="The deleted channel, or why it was not deleted."),
]
TestChannelResult = Annotated[
    NotificationDelivery | NotFound,
    strawberry.union("TestChannelResult", description="The delivery of the test, or that there is no such channel."),
]
NotificationRuleResult = Annotated[
    NotificationRule | InvalidInput | NotFound | Conflict,
    strawberry.union("NotificationRuleResult", description="The rule, or why it was not created or changed."),
]
DeleteNotificationRuleResult = Annotated[
    DeletedNotificationRule | NotFound,
    strawberry.union("DeleteNotificationRuleResult", description="The deleted rule, or that it was not found."),
]


@strawberry.input(
    name="NotificationDeliveryFilter",
    description="Selects deliveries. An absent or null member, or an empty list, selects all.",
)
class NotificationDeliveryFilterInput:
    """A filter of deliveries."""

    channel_id: strawberry.ID | None = strawberry.field(default=UNSET, description="To this channel.")
    rule_id: strawberry.ID | None = strawberry.field(default=UNSET, description="By this rule.")
    states: list[DeliveryState] | None = strawberry.field(default=UNSET, description="In one of these states.")


def filter_of_deliveries(given: NotificationDeliveryFilterInput | None) -> DeliveryFilter:
    """Return the filter for the query. Raises GraphQL's INVALID_ID."""
    if not given:
        return DeliveryFilter()
    channel_id, rule_id = given_or_none(given.channel_id), given_or_none(given.rule_id)
    return DeliveryFilter(
        channel_id=None if channel_id is None else ids.parse(channel_id),
        rule_id=None if rule_id is None else ids.parse(rule_id),
        states=given.states or (),
    )


def key(row: models.NotificationDelivery) -> Key:
    """Return the place of a delivery in the list."""
    return row.created_at, row.id


async def delivery_page(
    info: Info, filters: DeliveryFilter, *, rows: Slice
) -> connections.Connection[NotificationDelivery]:
    """Return a page of deliveries."""
    services = info.context.services

    async def has_rows_beyond(key: Key, backward: bool, inclusive: bool) -> bool:  # noqa: FBT001
        async with services.session() as session:
            return await notifications.has_more(session, filters, key=key, backward=backward, inclusive=inclusive)

    async def count() -> int:
        async with services.session() as session:
            return await notifications.count(session, filters)

    async with services.session() as session:
        found, more = await notifications.page(session, filters, rows=rows)
        messages = await notifications.messages(session, {row.notification_id for row in found})
    return connections.connection(
        [row for row in found if row.notification_id in messages],
        listing=cursors.DELIVERIES,
        key=key,
        node=lambda row: NotificationDelivery.of(row, messages[row.notification_id]),
        page=rows,
        more=more,
        has_rows_beyond=has_rows_beyond,
        count=count,
    )
