"""Add the order in which a task's headers were given, which jsonb does not keep.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = ("tasks", "task_versions")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("header_order", postgresql.ARRAY(sa.Text()), nullable=True))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "header_order")
