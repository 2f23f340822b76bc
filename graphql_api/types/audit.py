"""The audit log: who changed what, as admin keys see it."""

from datetime import datetime
from typing import cast

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON

from db import models
from db.reads import audit, large_values
from db.reads.audit import AuditFilter
from db.reads.keyset import Key, Slice
from graphql_api import cursors, ids
from graphql_api.context import Info
from graphql_api.types import connections
from graphql_api.types.scalars import given_or_none


@strawberry.type(
    description="One change. It contains no secrets: each secret is replaced by a mark that changes with the secret."
)
class AuditEntry:
    """An entry of the log. Entries are only added."""

    id: strawberry.ID = strawberry.field(description="Number of the entry; later entries have higher numbers.")
    at: datetime = strawberry.field(description="When the change was made.")
    key_id: strawberry.ID | None = strawberry.field(
        description="The API key that made the change; null if authentication is off, and for the command line, "
        "maintenance, and tasks that paused themselves."
    )
    key_name: str = strawberry.field(
        description="The name of the key, `anybody`, `command line`, `maintenance`, or `duetime`."
    )
    action: str = strawberry.field(
        description="The mutation that changes one item, such as updateTask, also for changes by REST and in "
        "bulk; or createKey, revokeKey, rotateSecrets."
    )
    task_id: strawberry.ID | None = strawberry.field(
        description="The task that was changed, or whose run was changed; null for channels and rules."
    )
    run_id: strawberry.ID | None = strawberry.field(
        description="The run that was created or changed, or that made its task pause itself."
    )

    @staticmethod
    def of(row: models.AuditEntry) -> "AuditEntry":
        """Return an entry from its row."""
        key_id, task_id, run_id = (
            None if each is None else strawberry.ID(str(each)) for each in (row.key_id, row.task_id, row.run_id)
        )
        return AuditEntry(
            id=strawberry.ID(str(row.id)),
            at=row.at,
            key_id=key_id,
            key_name=row.key_name,
            action=row.action,
            task_id=task_id,
            run_id=run_id,
        )

    @strawberry.field(description="The changed members before the change; null for something new.")
    async def before(self, info: Info) -> JSON | None:
        """Return the members before, read only when they are selected."""
        [members] = await info.context.large_value(large_values.AUDIT_BEFORE, int(self.id)) or [None]
        return members

    @strawberry.field(description="The changed members after the change.")
    async def after(self, info: Info) -> JSON | None:
        """Return the members after, read only when they are selected."""
        [members] = await info.context.large_value(large_values.AUDIT_AFTER, int(self.id)) or [None]
        return members


@strawberry.input(
    name="AuditFilter",
    description="Selects entries. An absent or null member selects all; `after` is inclusive, `before` exclusive.",
)
class AuditFilterInput:
    """A filter of the log."""

    task_id: strawberry.ID | None = strawberry.field(default=UNSET, description="Of this task.")
    key_name: str | None = strawberry.field(default=UNSET, description="By the key with this name.")
    action: str | None = strawberry.field(default=UNSET, description="With this action, such as updateTask.")
    after: datetime | None = strawberry.field(default=UNSET, description="At or after this instant.")
    before: datetime | None = strawberry.field(default=UNSET, description="Before this instant.")


def filter_of_entries(given: AuditFilterInput | None) -> AuditFilter:
    """Return the filter for the query. Raises GraphQL's INVALID_ID."""
    if not given:
        return AuditFilter()
    return AuditFilter(
        task_id=ids.parse(task_id) if (task_id := given_or_none(given.task_id)) is not None else None,
        key_name=given_or_none(given.key_name),
        action=given_or_none(given.action),
        after=given_or_none(given.after),
        before=given_or_none(given.before),
    )


def key(row: models.AuditEntry) -> Key:
    """Return the place of an entry in the log."""
    return row.at, cast("int", row.id)


async def audit_page(info: Info, filters: AuditFilter, *, rows: Slice) -> connections.Connection[AuditEntry]:
    """Return a page of the log."""
    services = info.context.services

    async def has_rows_beyond(key: Key, backward: bool, inclusive: bool) -> bool:  # noqa: FBT001
        async with services.session() as session:
            return await audit.has_more(session, filters, key=key, backward=backward, inclusive=inclusive)

    async def count() -> int:
        async with services.session() as session:
            return await audit.count(session, filters)

    async with services.session() as session:
        found, more = await audit.page(session, filters, rows=rows)
    return connections.connection(
        found,
        listing=cursors.AUDIT,
        key=key,
        node=AuditEntry.of,
        page=rows,
        more=more,
        has_rows_beyond=has_rows_beyond,
        count=count,
    )
