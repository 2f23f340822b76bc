"""Reads request bodies without trusting their length, or their coming at all."""

import asyncio
from datetime import timedelta

from starlette.requests import Request

WITHIN = timedelta(seconds=30)
"""How long a client may take for the body of a request."""
MAX_DIGITS = 19
"""Of a length that can be meant; 64 bits have no more."""


class BodyRefused(Exception):
    """The body is not read to its end; `status` says why. With 408 the connection is to be closed, too.

    With 413 it is not: a client that still sends would get a reset instead of the answer.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read(request: Request, *, limit: int, within: timedelta) -> bytes:
    """The body. Raises `BodyRefused` as soon as it has more than `limit` bytes, or takes longer than `within`."""
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
    """The refusal of a body that goes on."""
    return BodyRefused(413, f"The request body has more than {limit:,} bytes")
