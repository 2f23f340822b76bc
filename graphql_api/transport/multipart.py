"""Results as parts of one response, as Apollo's clients ask for them with `multipart/mixed;subscriptionSpec=1.0`.

Each part is followed by its boundary at once, because clients take a part for complete when they see that.
(https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol)
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from graphql_api.transport.streaming import Format

BOUNDARY = "graphql"


def part(body: str) -> bytes:
    """Return a part and the boundary after it."""
    return f"\r\ncontent-type: application/json\r\n\r\n{body}\r\n--{BOUNDARY}".encode()


PARTS = Format(
    content_type=f'multipart/mixed; boundary="{BOUNDARY}"; subscriptionSpec=1.0'.encode(),
    opening=f"--{BOUNDARY}".encode() + part("{}"),
    silence=part("{}"),
    end=b"--\r\n",
)
"""A stream of parts. An empty object breaks the silence, and clients ignore it."""


async def frames(
    results: AsyncGenerator[list[Any], None], *, encode: Callable[[Any], str]
) -> AsyncGenerator[bytes, None]:
    """Yield each result as a part, those that come together in one piece."""
    async with aclosing(results):
        async for together in results:
            yield b"".join([part(f'{{"payload":{encode(result)}}}') for result in together])
