"""Index the audit log in the order in which it is listed, as a whole and by task.

Revision ID: 0007
Revises: 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("audit_log_at", "audit_log", ["at", "id"])
    op.create_index("audit_log_task_id_at", "audit_log", ["task_id", "at", "id"])
    op.drop_index("audit_log_task_id", table_name="audit_log")


def downgrade() -> None:
    op.create_index("audit_log_task_id", "audit_log", ["task_id", "id"])
    op.drop_index("audit_log_task_id_at", table_name="audit_log")
    op.drop_index("audit_log_at", table_name="audit_log")
