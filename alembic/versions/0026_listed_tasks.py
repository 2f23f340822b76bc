"""Keep what lists sort and count tasks by in a table of its own, which the claim of a task does not touch.

Revision ID: 0026
Revises: 0025
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

KEEP = """
CREATE FUNCTION {schema}.keep_listed_tasks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO {schema}.listed_tasks (task_id, created_at, name, status)
        SELECT id, created_at, name, status FROM created WHERE deleted_at IS NULL;
    ELSIF TG_OP = 'TRUNCATE' THEN
        TRUNCATE {schema}.listed_tasks;
    ELSIF TG_OP = 'DELETE' OR NEW.deleted_at IS NOT NULL THEN
        DELETE FROM {schema}.listed_tasks WHERE task_id = OLD.id;
    ELSE
        UPDATE {schema}.listed_tasks SET created_at = NEW.created_at, name = NEW.name, status = NEW.status
        WHERE task_id = NEW.id;
        IF NOT FOUND THEN
            INSERT INTO {schema}.listed_tasks (task_id, created_at, name, status)
            VALUES (NEW.id, NEW.created_at, NEW.name, NEW.status);
        END IF;
    END IF;
    RETURN NULL;
END $$
"""
# A foreign key would do the same, and take nearly as long for each new task as all of the rest.
KEEP_REMOVED = (
    """
CREATE TRIGGER unlist_removed AFTER DELETE ON tasks FOR EACH ROW EXECUTE FUNCTION {schema}.keep_listed_tasks()
""",
    """
CREATE TRIGGER unlist_all AFTER TRUNCATE ON tasks FOR EACH STATEMENT EXECUTE FUNCTION {schema}.keep_listed_tasks()
""",
)
KEEP_NEW = """
CREATE TRIGGER list_new AFTER INSERT ON tasks REFERENCING NEW TABLE AS created FOR EACH STATEMENT
EXECUTE FUNCTION {schema}.keep_listed_tasks()
"""
# A claim sets the status, too, and nearly always to what it was.
KEEP_CHANGED = """
CREATE TRIGGER list_changed AFTER UPDATE OF created_at, name, status, deleted_at ON tasks FOR EACH ROW
WHEN (OLD.status <> NEW.status OR OLD.name <> NEW.name OR OLD.created_at <> NEW.created_at
      OR OLD.deleted_at IS DISTINCT FROM NEW.deleted_at)
EXECUTE FUNCTION {schema}.keep_listed_tasks()
"""
FILL = """
INSERT INTO listed_tasks (task_id, created_at, name, status)
SELECT id, created_at, name, status FROM tasks WHERE deleted_at IS NULL
"""
INDEXES = {
    "created_at_id": ["created_at", "{id}"],
    "name_id": ["name", "{id}"],
    "status_created_at_id": ["status", "created_at", "{id}"],
}


def create_indexes(table: str, *, key: str) -> None:
    """Create the indexes by which lists sort."""
    for name, columns in INDEXES.items():
        op.create_index(f"{table}_{name}", table, [column.format(id=key) for column in columns])


def upgrade() -> None:
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.create_table(
        "listed_tasks",
        sa.Column("task_id", sa.Uuid(), primary_key=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
    )
    # From the first trigger on, others who write tasks wait for the end of the migration, so the table misses none.
    for statement in (KEEP, KEEP_NEW, KEEP_CHANGED, *KEEP_REMOVED):
        op.execute(statement.format(schema=schema))
    op.execute(FILL)
    create_indexes("listed_tasks", key="task_id")
    for name in INDEXES:
        op.drop_index(f"tasks_{name}", "tasks")


def downgrade() -> None:
    for trigger in ("list_new", "list_changed", "unlist_removed", "unlist_all"):
        op.execute(f"DROP TRIGGER {trigger} ON tasks")
    op.execute("DROP FUNCTION keep_listed_tasks()")
    op.drop_table("listed_tasks")
    create_indexes("tasks", key="id")
