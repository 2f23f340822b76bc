"""Keep what lists filter by and what totals add up beside the tasks and runs, so that neither reads all of them.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

KEEP_WORDS = """
CREATE FUNCTION {schema}.keep_task_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO {schema}.task_words (task_id, name, url, tags)
        SELECT id, lower(name{collation}), lower(url{collation}), tags FROM created;
    ELSE
        UPDATE {schema}.task_words
        SET name = lower(NEW.name{collation}), url = lower(NEW.url{collation}), tags = NEW.tags
        WHERE task_id = NEW.id;
    END IF;
    RETURN NULL;
END $$
"""
KEEP_WORDS_OF_NEW = """
CREATE TRIGGER keep_words_of_new AFTER INSERT ON tasks REFERENCING NEW TABLE AS created FOR EACH STATEMENT
EXECUTE FUNCTION {schema}.keep_task_words()
"""
KEEP_WORDS_OF_CHANGED = """
CREATE TRIGGER keep_words_of_changed AFTER UPDATE OF name, url, tags ON tasks FOR EACH ROW
WHEN (OLD.name <> NEW.name OR OLD.url <> NEW.url OR OLD.tags <> NEW.tags)
EXECUTE FUNCTION {schema}.keep_task_words()
"""
FILL_WORDS = """
INSERT INTO task_words (task_id, name, url, tags)
SELECT id, lower(name{collation}), lower(url{collation}), tags FROM tasks
"""

# A result is the end of a run that had an attempt.
COUNTS = """count(*) FILTER (WHERE run_at IS NOT NULL) AS results,
       count(*) FILTER (WHERE run_at IS NOT NULL AND success) AS succeeded,
       count(*) FILTER (WHERE run_at IS NOT NULL AND NOT success) AS unsuccessful"""
# Rows are locked in the order of the ids of their tasks, so no two statements wait for each other.
SUMMARIZE = """
INSERT INTO {schema}.run_summaries AS s (task_id, scheduled_for, run_id, state)
SELECT DISTINCT ON (task_id) task_id, scheduled_for, id, state
FROM {runs} WHERE finished_at IS NOT NULL
ORDER BY task_id, scheduled_for DESC, id DESC
"""
ADD_TO_SUMMARIES = f"""{SUMMARIZE}
ON CONFLICT (task_id) DO UPDATE
SET scheduled_for = excluded.scheduled_for, run_id = excluded.run_id, state = excluded.state
WHERE (excluded.scheduled_for, excluded.run_id) >= (s.scheduled_for, s.run_id)
"""
# Each statement adds a row of its own, so no two wait for each other. Maintenance adds the rows up.
COUNT_RESULTS = f"""
INSERT INTO {{schema}}.result_counts (results, succeeded, unsuccessful)
SELECT {{sign}} results, {{sign}} succeeded, {{sign}} unsuccessful
FROM (SELECT {COUNTS} FROM {{runs}} WHERE finished_at IS NOT NULL) AS counts
WHERE results > 0
"""
KEEP_SUMMARIES = f"""
CREATE FUNCTION {{schema}}.keep_run_summaries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('DELETE', 'UPDATE') THEN
        PERFORM FROM {{schema}}.run_summaries WHERE task_id IN (SELECT task_id FROM removed)
        ORDER BY task_id FOR NO KEY UPDATE;
        {COUNT_RESULTS.format(schema="{schema}", sign="-", runs="removed")};
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        IF EXISTS (SELECT FROM added WHERE finished_at IS NOT NULL) THEN
            {ADD_TO_SUMMARIES.format(schema="{schema}", runs="added")};
            {COUNT_RESULTS.format(schema="{schema}", sign="", runs="added")};
        END IF;
    END IF;
    -- The rows of a deleted task go, and with them its summary.
    IF TG_OP = 'DELETE' THEN
        WITH lost AS (
            SELECT s.task_id, newest.* FROM removed r
            JOIN {{schema}}.run_summaries s ON s.task_id = r.task_id AND s.run_id = r.id
            JOIN {{schema}}.tasks t ON t.id = s.task_id AND t.deleted_at IS NULL
            LEFT JOIN LATERAL (
                SELECT n.scheduled_for, n.id, n.state FROM {{schema}}.finished_runs n WHERE n.task_id = s.task_id
                ORDER BY n.scheduled_for DESC, n.id DESC LIMIT 1
            ) AS newest ON true
        ),
        gone AS (
            DELETE FROM {{schema}}.run_summaries s USING lost l WHERE s.task_id = l.task_id AND l.id IS NULL
        )
        UPDATE {{schema}}.run_summaries s SET scheduled_for = l.scheduled_for, run_id = l.id, state = l.state
        FROM lost l WHERE s.task_id = l.task_id AND l.id IS NOT NULL;
    END IF;
    RETURN NULL;
END $$
"""
FORGET_SUMMARIES = """
CREATE FUNCTION {schema}.forget_run_summaries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM {schema}.run_summaries;
    DELETE FROM {schema}.result_counts;
    RETURN NULL;
END $$
"""
ON_TRUNCATE = """
CREATE TRIGGER forget_summaries AFTER TRUNCATE ON finished_runs FOR EACH STATEMENT
EXECUTE FUNCTION {schema}.forget_run_summaries()
"""
# A trigger of a statement fires for the table that the statement names, and not for its partitions.
NAMED = ("task_results", "finished_runs", "task_results_default")
TRANSITIONS = {
    "insert": "NEW TABLE AS added",
    "delete": "OLD TABLE AS removed",
    "update": "OLD TABLE AS removed NEW TABLE AS added",
}
ON_CHANGE = """
CREATE TRIGGER keep_summaries_on_{change} AFTER {change} ON {table} REFERENCING {transition} FOR EACH STATEMENT
EXECUTE FUNCTION {schema}.keep_run_summaries()
"""
# A foreign key would look up and lock the task of each run once more when the run ends.
REMOVE_WITH_TASK = """
CREATE OR REPLACE FUNCTION {schema}.remove_finished_runs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM finished_runs WHERE task_id = OLD.id;
    {summary}RETURN NULL;
END $$
"""
REMOVE_SUMMARY = "DELETE FROM run_summaries WHERE task_id = OLD.id;\n    "
HAS_TRIGRAMS = "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm')"
# Who may not create the extension does without it. The block undoes what failed in it and nothing else.
CREATE_TRIGRAMS = """
DO $$ BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE 'pg_trgm was not created: %', SQLERRM;
END $$
"""
# The extension may be in any schema.
OPERATORS = """
SELECT quote_ident(n.nspname) || '.gin_trgm_ops' FROM pg_opclass o
JOIN pg_namespace n ON n.oid = o.opcnamespace JOIN pg_am m ON m.oid = o.opcmethod
WHERE o.opcname = 'gin_trgm_ops' AND m.amname = 'gin' AND has_schema_privilege(n.oid, 'USAGE')
"""


def create_words(*, schema: str, collation: str) -> None:
    """Create the table of what tasks are searched by, fill it, and let triggers maintain it."""
    op.create_table(
        "task_words",
        sa.Column("task_id", sa.Uuid(), sa.ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False),
    )
    op.execute(FILL_WORDS.format(collation=collation))
    op.create_index(
        "task_words_tags", "task_words", ["tags"], postgresql_using="gin", postgresql_where=sa.text("tags <> '{}'")
    )
    for statement in (KEEP_WORDS, KEEP_WORDS_OF_NEW, KEEP_WORDS_OF_CHANGED):
        op.execute(statement.format(schema=schema, collation=collation))


def create_summaries(*, schema: str) -> None:
    """Create the tables of what the ended runs add up to, fill them, and let triggers maintain them."""
    # A run that ends like the one before changes no indexed column, and finds room in the page of its row.
    op.create_table(
        "run_summaries",
        sa.Column("task_id", sa.Uuid(), primary_key=True),
        sa.Column("scheduled_for", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "result_counts",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("results", "succeeded", "unsuccessful")),
    )
    op.execute(SUMMARIZE.format(schema=schema, runs="finished_runs"))
    op.execute(COUNT_RESULTS.format(schema=schema, sign="", runs="finished_runs"))
    op.create_index("run_summaries_state", "run_summaries", ["state", "task_id"])
    for statement in (KEEP_SUMMARIES, FORGET_SUMMARIES, ON_TRUNCATE):
        op.execute(statement.format(schema=schema))
    op.execute(REMOVE_WITH_TASK.format(schema=schema, summary=REMOVE_SUMMARY))
    for table in NAMED:
        for change, transition in TRANSITIONS.items():
            op.execute(ON_CHANGE.format(schema=schema, change=change, table=table, transition=transition))


def create_trigrams() -> None:
    """Index the words by trigrams if the server has pg_trgm and the owner may use it. Otherwise they are read whole."""
    connection = op.get_bind()
    if connection.scalar(sa.text(HAS_TRIGRAMS)):
        op.execute(CREATE_TRIGRAMS)
    operators = connection.scalar(sa.text(OPERATORS))
    if operators is not None:
        for column in ("name", "url"):
            op.execute(f"CREATE INDEX task_words_{column}_trigrams ON task_words USING gin ({column} {operators})")


def upgrade() -> None:
    connection = op.get_bind()
    schema = connection.scalar(sa.text("SELECT quote_ident(current_schema())"))
    version = connection.dialect.server_version_info
    create_words(schema=schema, collation=' COLLATE "pg_c_utf8"' if version >= (17,) else "")
    create_trigrams()
    create_summaries(schema=schema)
    op.create_index("tasks_status_created_at_id", "tasks", ["status", "created_at", "id"])


def downgrade() -> None:
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(REMOVE_WITH_TASK.format(schema=schema, summary=""))
    op.drop_index("tasks_status_created_at_id", "tasks")
    for trigger in ("keep_words_of_new", "keep_words_of_changed"):
        op.execute(f"DROP TRIGGER {trigger} ON tasks")
    op.execute("DROP TRIGGER forget_summaries ON finished_runs")
    for table in NAMED:
        for change in TRANSITIONS:
            op.execute(f"DROP TRIGGER keep_summaries_on_{change} ON {table}")
    for function in ("keep_task_words", "keep_run_summaries", "forget_run_summaries"):
        op.execute(f"DROP FUNCTION {function}()")
    for table in ("task_words", "run_summaries", "result_counts"):
        op.drop_table(table)
