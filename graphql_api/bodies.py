"""Reads request bodies without trusting their length."""

from starlette.requests import Request


class TooLarge(Exception):
    """The request's body has more bytes than are accepted."""


async def read(request: Request, *, limit: int) -> bytes:
    """The body. Raises `TooLarge` as soon as it has more than `limit` bytes."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and len(declared) < 20 and int(declared) > limit:
        raise TooLarge
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise TooLarge
    return bytes(body)
