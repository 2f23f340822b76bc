"""Add operations on many tasks or runs.

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
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
