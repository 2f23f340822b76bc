"""Channels, rules, and what was sent through them."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from db.models.columns import INSTANT, NOW, Base, default, one_of, stored, utc_now
from db.states import (
    ChannelKind,
    DeliveryState,
    NotificationEvent,
)


class NotificationChannel(Base, table=True):
    """Where notifications go: a webhook with signing secrets, or a URL of the library apprise. Secrets are sealed."""

    __tablename__ = "notification_channels"
    __table_args__ = (
        one_of("kind", ChannelKind),
        CheckConstraint("(url IS NOT NULL) = (kind = 'webhook')", name="webhook_has_url"),
        CheckConstraint("(sealed_url IS NOT NULL) = (kind = 'apprise')", name="apprise_has_sealed_url"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str = Field(sa_type=Text, unique=True)
    kind: ChannelKind = Field(sa_type=stored(ChannelKind))
    url: str | None = Field(default=None, sa_type=Text)
    signing_secrets: list[str] | None = Field(default=None, sa_type=ARRAY(Text), nullable=True, description="encrypted")
    sealed_url: str | None = Field(default=None, sa_type=Text)
    version: int = Field(default=1, sa_column_kwargs=default(1))
    created_at: datetime = Field(default_factory=utc_now, sa_type=INSTANT, sa_column_kwargs=NOW)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=INSTANT, sa_column_kwargs=NOW)


class NotificationRule(Base, table=True):
    """Which events of which tasks go to which channels. Empty `task_ids` and `tags` select all tasks."""

    __tablename__ = "notification_rules"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str = Field(sa_type=Text, unique=True)
    channel_ids: list[UUID] = Field(sa_type=ARRAY(Uuid))
    events: list[str] = Field(sa_type=ARRAY(Text))
    task_ids: list[UUID] = Field(default_factory=list, sa_type=ARRAY(Uuid))
    tags: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), description="a task has to have all of them")
    after_failures: int
    late_ms: int | None = Field(default=None, sa_type=BigInteger)
    tolerance_ms: int = Field(sa_type=BigInteger, description="for ABSENT and NO_WORKERS")
    remind_every_ms: int | None = Field(default=None, sa_type=BigInteger)
    gather_ms: int = Field(sa_type=BigInteger, description="how long a message waits for further ones to join it")
    after_seq: int = Field(sa_type=BigInteger, description="the rule is about run events with higher numbers")
    version: int = Field(default=1, sa_column_kwargs=default(1))
    created_at: datetime = Field(default_factory=utc_now, sa_type=INSTANT, sa_column_kwargs=NOW)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=INSTANT, sa_column_kwargs=NOW)


class NotificationCursor(Base, table=True):
    """The only row: the last run event that was judged by all rules. Its lock lets one process judge at a time."""

    __tablename__ = "notification_cursor"
    __table_args__ = (CheckConstraint("one", name="only_one"),)

    one: bool = Field(default=True, primary_key=True, sa_column_kwargs={"server_default": text("true")})
    seq: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs=default(0))


class NotificationAlert(Base, table=True):
    """A problem of a task by a rule, stored so that it is sent only once until it is over."""

    __tablename__ = "notification_alerts"
    __table_args__ = (
        one_of("event", NotificationEvent),
        Index("notification_alerts_task_id", "task_id"),
    )

    rule_id: UUID = Field(sa_column_args=[ForeignKey("notification_rules.id", ondelete="CASCADE")], primary_key=True)
    task_id: UUID = Field(primary_key=True, description="zero for what concerns no task")
    event: NotificationEvent = Field(sa_type=stored(NotificationEvent), primary_key=True)
    failures: int = Field(default=0, sa_column_kwargs=default(0), description="runs that failed one after another")
    instant: datetime | None = Field(default=None, sa_type=INSTANT, description="the instant that is absent")
    opened_at: datetime = Field(sa_type=INSTANT)
    told_at: datetime | None = Field(default=None, sa_type=INSTANT)
    reminded_at: datetime | None = Field(default=None, sa_type=INSTANT)


class Notification(Base, table=True):
    """One message. Until `closed_at` it collects the occurrences of an event for its rule; then its content is
    final."""

    __tablename__ = "notifications"
    __table_args__ = (
        one_of("event", NotificationEvent),
        Index(
            "notifications_gathering",
            "rule_id",
            "event",
            "reminder",
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("notifications_created_at", "created_at"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    rule_id: UUID | None = Field(
        default=None, sa_column_args=[ForeignKey("notification_rules.id", ondelete="SET NULL")], nullable=True
    )
    rule_name: str | None = Field(default=None, sa_type=Text)
    event: NotificationEvent = Field(sa_type=stored(NotificationEvent))
    reminder: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    count: int
    hosts: dict[str, Any] = Field(sa_type=JSONB, description="the number of tasks by the host that they call")
    items: list[dict[str, Any]] = Field(sa_type=JSONB, description="the first of them")
    content: dict[str, Any] | None = Field(
        default=None, sa_type=JSONB(none_as_null=True), nullable=True, description="the message, once it is closed"
    )
    created_at: datetime = Field(sa_type=INSTANT)
    send_at: datetime = Field(sa_type=INSTANT)
    closed_at: datetime | None = Field(default=None, sa_type=INSTANT)


class NotificationDelivery(Base, table=True):
    """One notification for one channel. A process that attempts it holds it until `leased_until`."""

    __tablename__ = "notification_deliveries"
    __table_args__ = (
        one_of("state", DeliveryState),
        Index("notification_deliveries_pending", "next_attempt_at", postgresql_where=text("state = 'pending'")),
        Index("notification_deliveries_created_at_id", "created_at", "id"),
        Index("notification_deliveries_notification_id", "notification_id"),
        Index("notification_deliveries_channel_id", "channel_id"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    notification_id: UUID = Field(sa_column_args=[ForeignKey("notifications.id", ondelete="CASCADE")], nullable=False)
    channel_id: UUID = Field(
        sa_column_args=[ForeignKey("notification_channels.id", ondelete="CASCADE")], nullable=False
    )
    state: DeliveryState = Field(sa_type=stored(DeliveryState))
    attempts: int = Field(default=0, sa_column_kwargs=default(0))
    next_attempt_at: datetime | None = Field(default=None, sa_type=INSTANT)
    leased_until: datetime | None = Field(default=None, sa_type=INSTANT)
    status_code: int | None = None
    error_message: str | None = Field(default=None, sa_type=Text)
    created_at: datetime = Field(sa_type=INSTANT)
    finished_at: datetime | None = Field(default=None, sa_type=INSTANT)
