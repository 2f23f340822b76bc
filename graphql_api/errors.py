"""GraphQL errors: what a caller did wrong, by a code that programs can match, and what went wrong here, masked."""

import logging
from collections.abc import Iterable
from uuid import uuid4

from graphql import GraphQLError
from strawberry.extensions import MaskErrors

from db.states import KeyScope
from jobs.security.api_keys import Caller

logger = logging.getLogger(__name__)


def invalid_id(given: str) -> GraphQLError:
    """An id that no task and no run can have."""
    return GraphQLError(f"{given[:50]!r} is not a UUID", extensions={"code": "INVALID_ID"})


def invalid_cursor(reason: str) -> GraphQLError:
    """A cursor that this list did not hand out."""
    return GraphQLError(f"The cursor cannot be used: {reason}", extensions={"code": "INVALID_CURSOR"})


def invalid_page(reason: str) -> GraphQLError:
    """A page, or a number of items, that cannot be asked for."""
    return GraphQLError(reason, extensions={"code": "INVALID_PAGE"})


def limit_exceeded(reason: str) -> GraphQLError:
    """A document that goes beyond a limit; the reason names the limit and the value."""
    return GraphQLError(reason, extensions={"code": "LIMIT_EXCEEDED"})


def persisted_query_not_found() -> GraphQLError:
    """A hash under which nothing is kept. Clients know the message, too, so it is Apollo's."""
    return GraphQLError("PersistedQueryNotFound", extensions={"code": "PERSISTED_QUERY_NOT_FOUND"})


def unauthenticated() -> GraphQLError:
    """Nobody knows who asks."""
    message = "A key is needed: send Authorization: Bearer <key>, in a websocket's connection_init or as a header"
    return GraphQLError(message, extensions={"code": "UNAUTHENTICATED"})


def forbidden(caller: Caller, scope: KeyScope) -> GraphQLError:
    """The caller's key does not reach as far as this."""
    message = f"The key {caller.name!r} has the scope {caller.scope}; this needs {scope}"
    return GraphQLError(message, extensions={"code": "FORBIDDEN"})


def is_ours(error: GraphQLError) -> bool:
    """Whether an error comes from a surprise in this program, and not from the request."""
    return error.original_error is not None and not isinstance(error.original_error, GraphQLError)


class MaskInternalErrors(MaskErrors):
    """Shows nothing of a surprise but an id, which the log has too. What the request did wrong is told as it is."""

    def __init__(self) -> None:
        super().__init__(should_mask_error=is_ours)

    def anonymise_error(self, error: GraphQLError) -> GraphQLError:
        """Logs the error and puts its id in its place."""
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


def masked(errors: Iterable[GraphQLError]) -> list[GraphQLError]:
    """The errors as they are shown."""
    mask = MaskInternalErrors()
    return [mask.anonymise_error(error) if is_ours(error) else error for error in errors]
