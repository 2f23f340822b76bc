"""Content negotiation: what a client accepts, by its `Accept` header (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence
from contextlib import suppress

from starlette.requests import HTTPConnection

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
EVENT_STREAM = "text/event-stream"
HTML = "text/html"


def weights(accept: str) -> dict[str, float]:
    """Return the weight of each media range in an `Accept` header, from 0 to 1. An unreadable weight counts as 1."""
    found: dict[str, float] = {}
    for part in accept.split(","):
        media_range, *parameters = (each.strip().lower() for each in part.split(";"))
        found[media_range] = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                with suppress(ValueError):
                    found[media_range] = float(parameter[2:])
    return found


def names(connection: HTTPConnection, media_type: str) -> bool:
    """Return whether the client accepts a media type by its name, not by a wildcard."""
    return weights(connection.headers.get("accept", "")).get(media_type, 0) > 0


def preferred(accept: str, offered: Sequence[str]) -> str:
    """Return the offered media type that the client prefers; of equals, and if it accepts none, the first."""
    accepted = weights(accept)

    def quality(media_type: str) -> float:
        # The most specific range that matches counts.
        for media_range in (media_type, media_type.split("/", maxsplit=1)[0] + "/*", "*/*"):
            if media_range in accepted:
                return accepted[media_range]
        return 0.0

    return max(offered, key=quality)


def graphql_media_type(connection: HTTPConnection) -> str:
    """Return the media type of a GraphQL response: the specification's where it is named, else plain JSON."""
    accepted = weights(connection.headers.get("accept", ""))
    return GRAPHQL if accepted.get(GRAPHQL, 0) > 0 and accepted[GRAPHQL] >= accepted.get(JSON, 0) else JSON
