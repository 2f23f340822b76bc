"""Which revision the schema of a database has, and which one this version of the code was written for.

Alembic could tell as well, but to import it takes a tenth of the time in which an API or a worker starts.
"""

from pathlib import Path

from sqlalchemy import Connection, text

PACKAGED_SCRIPTS = Path(__file__).parent / "alembic"
# A wheel holds the migrations inside this package (see pyproject.toml); the source tree holds them beside it.
SCRIPTS = PACKAGED_SCRIPTS if PACKAGED_SCRIPTS.is_dir() else Path(__file__).parent.parent / "alembic"


def newest() -> str:
    """Return the revision of the newest migration. The names of their files begin with their numbers."""
    return max(path.name.split("_")[0] for path in (SCRIPTS / "versions").glob("[0-9]*_*.py"))


def revision(connection: Connection) -> str | None:
    """Return the revision of the database's schema, or None if it has no tables of Duetime."""
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar_one() is None:
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return found


def is_current(connection: Connection) -> bool:
    """Return whether the database has the schema for which this version of the code was written."""
    return revision(connection) == newest()
