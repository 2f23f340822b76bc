"""GraphQL errors: mistakes of callers, with a code that programs can match, and internal errors, masked."""

import logging
from collections.abc import Iterable
from uuid import uuid4

from graphql import GraphQLError, ValueNode

from db.states import KeyScope
from jobs.security.api_keys import Caller

logger = logging.getLogger(__name__)

BAD_REQUEST = {"code": "BAD_REQUEST"}
PARSE_FAILED = {"code": "GRAPHQL_PARSE_FAILED"}
VALIDATION_FAILED = {"code": "GRAPHQL_VALIDATION_FAILED"}
BAD_USER_INPUT = {"code": "BAD_USER_INPUT"}
OPERATION_RESOLUTION_FAILURE = {"code": "OPERATION_RESOLUTION_FAILURE"}
"""Codes of requests that are not GraphQL of this schema. Apollo's clients and tools switch on them, so they are
Apollo's.
"""


def coded(error: GraphQLError, extensions: dict[str, str]) -> GraphQLError:
    """Return the error of a library with a code of ours."""
    return GraphQLError(
        error.message, error.nodes, error.source, error.positions, error.path, error.original_error, extensions
    )


def invalid_id(given: str) -> GraphQLError:
    """Return the error for an id that is not a UUID."""
    return GraphQLError(f"{given[:50]!r} is not a UUID", extensions={"code": "INVALID_ID"})


def unknown_operation(given: str) -> GraphQLError:
    """Return the error for an id that no operation has."""
    return GraphQLError(f"There is no operation {given[:50]}", extensions={"code": "INVALID_ID"})


def not_one_id() -> GraphQLError:
    """Return the error for a look-up that names no object, or names one in two ways."""
    return GraphQLError("Give exactly one of id and externalId", extensions={"code": "INVALID_ID"})


def not_kept(reason: str) -> GraphQLError:
    """Return the error for something of the past that is no longer kept."""
    return GraphQLError(reason, extensions={"code": "NOT_KEPT"})


def invalid_cursor(reason: str) -> GraphQLError:
    """Return the error for a cursor that does not belong to this list."""
    return GraphQLError(f"The cursor cannot be used: {reason}", extensions={"code": "INVALID_CURSOR"})


def invalid_page(reason: str) -> GraphQLError:
    """Return the error for a page, or a number of items, that is out of bounds."""
    return GraphQLError(reason, extensions={"code": "INVALID_PAGE"})


def invalid_range(reason: str) -> GraphQLError:
    """Return the error for a stretch of time that is empty or cannot be shown."""
    return GraphQLError(reason, extensions={"code": "INVALID_RANGE"})


def invalid_reason(reason: str) -> GraphQLError:
    """Return the error for a reason of a pause that cannot be kept."""
    return GraphQLError(f"The reason {reason}", extensions={"code": "INVALID_REASON"})


def limit_exceeded(reason: str) -> GraphQLError:
    """Return the error for a document that exceeds a limit; the reason names the limit and the value."""
    return GraphQLError(reason, extensions={"code": "LIMIT_EXCEEDED"})


def client_gone() -> GraphQLError:
    """Return the error for work that was ended because its client has closed the connection, who does not read it."""
    return GraphQLError("The client has closed the connection", extensions={"code": "CANCELLED"})


def persisted_query_not_found() -> GraphQLError:
    """Return the error for an unknown hash. Clients match on the message as well, so it is Apollo's."""
    return GraphQLError("PersistedQueryNotFound", extensions={"code": "PERSISTED_QUERY_NOT_FOUND"})


def persisted_query_quota_exceeded(quota: int) -> GraphQLError:
    """Return the error for a caller who has stored as many documents as a key may."""
    message = (
        f"This key has {quota:,} persisted documents, and may have no more; put what differs into variables, or send "
        "further documents without persistedQuery. A document is kept for a day after its last use"
    )
    return GraphQLError(message, extensions={"code": "PERSISTED_QUERY_QUOTA_EXCEEDED"})


def unauthenticated() -> GraphQLError:
    """Return the error for a missing key."""
    message = "A key is needed: send Authorization: Bearer <key>, in a websocket's connection_init or as a header"
    return GraphQLError(message, extensions={"code": "UNAUTHENTICATED"})


def forbidden(caller: Caller, scope: KeyScope) -> GraphQLError:
    """Return the error for a key whose scope is too small."""
    message = f"The key {caller.name!r} has the scope {caller.scope}; this needs {scope}"
    return GraphQLError(message, extensions={"code": "FORBIDDEN"})


def is_ours(error: GraphQLError) -> bool:
    """Return whether an error comes from a bug or an outage of the service, not from the request."""
    return error.original_error is not None and not isinstance(error.original_error, GraphQLError)


def is_of_argument(error: GraphQLError) -> bool:
    """Return whether the value of an argument cannot be accepted, which only execution finds if it has variables."""
    return not error.extensions and bool(error.nodes) and all(isinstance(node, ValueNode) for node in error.nodes or ())


def masked(errors: Iterable[GraphQLError]) -> list[GraphQLError]:
    """Return the errors as clients see them: internal ones as an id, under which the log has the details, and those of
    arguments with a code.
    """
    return [shown(error) for error in errors]


def shown(error: GraphQLError) -> GraphQLError:
    """Return an error as clients see it. Errors of the request that have a code stay the same."""
    if is_ours(error):
        return anonymous(error)
    return coded(error, BAD_USER_INPUT) if is_of_argument(error) else error


def anonymous(error: GraphQLError) -> GraphQLError:
    """Log an internal error and return one with its id."""
    incident = uuid4().hex
    where = ".".join(map(str, error.path or ()))
    logger.error(
        "A GraphQL operation failed.",
        exc_info=error.original_error,
        extra={"action": "graphql_failed", "id": incident, "path": where},
    )
    return GraphQLError(
        f"Internal error; the service's log has it under {incident}",
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions={"code": "INTERNAL", "id": incident},
    )
