"""Let each process report its metrics, which any API process shows.

Revision ID: 0021
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0019"
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


def downgrade() -> None:
    op.drop_table("process_reports")
