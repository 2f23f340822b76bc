"""Access to the database for what needs an admin key."""

from contextlib import AbstractAsyncContextManager

from sqlalchemy.ext.asyncio import AsyncSession

from db.states import KeyScope
from graphql_api.context import Info
from jobs.tasks.transaction import Transaction


def admin_session(info: Info) -> AsyncSession:
    """Return a session for reading. Raises `GraphQLError` unless the caller's key has the scope admin."""
    info.context.need(KeyScope.ADMIN)
    return info.context.services.session()


def admin_transaction(info: Info) -> AbstractAsyncContextManager[Transaction]:
    """Return a transaction of the caller. Raises `GraphQLError` unless the caller's key has the scope admin."""
    return info.context.services.transaction(info.context.need(KeyScope.ADMIN))
