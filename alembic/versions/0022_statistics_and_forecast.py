"""Keep statistics of runs, what is wrong with tasks, and a forecast of the load; workers note their version.

The cursor begins before the first event that is kept, so maintenance also counts the runs of the last days.

Revision ID: 0022
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0019"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
TABLES = ("load_forecast_state", "load_forecast", "task_troubles", "statistics_cursor", "run_statistics")

# Statistics of all tasks together belong to no task, so there is no foreign key.
REMOVE_WITH_TASK = """
CREATE FUNCTION {schema}.remove_task_statistics() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM {schema}.run_statistics WHERE task_id = OLD.id;
    DELETE FROM {schema}.task_troubles WHERE task_id = OLD.id;
    RETURN NULL;
END $$
"""
ON_REMOVAL = """
CREATE TRIGGER remove_task_statistics AFTER DELETE ON tasks FOR EACH ROW
EXECUTE FUNCTION {schema}.remove_task_statistics()
"""


def create_statistics() -> None:
    """Create the tables that maintenance fills from run events."""
    op.create_table(
        "run_statistics",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("start", INSTANT, nullable=False),
        sa.Column("width", sa.String(20), nullable=False),
        sa.Column("places", postgresql.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("numbers", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.CheckConstraint("width IN ('minute', 'hour', 'day')", name="width_known"),
        sa.PrimaryKeyConstraint("task_id", "start", "width"),
    )
    op.create_index("run_statistics_width_start", "run_statistics", ["width", "start"])
    op.create_table(
        "statistics_cursor",
        sa.Column("one", sa.Boolean(), primary_key=True, server_default=sa.text("true")),
        sa.Column("seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("one", name="only_one"),
    )
    op.execute("INSERT INTO statistics_cursor DEFAULT VALUES")
    op.create_table(
        "task_troubles",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("kind IN ('failing', 'late')", name="kind_known"),
        sa.PrimaryKeyConstraint("task_id", "kind"),
    )
    op.create_index("task_troubles_kind_since", "task_troubles", ["kind", "since", "task_id"])


def create_forecast() -> None:
    """Create the tables of the forecast."""
    op.create_table(
        "load_forecast",
        sa.Column("start", INSTANT, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("start", "host"),
    )
    op.create_table(
        "load_forecast_state",
        sa.Column("one", sa.Boolean(), primary_key=True, server_default=sa.text("true")),
        sa.Column("computed_at", INSTANT, nullable=True),
        sa.Column("tasks", sa.Text(), nullable=True),
        sa.Column("claimed_until", INSTANT, server_default=sa.text("'-infinity'"), nullable=False),
        sa.CheckConstraint("one", name="only_one"),
    )
    op.execute("INSERT INTO load_forecast_state DEFAULT VALUES")


def upgrade() -> None:
    op.add_column("workers", sa.Column("version", sa.Text(), nullable=True))
    create_statistics()
    create_forecast()
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    for statement in (REMOVE_WITH_TASK, ON_REMOVAL):
        op.execute(statement.format(schema=schema))


def downgrade() -> None:
    op.execute("DROP TRIGGER remove_task_statistics ON tasks")
    op.execute("DROP FUNCTION remove_task_statistics()")
    for table in TABLES:
        op.drop_table(table)
    op.drop_column("workers", "version")
