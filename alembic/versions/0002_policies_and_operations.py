"""Add overlap and misfire policies, versions of tasks, idempotency keys, and the guard of state transitions.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

REFUSE_ARROW = """
CREATE FUNCTION refuse_arrow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a run cannot go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
END $$
"""
# The condition lists the allowed transitions, so that they do not call the function.
GUARD_ARROWS = """
CREATE TRIGGER guard_arrows BEFORE UPDATE OF state ON task_results FOR EACH ROW
WHEN (OLD.state <> NEW.state AND NOT (
    OLD.state = 'queued' AND NEW.state IN ('running', 'cancelled')
    OR OLD.state = 'running' AND NEW.state IN ('succeeded', 'failed', 'retrying', 'unknown', 'cancelled')
    OR OLD.state = 'retrying' AND NEW.state IN ('running', 'cancelled')
))
EXECUTE FUNCTION refuse_arrow()
"""


def upgrade() -> None:
    op.create_table(
        "zone_rules",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.CheckConstraint("one", name="only_one"),
        sa.PrimaryKeyConstraint("one"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("scope", "key"),
    )
    op.create_index("ix_idempotency_keys_task_id", "idempotency_keys", ["task_id"])
    op.create_table(
        "task_versions",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("headers", postgresql.JSONB(), nullable=True),
        sa.Column("payload", postgresql.JSONB(), nullable=True),
        sa.Column("timeout_ms", sa.BigInteger(), nullable=False),
        sa.Column("redirects", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("initial_delay_ms", sa.BigInteger(), nullable=False),
        sa.Column("backoff_factor", sa.Float(), nullable=False),
        sa.Column("max_delay_ms", sa.BigInteger(), nullable=False),
        sa.Column("on_lost", sa.String(length=20), nullable=False),
        sa.CheckConstraint("on_lost IN ('retry', 'fail')", name="on_lost_known"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", "version"),
    )
    op.add_column("task_results", sa.Column("host", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("task_results", sa.Column("retry_of", sa.Uuid(), nullable=True))
    op.add_column("tasks", sa.Column("resume_from", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tasks", sa.Column("misfire_once", sa.String(length=20), nullable=True))
    op.add_column("tasks", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("tasks_deleted_at", "tasks", ["deleted_at"], postgresql_where=sa.text("deleted_at IS NOT NULL"))
    op.drop_constraint("due_with_next_run", "tasks")
    op.drop_constraint("due_only_when_scheduled", "tasks")
    op.create_check_constraint("misfire_once_known", "tasks", "misfire_once IN ('latest', 'skip', 'all')")
    op.create_check_constraint("due_has_next_run", "tasks", "due_at IS NULL OR next_run IS NOT NULL")
    op.create_check_constraint("next_run_only_when_scheduled", "tasks", "next_run IS NULL OR status = 'scheduled'")
    op.create_check_constraint("resume_from_only_when_paused", "tasks", "resume_from IS NULL OR status = 'paused'")
    op.drop_constraint("retrying_has_next_attempt", "task_results")
    op.create_check_constraint(
        "retrying_has_next_attempt", "task_results", "state <> 'retrying' OR next_attempt_at IS NOT NULL"
    )
    op.create_check_constraint(
        "next_attempt_only_when_waiting",
        "task_results",
        "next_attempt_at IS NULL OR state IN ('queued', 'retrying')",
    )
    op.execute(REFUSE_ARROW)
    op.execute(GUARD_ARROWS)


def downgrade() -> None:
    op.execute("DROP TRIGGER guard_arrows ON task_results")
    op.execute("DROP FUNCTION refuse_arrow")
    op.drop_constraint("next_attempt_only_when_waiting", "task_results")
    op.drop_constraint("retrying_has_next_attempt", "task_results")
    op.create_check_constraint(
        "retrying_has_next_attempt", "task_results", "(next_attempt_at IS NOT NULL) = (state = 'retrying')"
    )
    for name in (
        "misfire_once_known",
        "due_has_next_run",
        "next_run_only_when_scheduled",
        "resume_from_only_when_paused",
    ):
        op.drop_constraint(name, "tasks")
    op.create_check_constraint("due_only_when_scheduled", "tasks", "due_at IS NULL OR status = 'scheduled'")
    op.create_check_constraint("due_with_next_run", "tasks", "(next_run IS NULL) = (due_at IS NULL)")
    for name in ("deleted_at", "misfire_once", "resume_from"):
        op.drop_column("tasks", name)
    for name in ("retry_of", "host"):
        op.drop_column("task_results", name)
    for name in ("task_versions", "idempotency_keys", "zone_rules"):
        op.drop_table(name)
