"""Create the partitions of a day by a function of the owner, so that Duetime's role need not own any table.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# The search path ends with pg_temp, so that no temporary table of the caller can take the place of a table. Attaching a
# partition does not lock the whole table against claims, and a long query cannot make the function, and so tasks, late.
CREATE = """
CREATE FUNCTION create_run_partition(day date, lower_bound uuid, upper_bound uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    name text := 'task_results_' || to_char(day, 'YYYYMMDD');
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE task_results INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
    EXECUTE format(
        'ALTER TABLE task_results ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, lower_bound, upper_bound
    );
END $$
"""
SIGNATURE = "create_run_partition(date, uuid, uuid)"


def upgrade() -> None:
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(CREATE.format(schema=schema))
    op.execute(f"REVOKE ALL ON FUNCTION {SIGNATURE} FROM PUBLIC")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {SIGNATURE}")
