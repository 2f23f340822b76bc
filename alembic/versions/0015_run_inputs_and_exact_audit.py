"""Give runs inputs of their own, and keep the audit log's JSON as it was written: jsonb would change its numbers.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

AUDITED = ("before", "after")
INPUTS = ("input_body", "input_headers")


def upgrade() -> None:
    for column in AUDITED:
        op.alter_column("audit_log", column, type_=postgresql.JSON(), existing_type=postgresql.JSONB())
    for column in INPUTS:
        op.add_column("task_results", sa.Column(column, postgresql.JSON(), nullable=True))


def downgrade() -> None:
    for column in INPUTS:
        op.drop_column("task_results", column)
    for column in AUDITED:
        op.alter_column(
            "audit_log",
            column,
            type_=postgresql.JSONB(),
            existing_type=postgresql.JSON(),
            postgresql_using=f'CAST("{column}" AS jsonb)',
        )
