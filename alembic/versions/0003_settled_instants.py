"""Add the last settled instant of a task, and indexes of waiting runs and tasks.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tasks", sa.Column("settled_until", sa.DateTime(timezone=True), nullable=True))
    op.create_index("tasks_timezone", "tasks", ["timezone"], postgresql_where=sa.text("timezone <> 'UTC'"))
    op.create_index(
        "tasks_catching_up", "tasks", ["id"], postgresql_where=sa.text("next_run IS NOT NULL AND due_at IS NULL")
    )
    op.create_index(
        "task_results_queued",
        "task_results",
        ["task_id"],
        postgresql_where=sa.text("finished_at IS NULL AND state = 'queued' AND next_attempt_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("task_results_queued", "task_results")
    op.drop_index("tasks_catching_up", "tasks")
    op.drop_index("tasks_timezone", "tasks")
    op.drop_column("tasks", "settled_until")
