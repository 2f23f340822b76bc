"""Index the names and URLs that are not ASCII, because trigrams find two letters in the others only.

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("name", "url"):
        op.create_index(
            f"task_words_{column}_not_ascii",
            "task_words",
            ["task_id"],
            postgresql_where=sa.text(rf"{column} ~ '[^\x01-\x7f]'"),
        )


def downgrade() -> None:
    for column in ("name", "url"):
        op.drop_index(f"task_words_{column}_not_ascii", "task_words")
