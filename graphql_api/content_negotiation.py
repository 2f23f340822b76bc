"""Media types as headers name them (RFC 9110, section 12.5.1): in any case, and what is wanted with a weight."""

from contextlib import suppress

from starlette.requests import HTTPConnection

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"


def weights(accept: str) -> dict[str, float]:
    """How much a client wants each media type that it names, from 0, which is not at all, to 1."""
    found: dict[str, float] = {}
    for part in accept.split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        found[name] = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                with suppress(ValueError):
                    found[name] = float(parameter[2:])
    return found


def of_answer(request: HTTPConnection) -> str:
    """That of a GraphQL answer: the specification's where it is wanted, else the one that every client knows."""
    wanted = weights(request.headers.get("accept", ""))
    return GRAPHQL if wanted.get(GRAPHQL, 0) > 0 and wanted[GRAPHQL] >= wanted.get(JSON, 0) else JSON
