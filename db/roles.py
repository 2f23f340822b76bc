"""The two roles of a database: the owner, who migrates it, and Duetime's own, which can only add to the audit log.

Where one role does everything, none of this is used.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.models import DEFAULT_PARTITION, AuditEntry, metadata
from db.settings import ApplicationRole

AUDIT_LOG = AuditEntry.__tablename__
FUNCTIONS = (
    "create_run_partition(date, uuid, uuid)",
    "prune_run_day(date, integer, integer, integer)",
    "prune_audit_log(integer, integer)",
)
"""The functions that Duetime's role executes with the rights of the owner. The migrations create these functions."""

EXISTS = text("SELECT count(*) > 0 FROM pg_roles WHERE rolname = :role")
MAY_CREATE_ROLES = text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
OWNS_SCHEMA = text("""
SELECT pg_has_role(nspowner, 'MEMBER') FROM pg_namespace WHERE nspname = current_schema()
""")

EXCESS = text("""
SELECT CASE
    WHEN r.rolsuper THEN 'is a superuser'
    WHEN r.rolcreaterole THEN 'may create roles'
    WHEN pg_has_role(r.oid, c.relowner, 'MEMBER') THEN 'owns the audit log, or is a member of the role that does'
    WHEN has_table_privilege(r.oid, c.oid, 'UPDATE, DELETE, TRUNCATE, TRIGGER') THEN 'may change the audit log'
    WHEN has_schema_privilege(r.oid, c.relnamespace, 'CREATE') THEN 'may create objects in the schema of the tables'
    WHEN has_database_privilege(r.oid, current_database(), 'CREATE') THEN 'may create schemas in the database'
END
FROM pg_roles r, pg_class c
WHERE r.rolname = :role AND c.oid = to_regclass(:table)
""")
"""The owner's statements could be led to objects that Duetime's role creates, so it may create none."""


class UnsuitableRole(ValueError):
    """The application's role does not exist, or has rights that it must not have. The message says what to do."""


async def ensure_role(connection: AsyncConnection, role: ApplicationRole) -> None:
    """Create the role if it is missing. Raises `UnsuitableRole` if this connection's role may not do that."""
    if (await connection.execute(EXISTS, {"role": role.name})).scalar_one():
        return
    name = quoted(connection, role.name)
    if not (await connection.execute(MAY_CREATE_ROLES)).scalar_one():
        raise UnsuitableRole(
            f"there is no role {role.name}, and the owner may not create it; run CREATE ROLE {name} LOGIN PASSWORD '…' "
            "as a superuser"
        )
    password = "" if role.password is None else f" PASSWORD {literal(role.password)}"
    await connection.exec_driver_sql(f"CREATE ROLE {name} LOGIN{password}")


async def grant_rights(connection: AsyncConnection, role: ApplicationRole) -> None:
    """Let the role use all tables, and only read and add to the audit log.

    Raises `UnsuitableRole` if it has further rights that nobody has granted here.
    """
    name = quoted(connection, role.name)
    schema = quoted(connection, (await connection.execute(text("SELECT current_schema()"))).scalar_one())
    tables = ", ".join(table for table in sorted(metadata.tables) if table != AUDIT_LOG)
    statements = [
        f"GRANT USAGE ON SCHEMA {schema} TO {name}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {name}",
        f"GRANT SELECT, DELETE ON {DEFAULT_PARTITION} TO {name}",
        f"REVOKE ALL ON {AUDIT_LOG} FROM {name}",
        f"GRANT SELECT, INSERT ON {AUDIT_LOG} TO {name}",
        f"GRANT SELECT ON alembic_version TO {name}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {name}",
        *(f"GRANT EXECUTE ON FUNCTION {function} TO {name}" for function in FUNCTIONS),
    ]
    if (await connection.execute(OWNS_SCHEMA)).scalar_one():
        # Before version 15, Postgres lets every role create objects in the schema `public`.
        statements.append(f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC")
    for statement in statements:
        await connection.exec_driver_sql(statement)
    if (excess := (await connection.execute(EXCESS, {"role": role.name, "table": AUDIT_LOG})).scalar_one()) is not None:
        raise UnsuitableRole(
            f"the role {role.name} {excess}, so it could change the audit log; let DATABASE_URL name another role, or "
            f"revoke that right"
        )


def quoted(connection: AsyncConnection, name: str) -> str:
    """Return a name as an identifier in SQL."""
    return connection.dialect.identifier_preparer.quote_identifier(name)


def literal(value: str) -> str:
    """Return a text as a literal in SQL, for statements that take no parameters."""
    return "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
