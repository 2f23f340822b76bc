"""Reads request bodies with bounds on their size and on the time they take."""

import asyncio
from datetime import timedelta

from starlette.requests import Request

WITHIN = timedelta(seconds=30)
"""How long a client may take for the body of a request."""
MAX_DIGITS = 19
"""Digits of a length that can be real; 64 bits have no more."""


class BodyRefused(Exception):
    """The body was not read completely; `status` says why. With 408 the connection has to be closed as well.

    With 413 it stays open: a client that is still sending would get a reset instead of the response.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read(request: Request, *, limit: int, within: timedelta) -> bytes:
    """Return the body. Raises `BodyRefused` when it exceeds `limit` bytes, or takes longer than `within`."""
    declared = request.headers.get("content-length", "0").lstrip("0") or "0"
    if declared.isdecimal() and (len(declared) > MAX_DIGITS or int(declared) > limit):
        raise too_large(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(within.total_seconds()):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise too_large(limit)
    except TimeoutError:
        raise BodyRefused(408, f"The request body did not arrive within {within.total_seconds():g} s") from None
    return bytes(body)


def too_large(limit: int) -> BodyRefused:
    """Return the error for a body that is too large."""
    return BodyRefused(413, f"The request body has more than {limit:,} bytes")
