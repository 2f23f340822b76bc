"""Add the secrets that sign the calls of a task.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("tasks", "task_versions"):
        op.add_column(table, sa.Column("signing_secrets", postgresql.ARRAY(sa.Text()), nullable=True))


def downgrade() -> None:
    for table in ("task_versions", "tasks"):
        op.drop_column(table, "signing_secrets")
