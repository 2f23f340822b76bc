"""Media types as headers name them (RFC 9110, section 12.5.1): in any case, and what is wanted with a weight."""

from contextlib import suppress


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
