"""Add external ids, descriptions and metadata of tasks, and tasks that are deleted some time after their end.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

COLUMNS = ("external_id", "description", "user_metadata", "delete_after_ms", "ended_at", "delete_at")

# Several statements end tasks, and other programs may, so the table itself notes when a task has ended.
NOTE_END = """
CREATE FUNCTION note_end_of_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status NOT IN ('completed', 'cancelled') THEN
        NEW.ended_at := NULL;
    ELSIF TG_OP = 'INSERT' OR OLD.status <> NEW.status THEN
        NEW.ended_at := clock_timestamp();
    END IF;
    NEW.delete_at := NEW.ended_at + NEW.delete_after_ms * interval '1 millisecond';
    RETURN NEW;
END $$
"""
# The conditions spare the call of the function whenever a task is created, or fires and goes on.
NOTE_END_OF_NEW = """
CREATE TRIGGER note_end_of_new BEFORE INSERT ON tasks FOR EACH ROW
WHEN (NEW.status IN ('completed', 'cancelled'))
EXECUTE FUNCTION note_end_of_task()
"""
NOTE_END_OF_CHANGED = """
CREATE TRIGGER note_end_of_changed BEFORE UPDATE OF status, delete_after_ms ON tasks FOR EACH ROW
WHEN (OLD.status <> NEW.status OR OLD.delete_after_ms IS DISTINCT FROM NEW.delete_after_ms)
EXECUTE FUNCTION note_end_of_task()
"""


def upgrade() -> None:
    op.add_column("tasks", sa.Column("external_id", sa.String(length=255), nullable=True))
    op.add_column("tasks", sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("tasks", sa.Column("user_metadata", postgresql.JSON(), nullable=True))
    op.add_column("tasks", sa.Column("delete_after_ms", sa.BigInteger(), nullable=True))
    op.add_column("tasks", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tasks", sa.Column("delete_at", sa.DateTime(timezone=True), nullable=True))
    # Nobody knows when these have ended. Counted from now on, none of them is deleted too early.
    op.execute("UPDATE tasks SET ended_at = now() WHERE status IN ('completed', 'cancelled')")
    op.create_index(
        "tasks_external_id",
        "tasks",
        ["external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL AND deleted_at IS NULL"),
    )
    op.create_index(
        "tasks_delete_at",
        "tasks",
        ["delete_at"],
        postgresql_where=sa.text("delete_at IS NOT NULL AND deleted_at IS NULL"),
    )
    for statement in (NOTE_END, NOTE_END_OF_NEW, NOTE_END_OF_CHANGED):
        op.execute(statement)


def downgrade() -> None:
    for trigger in ("note_end_of_new", "note_end_of_changed"):
        op.execute(f"DROP TRIGGER {trigger} ON tasks")
    op.execute("DROP FUNCTION note_end_of_task()")
    for index in ("tasks_external_id", "tasks_delete_at"):
        op.drop_index(index, "tasks")
    for column in COLUMNS:
        op.drop_column("tasks", column)
