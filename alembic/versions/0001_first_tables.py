"""Create tasks, their runs (partitioned by id), the events of runs, and workers.

Revision ID: 0001
Revises: nothing
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run_event_counter",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("one", name="only_one"),
        sa.PrimaryKeyConstraint("one"),
    )
    op.create_table(
        "run_events",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'retrying', 'succeeded', 'failed', 'cancelled', 'skipped', 'missed', 'unknown')",
            name="state_known",
        ),
        sa.CheckConstraint(
            "type IN ('queued', 'started', 'attempt_failed', 'attempt_lost', 'succeeded', 'failed', 'cancelled', 'skipped', 'missed', 'unknown')",
            name="type_known",
        ),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("trigger_type", sa.String(length=20), nullable=False),
        sa.Column("trigger_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cron_expr", sa.String(length=256), nullable=True),
        sa.Column("timezone", sa.Text(), server_default=sa.text("'UTC'"), nullable=False),
        sa.Column("every_ms", sa.BigInteger(), nullable=True),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("jitter_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("headers", postgresql.JSONB(), nullable=True),
        sa.Column("payload", postgresql.JSONB(), nullable=True),
        sa.Column("timeout_ms", sa.BigInteger(), server_default=sa.text("30000"), nullable=False),
        sa.Column("redirects", sa.Integer(), server_default=sa.text("5"), nullable=False),
        sa.Column("max_attempts", sa.Integer(), server_default=sa.text("3"), nullable=False),
        sa.Column("initial_delay_ms", sa.BigInteger(), server_default=sa.text("5000"), nullable=False),
        sa.Column("backoff_factor", sa.Float(), server_default=sa.text("2"), nullable=False),
        sa.Column("max_delay_ms", sa.BigInteger(), server_default=sa.text("300000"), nullable=False),
        sa.Column("overlap", sa.String(length=20), server_default=sa.text("'skip'"), nullable=False),
        sa.Column("misfire", sa.String(length=20), server_default=sa.text("'latest'"), nullable=False),
        sa.Column("on_lost", sa.String(length=20), server_default=sa.text("'retry'"), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("status", sa.String(length=20), server_default=sa.text("'scheduled'"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("next_run", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("due_at IS NULL OR status = 'scheduled'", name="due_only_when_scheduled"),
        sa.CheckConstraint("misfire IN ('latest', 'skip', 'all')", name="misfire_known"),
        sa.CheckConstraint("on_lost IN ('retry', 'fail')", name="on_lost_known"),
        sa.CheckConstraint("overlap IN ('allow', 'skip', 'queue')", name="overlap_known"),
        sa.CheckConstraint("status IN ('scheduled', 'paused', 'completed', 'cancelled')", name="status_known"),
        sa.CheckConstraint("trigger_type IN ('one-off', 'cron', 'interval')", name="trigger_type_known"),
        sa.CheckConstraint("(next_run IS NULL) = (due_at IS NULL)", name="due_with_next_run"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("tasks_created_at_id", "tasks", ["created_at", "id"])
    op.create_index("tasks_due_at", "tasks", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_index("tasks_name_id", "tasks", ["name", "id"])
    op.create_index("tasks_next_run_id", "tasks", ["next_run", "id"])
    op.create_table(
        "workers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column(
            "started_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "renewed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "task_results",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("task_version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("cause", sa.String(length=20), server_default=sa.text("'schedule'"), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("scheduled_for", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("missed_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("missed_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker_id", sa.Uuid(), nullable=True),
        sa.Column("epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempt_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("success", sa.Boolean(), nullable=True),
        sa.Column("response_headers", postgresql.JSONB(), nullable=True),
        sa.Column("response_body", sa.Text(), nullable=True),
        sa.Column("body_encoding", sa.String(length=20), server_default=sa.text("'utf8'"), nullable=False),
        sa.Column("body_truncated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(finished_at IS NULL) = (state IN ('queued', 'running', 'retrying'))", name="finished_when_final"
        ),
        sa.CheckConstraint("(next_attempt_at IS NOT NULL) = (state = 'retrying')", name="retrying_has_next_attempt"),
        sa.CheckConstraint("(worker_id IS NOT NULL) = (state = 'running')", name="running_has_worker"),
        sa.CheckConstraint("body_encoding IN ('utf8', 'base64')", name="body_encoding_known"),
        sa.CheckConstraint("cause IN ('schedule', 'manual', 'retry')", name="cause_known"),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'retrying', 'succeeded', 'failed', 'cancelled', 'skipped', 'missed', 'unknown')",
            name="state_known",
        ),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index(
        "task_results_next_attempt_at",
        "task_results",
        ["next_attempt_at"],
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_index("task_results_scheduled_for", "task_results", ["scheduled_for", "id"])
    op.create_index("task_results_task_id_scheduled_for", "task_results", ["task_id", "scheduled_for", "id"])
    op.create_index(
        "task_results_unfinished", "task_results", ["task_id"], postgresql_where=sa.text("finished_at IS NULL")
    )
    op.create_index(
        "task_results_worker_id", "task_results", ["worker_id"], postgresql_where=sa.text("worker_id IS NOT NULL")
    )
    # For imported runs, which have random ids, and for late runs of a day without a partition.
    op.execute("CREATE TABLE task_results_default PARTITION OF task_results DEFAULT")
    op.execute("INSERT INTO run_event_counter DEFAULT VALUES")


def downgrade() -> None:
    for table in ("task_results", "workers", "tasks", "run_events", "run_event_counter"):
        op.drop_table(table)
