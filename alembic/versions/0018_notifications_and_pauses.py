"""Add channels, rules and deliveries of notifications, and tasks that pause themselves with a note.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
EVENTS = "event IN ('failed', 'recovered', 'late', 'absent', 'paused', 'no_workers', 'workers_back', 'test')"
OF_TASKS = ("pause_after_failures", "failures", "paused_at", "paused_by", "pause_reason")
TABLES = (
    "notification_deliveries",
    "notifications",
    "notification_alerts",
    "notification_cursor",
    "notification_rules",
    "notification_channels",
)


def upgrade() -> None:
    for count in ("pause_after_failures", "failures"):
        op.add_column("tasks", sa.Column(count, sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("tasks", sa.Column("paused_at", INSTANT, nullable=True))
    for note in ("paused_by", "pause_reason"):
        op.add_column("tasks", sa.Column(note, sa.Text(), nullable=True))
    op.create_table(
        "notification_channels",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False, unique=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("signing_secrets", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("sealed_url", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('webhook', 'apprise')", name="kind_known"),
        sa.CheckConstraint("(url IS NOT NULL) = (kind = 'webhook')", name="webhook_has_url"),
        sa.CheckConstraint("(sealed_url IS NOT NULL) = (kind = 'apprise')", name="apprise_has_sealed_url"),
    )
    op.create_table(
        "notification_rules",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False, unique=True),
        sa.Column("channel_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("task_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("after_failures", sa.Integer(), nullable=False),
        sa.Column("late_ms", sa.BigInteger(), nullable=True),
        sa.Column("tolerance_ms", sa.BigInteger(), nullable=False),
        sa.Column("remind_every_ms", sa.BigInteger(), nullable=True),
        sa.Column("gather_ms", sa.BigInteger(), nullable=False),
        sa.Column("after_seq", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.text("now()"), nullable=False),
    )
    op.create_table(
        "notification_cursor",
        sa.Column("one", sa.Boolean(), primary_key=True, server_default=sa.text("true")),
        sa.Column("seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("one", name="only_one"),
    )
    op.execute("INSERT INTO notification_cursor DEFAULT VALUES")
    op.create_table(
        "notification_alerts",
        sa.Column("rule_id", sa.Uuid(), sa.ForeignKey("notification_rules.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("task_id", sa.Uuid(), primary_key=True),
        sa.Column("event", sa.String(20), primary_key=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("instant", INSTANT, nullable=True),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("told_at", INSTANT, nullable=True),
        sa.Column("reminded_at", INSTANT, nullable=True),
        sa.CheckConstraint(EVENTS, name="event_known"),
    )
    op.create_index("notification_alerts_task_id", "notification_alerts", ["task_id"])
    op.create_table(
        "notifications",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("rule_id", sa.Uuid(), sa.ForeignKey("notification_rules.id", ondelete="SET NULL"), nullable=True),
        sa.Column("rule_name", sa.Text(), nullable=True),
        sa.Column("event", sa.String(20), nullable=False),
        sa.Column("reminder", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("hosts", postgresql.JSONB(), nullable=False),
        sa.Column("items", postgresql.JSONB(), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("send_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT, nullable=True),
        sa.CheckConstraint(EVENTS, name="event_known"),
    )
    op.create_index(
        "notifications_gathering",
        "notifications",
        ["rule_id", "event", "reminder"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index("notifications_created_at", "notifications", ["created_at"])
    op.create_table(
        "notification_deliveries",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("notification_id", sa.Uuid(), sa.ForeignKey("notifications.id", ondelete="CASCADE"), nullable=False),
        sa.Column(
            "channel_id", sa.Uuid(), sa.ForeignKey("notification_channels.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", INSTANT, nullable=True),
        sa.Column("leased_until", INSTANT, nullable=True),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="state_known"),
    )
    op.create_index(
        "notification_deliveries_pending",
        "notification_deliveries",
        ["next_attempt_at"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("notification_deliveries_created_at_id", "notification_deliveries", ["created_at", "id"])
    op.create_index("notification_deliveries_notification_id", "notification_deliveries", ["notification_id"])
    op.create_index("notification_deliveries_channel_id", "notification_deliveries", ["channel_id"])


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    for column in OF_TASKS:
        op.drop_column("tasks", column)
