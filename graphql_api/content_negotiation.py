"""Content negotiation: what a client accepts, by its `Accept` headers (RFC 9110, section 12.5)."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache

from starlette.requests import HTTPConnection

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
EVENT_STREAM = "text/event-stream"
HTML = "text/html"
TEXT = "text/plain"
MULTIPART = "multipart/mixed"
MULTIPART_SUBSCRIPTIONS = "subscriptionspec=1.0"
"""The parameter by which Apollo's clients ask for the results of a subscription as parts of one response."""

KEPT = 64
"""Number of headers that are kept as read. Most clients send one of a few, and a request asks for them many times."""


@lru_cache(maxsize=KEPT)
def weights(accept: str) -> Mapping[str, float]:
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


def accepts(connection: HTTPConnection, media_type: str) -> bool:
    """Return whether the client accepts a media type, by its name or by a wildcard."""
    return quality(weights(connection.headers.get("accept", "*/*")), media_type) > 0


def quality(accepted: Mapping[str, float], media_type: str) -> float:
    """Return the weight of a media type: that of the most specific range that matches, or 0."""
    for media_range in (media_type, media_type.split("/", maxsplit=1)[0] + "/*", "*/*"):
        if media_range in accepted:
            return accepted[media_range]
    return 0.0


def accepts_multipart_subscriptions(connection: HTTPConnection) -> bool:
    """Return whether the client accepts the results of a subscription as parts of one response."""
    return names_multipart_subscriptions(connection.headers.get("accept", ""))


@lru_cache(maxsize=KEPT)
def names_multipart_subscriptions(accept: str) -> bool:
    """Return whether an `Accept` header names the media type of parts, with its parameter."""
    for part in accept.lower().replace('"', "").split(","):
        media_type, *parameters = (each.strip() for each in part.split(";"))
        if media_type == MULTIPART and MULTIPART_SUBSCRIPTIONS in parameters:
            return True
    return False


def accepts_stream(connection: HTTPConnection) -> bool:
    """Return whether the client accepts a streamed response."""
    return names(connection, EVENT_STREAM) or accepts_multipart_subscriptions(connection)


def accepts_gzip(connection: HTTPConnection) -> bool:
    """Return whether the client accepts gzip, and likes it no less than the response as it is."""
    accepted = weights(", ".join(connection.headers.getlist("accept-encoding")))
    gzip = accepted.get("gzip", accepted.get("*", 0.0))
    return gzip > 0 and gzip >= accepted.get("identity", 0.0)


def preferred(accept: str, offered: Sequence[str]) -> str:
    """Return the offered media type that the client prefers; of equals, and if it accepts none, the first."""
    accepted = weights(accept)
    return max(offered, key=lambda media_type: quality(accepted, media_type))


def graphql_media_type(connection: HTTPConnection) -> str:
    """Return the media type of a GraphQL response: the specification's where it is named, else plain JSON."""
    accepted = weights(connection.headers.get("accept", ""))
    return GRAPHQL if accepted.get(GRAPHQL, 0) > 0 and accepted[GRAPHQL] >= accepted.get(JSON, 0) else JSON
