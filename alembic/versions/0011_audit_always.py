"""Make the audit log refuse changes in every session, including those of a replication replica.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TRIGGERS = ("guard_rows", "guard_table")


def upgrade() -> None:
    for trigger in TRIGGERS:
        op.execute(f"ALTER TABLE audit_log ENABLE ALWAYS TRIGGER {trigger}")


def downgrade() -> None:
    for trigger in TRIGGERS:
        op.execute(f"ALTER TABLE audit_log ENABLE TRIGGER {trigger}")
