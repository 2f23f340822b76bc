"""Add limits per target: how many calls run at once and how many start per second; and pauses of hosts.

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
WAITS = "flow_limit_id IS NOT NULL AND next_attempt_at IS NOT NULL"


def upgrade() -> None:
    op.create_table(
        "flow_limits",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("host", sa.Text(), nullable=True, unique=True),
        sa.Column("flow_key", sa.Text(), nullable=True, unique=True),
        sa.Column("max_concurrent", sa.Integer(), nullable=True),
        sa.Column("rate_per_second", sa.Float(), nullable=True),
        sa.Column("burst", sa.Integer(), nullable=True),
        sa.Column("free_at", INSTANT, nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("num_nonnulls(host, flow_key) = 1", name="one_key"),
        sa.CheckConstraint("num_nonnulls(max_concurrent, rate_per_second) > 0", name="limits_something"),
        sa.CheckConstraint("max_concurrent > 0 AND rate_per_second > 0 AND burst > 0", name="limits_positive"),
        sa.CheckConstraint("(burst IS NULL) = (rate_per_second IS NULL)", name="burst_of_rate"),
    )
    op.create_table(
        "host_pauses",
        sa.Column("host", sa.Text(), primary_key=True),
        sa.Column("began_at", INSTANT, nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=False),
    )
    for table in ("tasks", "task_results", "task_definitions"):
        op.add_column(table, sa.Column("flow_key", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.alter_column("task_definitions", "flow_key", server_default=None)
    op.add_column("task_results", sa.Column("flow_limit_id", sa.Uuid(), nullable=True))
    op.create_index(
        "unfinished_runs_flow_limit_id",
        "unfinished_runs",
        ["flow_limit_id", "next_attempt_at", "id"],
        postgresql_where=sa.text(WAITS),
    )
    op.drop_index("unfinished_runs_next_attempt_at", "unfinished_runs")
    op.create_index(
        "unfinished_runs_next_attempt_at",
        "unfinished_runs",
        ["next_attempt_at"],
        postgresql_where=sa.text("next_attempt_at IS NOT NULL AND flow_limit_id IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("unfinished_runs_next_attempt_at", "unfinished_runs")
    op.create_index(
        "unfinished_runs_next_attempt_at",
        "unfinished_runs",
        ["next_attempt_at"],
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.drop_index("unfinished_runs_flow_limit_id", "unfinished_runs")
    op.drop_column("task_results", "flow_limit_id")
    for table in ("task_definitions", "task_results", "tasks"):
        op.drop_column(table, "flow_key")
    op.drop_table("host_pauses")
    op.drop_table("flow_limits")
