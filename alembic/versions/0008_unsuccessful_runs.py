"""Index unsuccessful runs, for lists that filter by them.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "task_results_unsuccessful",
        "task_results",
        ["state", "scheduled_for", "id"],
        postgresql_where=sa.text("state IN ('failed', 'cancelled', 'skipped', 'missed', 'unknown')"),
    )


def downgrade() -> None:
    op.drop_index("task_results_unsuccessful", table_name="task_results")
