"""Create rollups for metrics and the time of the last sweep, and index finished runs by their start.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run_rollups",
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("worker_id", sa.Uuid(), nullable=False),
        sa.Column("succeeded", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("timed", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("lateness_us", sa.BigInteger(), nullable=False),
        sa.Column("lateness", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("per_second", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.PrimaryKeyConstraint("minute", "worker_id"),
    )
    op.create_table(
        "last_sweep",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("one", name="only_one"),
        sa.PrimaryKeyConstraint("one"),
    )
    op.execute("INSERT INTO last_sweep DEFAULT VALUES")
    op.create_index(
        "task_results_run_at",
        "task_results",
        ["run_at", "id"],
        postgresql_where=sa.text("finished_at IS NOT NULL AND run_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("task_results_run_at", "task_results")
    op.drop_table("last_sweep")
    op.drop_table("run_rollups")
