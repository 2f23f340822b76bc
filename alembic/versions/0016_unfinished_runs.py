"""Keep unfinished runs in a small table apart from the history, so that looking for them costs the same with any history.

`task_results` shows both. A worker of the version before can still end its runs, which Postgres then moves, and can
claim no more.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

UNFINISHED = "'queued', 'running', 'retrying'"
FINAL = "'succeeded', 'failed', 'cancelled', 'skipped', 'missed', 'unknown'"
WAITS = "state = 'queued' AND next_attempt_at IS NULL"
RENAMED = ("task_id_scheduled_for", "scheduled_for", "run_at", "unsuccessful")

GUARD_ARROWS = """
CREATE TRIGGER guard_arrows BEFORE UPDATE OF state ON task_results FOR EACH ROW
WHEN (OLD.state <> NEW.state AND NOT (
    OLD.state = 'queued' AND NEW.state IN ('running', 'cancelled')
    OR OLD.state = 'running' AND NEW.state IN ('succeeded', 'failed', 'retrying', 'unknown', 'cancelled')
    OR OLD.state = 'retrying' AND NEW.state IN ('running', 'cancelled')
))
EXECUTE FUNCTION refuse_arrow()
"""

# A statement names only the partitions of the ids that it looks for while these are known when it is planned. A worker
# plans its statements once, so this one is planned at each call.
FINISHED_AMONG = """
CREATE FUNCTION finished_among(run_ids uuid[]) RETURNS SETOF uuid LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY EXECUTE 'SELECT id FROM finished_runs WHERE id = ANY($1)' USING run_ids;
END $$
"""

# A foreign key would look up and lock the task of each run once more when the run ends.
REMOVE_FINISHED = """
CREATE FUNCTION remove_finished_runs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM finished_runs WHERE task_id = OLD.id;
    RETURN NULL;
END $$
"""
REMOVE_WITH_TASK = """
CREATE TRIGGER remove_finished_runs AFTER DELETE ON tasks FOR EACH ROW EXECUTE FUNCTION remove_finished_runs()
"""

# The search path ends with pg_temp, so that no temporary table of the caller can take the place of a table. Attaching a
# partition does not lock the whole table against claims, and a long query cannot make the function, and so tasks, late.
CREATE_PARTITION = """
CREATE OR REPLACE FUNCTION create_run_partition(day date, lower_bound uuid, upper_bound uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    name text := 'task_results_' || to_char(day, 'YYYYMMDD');
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
    EXECUTE format(
        'ALTER TABLE {parent} ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, lower_bound, upper_bound
    );
END $$
"""

# A batch of runs is removed with each batch that ends, so autovacuum should come by often, and never stop to shorten
# the table, for which it would lock it.
STORAGE = "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, vacuum_truncate = off"


def create_partitions_of(parent: str) -> None:
    """Let the function of the owner create the partitions of this table."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(CREATE_PARTITION.format(schema=schema, parent=parent))


def upgrade() -> None:
    op.execute("DROP TRIGGER guard_arrows ON task_results")
    for name in ("unfinished", "next_attempt_at", "queued", "worker_id"):
        op.drop_index(f"task_results_{name}", "task_results")
    op.drop_constraint("task_results_task_id_fkey", "task_results")
    op.rename_table("task_results", "finished_runs")
    for name in ("pkey", *RENAMED):
        op.execute(f"ALTER INDEX task_results_{name} RENAME TO finished_runs_{name}")
    like = "(LIKE finished_runs INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
    op.execute(f"CREATE TABLE task_results {like} PARTITION BY LIST (state)")
    op.execute(f"CREATE TABLE unfinished_runs {like} WITH ({STORAGE})")
    op.execute("""
    WITH unfinished AS (DELETE FROM finished_runs WHERE finished_at IS NULL RETURNING *)
    INSERT INTO unfinished_runs SELECT * FROM unfinished
    """)
    op.create_primary_key("unfinished_runs_pkey", "unfinished_runs", ["id"])
    op.create_foreign_key(
        "unfinished_runs_task_id_fkey", "unfinished_runs", "tasks", ["task_id"], ["id"], ondelete="CASCADE"
    )
    op.create_index("unfinished_runs_task_id", "unfinished_runs", ["task_id"])
    op.create_index("unfinished_runs_queued", "unfinished_runs", ["task_id"], postgresql_where=sa.text(WAITS))
    for name in ("next_attempt_at", "worker_id"):
        where = sa.text(f"{name} IS NOT NULL")
        op.create_index(f"unfinished_runs_{name}", "unfinished_runs", [name], postgresql_where=where)
    op.create_check_constraint("unfinished", "unfinished_runs", "finished_at IS NULL")
    op.create_check_constraint("finished", "finished_runs", "finished_at IS NOT NULL")
    op.execute(f"ALTER TABLE task_results ATTACH PARTITION unfinished_runs FOR VALUES IN ({UNFINISHED})")
    op.execute(f"ALTER TABLE task_results ATTACH PARTITION finished_runs FOR VALUES IN ({FINAL})")
    op.execute(GUARD_ARROWS)
    op.execute(FINISHED_AMONG)
    op.execute(REMOVE_FINISHED)
    op.execute(REMOVE_WITH_TASK)
    create_partitions_of("finished_runs")


def downgrade() -> None:
    create_partitions_of("task_results")
    op.execute("DROP TRIGGER remove_finished_runs ON tasks")
    op.execute("DROP FUNCTION remove_finished_runs")
    op.execute("DROP FUNCTION finished_among")
    op.execute("DROP TRIGGER guard_arrows ON task_results")
    for part in ("unfinished_runs", "finished_runs"):
        op.execute(f"ALTER TABLE task_results DETACH PARTITION {part}")
    op.drop_table("task_results")
    op.drop_constraint("finished", "finished_runs")
    op.execute("INSERT INTO finished_runs SELECT * FROM unfinished_runs")
    op.drop_table("unfinished_runs")
    for name in ("pkey", *RENAMED):
        op.execute(f"ALTER INDEX finished_runs_{name} RENAME TO task_results_{name}")
    op.rename_table("finished_runs", "task_results")
    op.create_foreign_key("task_results_task_id_fkey", "task_results", "tasks", ["task_id"], ["id"], ondelete="CASCADE")
    unfinished = {
        "unfinished": ("task_id", "finished_at IS NULL"),
        "next_attempt_at": ("next_attempt_at", "next_attempt_at IS NOT NULL"),
        "queued": ("task_id", f"finished_at IS NULL AND {WAITS}"),
        "worker_id": ("worker_id", "worker_id IS NOT NULL"),
    }
    for name, (column, where) in unfinished.items():
        op.create_index(f"task_results_{name}", "task_results", [column], postgresql_where=sa.text(where))
    op.execute(GUARD_ARROWS)
