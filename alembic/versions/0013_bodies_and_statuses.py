"""Add bodies that are no JSON, and which statuses are a success or are tried again.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLES = ("tasks", "task_versions")
COLUMNS = ("body", "success_statuses", "retry_statuses", "max_elapsed_ms")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("body", postgresql.JSON(), nullable=True))
        op.add_column(table, sa.Column("success_statuses", postgresql.ARRAY(sa.Text()), nullable=True))
        op.add_column(table, sa.Column("retry_statuses", postgresql.ARRAY(sa.Text()), nullable=True))
        op.add_column(table, sa.Column("max_elapsed_ms", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    for table in TABLES:
        for column in COLUMNS:
            op.drop_column(table, column)
