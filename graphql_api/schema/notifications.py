"""The part of the root types that concerns notifications. All of it needs an admin key."""

from typing import Annotated

import strawberry
from strawberry import UNSET

from db.models import utc_now
from db.notifications import definitions
from db.states import KeyScope
from graphql_api import cursors, ids
from graphql_api.context import Info
from graphql_api.schema.admin import admin_session, admin_transaction
from graphql_api.types import connections
from graphql_api.types.connections import After, Before, First, Last
from graphql_api.types.node import Id
from graphql_api.types.notifications import (
    Channel,
    ChannelResult,
    CreateChannelInput,
    CreateNotificationRuleInput,
    DeleteChannelResult,
    DeletedChannel,
    DeletedNotificationRule,
    DeleteNotificationRuleResult,
    NotificationDelivery,
    NotificationDeliveryFilterInput,
    NotificationRule,
    NotificationRuleResult,
    TestChannelResult,
    UpdateChannelInput,
    UpdateNotificationRuleInput,
    delivery_page,
    filter_of_deliveries,
    rule_draft,
)
from graphql_api.types.scalars import given_or_none
from jobs.notifications import channels, rules, trial
from jobs.notifications.channels import ChannelDraft


@strawberry.type
class NotificationQueries:
    """What can be read."""

    @strawberry.field(description="Lists all channels by name. Needs an admin key.")
    async def channels(self, info: Info) -> list[Channel]:
        """Return all channels."""
        async with admin_session(info) as session:
            return [Channel.of(row) for row in await definitions.channels(session)]

    @strawberry.field(description="Lists all notification rules by name. Needs an admin key.")
    async def notification_rules(self, info: Info) -> list[NotificationRule]:
        """Return all rules."""
        async with admin_session(info) as session:
            return [NotificationRule.of(row) for row in await definitions.rules(session)]

    @strawberry.field(description="Lists notification deliveries, newest first. Needs an admin key.")
    async def notification_deliveries(
        self,
        info: Info,
        *,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
        filter: Annotated[  # noqa: A002
            NotificationDeliveryFilterInput | None,
            strawberry.argument(description="Selects deliveries; by default all."),
        ] = UNSET,
    ) -> connections.Connection[NotificationDelivery]:
        """Return a page of deliveries."""
        info.context.need(KeyScope.ADMIN)
        rows = connections.slice_of(cursors.DELIVERIES, first=first, after=after, last=last, before=before)
        return await delivery_page(info, filter_of_deliveries(filter), rows=rows)


@strawberry.type
class NotificationMutations:
    """What can be changed."""

    @strawberry.mutation(
        description="Creates a channel. It receives nothing until a rule names it. Needs an admin key."
    )
    async def create_channel(
        self,
        info: Info,
        input: Annotated[CreateChannelInput, strawberry.argument(description="The channel.")],  # noqa: A002
    ) -> ChannelResult:
        """Create a channel, or return every problem at once."""
        info.context.need(KeyScope.ADMIN)
        draft = await with_target_checked(info, input.draft())
        async with admin_transaction(info) as work:
            row = await channels.create_channel(work, draft, now=utc_now())
        return Channel.of(row)

    @strawberry.mutation(description="Changes a channel. Pending deliveries go to the changed one. Needs an admin key.")
    async def update_channel(
        self,
        info: Info,
        id: Id,  # noqa: A002
        input: Annotated[UpdateChannelInput, strawberry.argument(description="What to change.")],  # noqa: A002
    ) -> ChannelResult:
        """Update a channel, or return every problem at once."""
        info.context.need(KeyScope.ADMIN)
        channel_id = ids.parse(id)
        draft = await with_target_checked(info, input.draft())
        async with admin_transaction(info) as work:
            expected = given_or_none(input.expected_version)
            row = await channels.update_channel(work, channel_id, draft, now=utc_now(), expected_version=expected)
        return Channel.of(row)

    @strawberry.mutation(
        description="Deletes a channel with its deliveries. A channel that a rule names is not deleted. Needs an admin "
        "key."
    )
    async def delete_channel(self, info: Info, id: Id) -> DeleteChannelResult:  # noqa: A002
        """Delete a channel."""
        async with admin_transaction(info) as work:
            channel_id = ids.parse(id)
            await channels.delete_channel(work, channel_id)
        return DeletedChannel(channel_id=strawberry.ID(str(channel_id)))

    @strawberry.mutation(
        description="Sends a test message to a channel at once, and returns its delivery, which is not attempted again "
        "if it fails. Needs an admin key."
    )
    async def test_channel(self, info: Info, id: Id) -> TestChannelResult:  # noqa: A002
        """Test a channel."""
        info.context.need(KeyScope.ADMIN)
        services, channel_id = info.context.services, ids.parse(id)
        async with services.session() as session:
            channel = await trial.channel_to_test(session, channel_id)
        notification, delivery = await trial.test_channel(
            channel, services.sender, public_url=services.public_url, now=utc_now()
        )
        async with admin_transaction(info) as work:
            await trial.keep(work, notification, delivery, channel=channel)
        return NotificationDelivery.of(delivery, notification)

    @strawberry.mutation(description="Creates a rule, which covers what happens from now on. Needs an admin key.")
    async def create_notification_rule(
        self,
        info: Info,
        input: Annotated[CreateNotificationRuleInput, strawberry.argument(description="The rule.")],  # noqa: A002
    ) -> NotificationRuleResult:
        """Create a rule, or return every problem at once."""
        async with admin_transaction(info) as work:
            row = await rules.create_rule(work, rule_draft(input), now=utc_now())
        return NotificationRule.of(row)

    @strawberry.mutation(description="Changes a rule, which then covers what happens from now on. Needs an admin key.")
    async def update_notification_rule(
        self,
        info: Info,
        id: Id,  # noqa: A002
        input: Annotated[UpdateNotificationRuleInput, strawberry.argument(description="What to change.")],  # noqa: A002
    ) -> NotificationRuleResult:
        """Update a rule, or return every problem at once."""
        async with admin_transaction(info) as work:
            expected = given_or_none(input.expected_version)
            row = await rules.update_rule(
                work, ids.parse(id), rule_draft(input), now=utc_now(), expected_version=expected
            )
        return NotificationRule.of(row)

    @strawberry.mutation(description="Deletes a rule. Deliveries that are pending are still made. Needs an admin key.")
    async def delete_notification_rule(self, info: Info, id: Id) -> DeleteNotificationRuleResult:  # noqa: A002
        """Delete a rule."""
        async with admin_transaction(info) as work:
            rule_id = ids.parse(id)
            await rules.delete_rule(work, rule_id)
        return DeletedNotificationRule(rule_id=strawberry.ID(str(rule_id)))


async def with_target_checked(info: Info, draft: ChannelDraft) -> ChannelDraft:
    """Return the draft of a channel with the problems of its target."""
    services = info.context.services
    return await channels.with_target_checked(draft, checker=services.targets, apprise=services.sender.apprise)
