"""Keep the definitions that a task has had, and operations on many tasks or runs.

Revision ID: 0023
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0021"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "task_definitions",
        sa.Column("task_id", sa.Uuid(), sa.ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("user_metadata", sa.JSON(), nullable=True),
        sa.Column("trigger_type", sa.String(20), nullable=False),
        sa.Column("trigger_time", INSTANT, nullable=True),
        sa.Column("cron_expr", sa.String(256), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("every_ms", sa.BigInteger(), nullable=True),
        sa.Column("start_at", INSTANT, nullable=True),
        sa.Column("end_at", INSTANT, nullable=True),
        sa.Column("jitter_ms", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.String(10), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("headers", postgresql.JSONB(), nullable=True),
        sa.Column("header_order", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("payload", sa.JSON(), nullable=True),
        sa.Column("body", sa.JSON(), nullable=True),
        sa.Column("success_statuses", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("signing_secrets", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("timeout_ms", sa.BigInteger(), nullable=False),
        sa.Column("redirects", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("initial_delay_ms", sa.BigInteger(), nullable=False),
        sa.Column("backoff_factor", sa.Float(), nullable=False),
        sa.Column("max_delay_ms", sa.BigInteger(), nullable=False),
        sa.Column("retry_statuses", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("max_elapsed_ms", sa.BigInteger(), nullable=True),
        sa.Column("overlap", sa.String(20), nullable=False),
        sa.Column("misfire", sa.String(20), nullable=False),
        sa.Column("on_lost", sa.String(20), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("delete_after_ms", sa.BigInteger(), nullable=True),
        sa.Column("pause_after_failures", sa.Integer(), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=True),
    )
    op.create_table(
        "bulk_operations",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("succeeded", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("refused", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("problems", sa.JSON(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("key_name", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "action IN ('pause', 'resume', 'cancel', 'delete', 'run', 'retry', 'cancel_runs')", name="action_known"
        ),
        sa.CheckConstraint("state IN ('running', 'completed', 'cancelled', 'failed')", name="state_known"),
    )
    op.create_index(
        "bulk_operations_running", "bulk_operations", ["created_at"], postgresql_where=sa.text("state = 'running'")
    )
    op.create_index("bulk_operations_created_at", "bulk_operations", ["created_at", "id"])
    op.create_table(
        "bulk_chunks",
        sa.Column("operation_id", sa.Uuid(), sa.ForeignKey("bulk_operations.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("bulk_chunks")
    op.drop_table("bulk_operations")
    op.drop_table("task_definitions")
