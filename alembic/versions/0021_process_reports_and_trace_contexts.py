"""Let each process report its metrics, which any API process shows, and keep which traces tasks and runs belong to.

Revision ID: 0021
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Unlogged: what the processes report is seconds old and need not survive a crash of the server.
    op.create_table(
        "process_reports",
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column(
            "reported_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("process"),
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "trace_contexts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("traceparent", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("trace_contexts_created_at", "trace_contexts", ["created_at"])


def downgrade() -> None:
    op.drop_table("trace_contexts")
    op.drop_table("process_reports")
