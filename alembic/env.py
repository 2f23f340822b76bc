"""Runs migrations on the connection that `db.migrations` passes. Alembic's own command line is not supported."""

from alembic import context

from db.migrations import is_ours
from db.models import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_object=is_ours,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
