"""Let the history end: functions of the owner remove old days of runs and old audit entries, and nothing else.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

UNSUCCESSFUL = "'failed', 'cancelled', 'skipped', 'missed', 'unknown'"
NAME = "'task_results_' || to_char(day, 'YYYYMMDD')"
IS_DAY = (
    "EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass({name}) AND inhparent = 'finished_runs'::regclass)"
)

# The search path ends with pg_temp, so that no temporary table of the caller can take the place of a table.
OF_OWNER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp"

# What goes away as a whole calls no triggers, so the totals of results are told here.
COUNT = """EXECUTE format(
        'INSERT INTO result_counts (results, succeeded, unsuccessful)
         SELECT {sign} count(*), {sign} count(*) FILTER (WHERE success), {sign} count(*) FILTER (WHERE NOT success)
         FROM %I WHERE run_at IS NOT NULL', {table}
    );"""

# Only writers to the old day wait while the rows to keep are looked for and copied, and no run of so long ago is
# usually written any more. The locks for which readers wait, or everyone, are taken last and held for the change alone.
# Which rows are kept is found by indexes: those of tasks with a time of their own, and unsuccessful ones.
PRUNE_DAY = """
CREATE FUNCTION prune_run_day(day date, days integer, failed_days integer, most_kept integer) RETURNS text
{of_owner} SET lock_timeout = '50ms' AS $$
DECLARE
    name text := {name};
    ended timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
    kept text := format(
        'SELECT r.* FROM %1$I r JOIN tasks t ON t.id = r.task_id
         WHERE r.state IN ({unsuccessful}) AND t.retention_days IS NULL
           AND (%3$s = 0 OR %2$L::timestamptz + make_interval(days => %3$s) > now())
         UNION ALL
         SELECT r.* FROM tasks t JOIN %1$I r ON r.task_id = t.id
         WHERE t.retention_days IS NOT NULL
           AND (t.retention_days = 0 OR %2$L::timestamptz + make_interval(days => t.retention_days) > now())',
        name, ended, failed_days
    );
    number bigint;
    there bigint;
BEGIN
    IF days < 1 OR failed_days < 0 OR ended + make_interval(days => days) > now() THEN
        RAISE EXCEPTION 'the runs of % are not old', day USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NOT {is_day} OR NOT pg_try_advisory_xact_lock(hashtext('prune_run_day'), 0) THEN
        RETURN 'none';
    END IF;
    EXECUTE format('LOCK TABLE ONLY %I IN SHARE MODE', name);
    EXECUTE format('SELECT count(*) FROM (%s LIMIT %s) k', kept, most_kept + 1) INTO number;
    IF number = 0 THEN
        {count_gone}
        LOCK TABLE ONLY finished_runs IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('DROP TABLE %I', name);
        RETURN 'dropped';
    END IF;
    EXECUTE format('SELECT count(*) FROM (SELECT FROM %I LIMIT %s) r', name, 2 * number + 1) INTO there;
    IF number > most_kept OR there <= 2 * number THEN
        RETURN 'rows';
    END IF;
    EXECUTE format('CREATE TABLE kept_runs AS %s', kept);
    {count_gone}
    {count_kept}
    EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', name);
    EXECUTE format('TRUNCATE ONLY %I', name);
    EXECUTE format('INSERT INTO %I SELECT * FROM kept_runs', name);
    DROP TABLE kept_runs;
    RETURN 'emptied';
END $$
"""

# Anyone who runs as Duetime's role could call this, so it leaves what happened lately, whatever the settings say.
PRUNE_AUDIT_LOG = """
CREATE FUNCTION prune_audit_log(days integer, most integer) RETURNS integer
{of_owner} AS $$
DECLARE
    removed integer;
BEGIN
    IF days < 90 THEN
        RAISE EXCEPTION 'the audit log is kept for at least 90 days' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM set_config('duetime.prunes_audit_log', 'on', true);
    DELETE FROM audit_log WHERE id IN (
        SELECT id FROM audit_log WHERE at < now() - make_interval(days => days) ORDER BY at LIMIT most
    );
    GET DIAGNOSTICS removed = ROW_COUNT;
    PERFORM set_config('duetime.prunes_audit_log', 'off', true);
    RETURN removed;
END $$
"""
REFUSE_CHANGE = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {exception}RAISE EXCEPTION 'the audit log is only added to' USING ERRCODE = 'insufficient_privilege';
END $$
"""
# Where one role does everything it owns the log anyway; this still keeps it from removing what is not old by accident.
IS_PRUNING = """IF TG_OP = 'DELETE' AND current_setting('duetime.prunes_audit_log', true) = 'on' THEN
        IF OLD.at < now() - interval '90 days' THEN
            RETURN OLD;
        END IF;
    END IF;
    """
SIGNATURES = ("prune_run_day(date, integer, integer, integer)", "prune_audit_log(integer, integer)")


def upgrade() -> None:
    op.add_column("tasks", sa.Column("retention_days", sa.Integer(), nullable=True))
    op.create_check_constraint("retention_not_negative", "tasks", "retention_days >= 0")
    op.create_index("tasks_retention_days", "tasks", ["id"], postgresql_where=sa.text("retention_days IS NOT NULL"))
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    of_owner = OF_OWNER.format(schema=schema)
    is_day = IS_DAY.format(name="name")
    op.execute(
        PRUNE_DAY.format(
            of_owner=of_owner,
            name=NAME,
            is_day=is_day,
            unsuccessful=UNSUCCESSFUL.replace("'", "''"),
            count_gone=COUNT.format(sign="-", table="name"),
            count_kept=COUNT.format(sign="+", table="'kept_runs'"),
        )
    )
    op.execute(PRUNE_AUDIT_LOG.format(of_owner=of_owner))
    op.execute(REFUSE_CHANGE.format(exception=IS_PRUNING))
    for signature in SIGNATURES:
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")


def downgrade() -> None:
    op.execute(REFUSE_CHANGE.format(exception=""))
    for signature in SIGNATURES:
        op.execute(f"DROP FUNCTION {signature}")
    op.drop_index("tasks_retention_days", "tasks")
    op.drop_constraint("retention_not_negative", "tasks")
    op.drop_column("tasks", "retention_days")
