"""Store payloads as they were sent: jsonb would reorder their members.

Revision ID: 0010
Revises: 0009
"""

from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = ("tasks", "task_versions")


def upgrade() -> None:
    for table in TABLES:
        op.alter_column(table, "payload", type_=postgresql.JSON(), existing_type=postgresql.JSONB())


def downgrade() -> None:
    for table in TABLES:
        op.alter_column(
            table,
            "payload",
            type_=postgresql.JSONB(),
            existing_type=postgresql.JSON(),
            postgresql_using="CAST(payload AS jsonb)",
        )
