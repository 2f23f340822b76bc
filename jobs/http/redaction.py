"""Masks secrets in responses. Debugging endpoints, for instance, repeat the headers that they received."""

import base64
import json
from collections.abc import Iterable, Iterator

from db.states import BodyEncoding
from jobs.http.client import Response
from jobs.security.secret_headers import MASK

MIN_LENGTH = 6
"""A shorter text would occur everywhere by chance."""


def redacted(response: Response, secrets: Iterable[str]) -> Response:
    """Return the response with a mask for each secret value, and for what follows the scheme in a value."""
    parts = sorted({part for secret in secrets for part in revealing_texts(secret)}, key=len, reverse=True)
    return response._replace(
        headers=response.headers and [(masked(name, parts), masked(value, parts)) for name, value in response.headers],
        body=response.body and masked_body(response.body, response.encoding, parts, truncated=response.truncated),
        error=response.error and masked(response.error, parts),
    )


def revealing_texts(secret: str) -> Iterator[str]:
    """Yield the texts that would reveal a secret, also within a JSON string: `Bearer abc` is revealed by `abc`."""
    for part in {secret, secret.partition(" ")[2].strip()}:
        if len(part) >= MIN_LENGTH:
            yield from {part, json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1]}


def masked_body(body: str, encoding: BodyEncoding, parts: Iterable[str], *, truncated: bool) -> str:
    """Return a body without these texts. A truncated body may end with the beginning of one."""
    if encoding is BodyEncoding.UTF8:
        return masked(without_partial_secret(body, parts) if truncated else body, parts)
    # Each byte is one character of Latin-1.
    inside = [part.encode().decode("latin-1") for part in parts]
    plain = base64.b64decode(body).decode("latin-1")
    plain = masked(without_partial_secret(plain, inside) if truncated else plain, inside)
    return base64.b64encode(plain.encode("latin-1")).decode()


def without_partial_secret(text: str, parts: Iterable[str]) -> str:
    """Return the text without the longest ending that is the beginning of a secret."""
    longest = max((overlap(text, part) for part in parts), default=0)
    return text[: len(text) - longest] if longest >= MIN_LENGTH else text


def overlap(text: str, part: str) -> int:
    """Return the length of the longest ending of the text that is a beginning of the part, but not all of it.

    This is the search of Knuth, Morris and Pratt, because comparing every ending takes quadratic time.
    """
    borders = [0] * len(part)
    length = 0
    for place in range(1, len(part)):
        while length and part[place] != part[length]:
            length = borders[length - 1]
        length += part[place] == part[length]
        borders[place] = length
    length = 0
    for character in text[max(len(text) - len(part) + 1, 0) :]:
        while length and character != part[length]:
            length = borders[length - 1]
        length += character == part[length]
    return length


def masked(text: str, parts: Iterable[str]) -> str:
    """Return the text with a mask for each of the parts."""
    for part in parts:
        text = text.replace(part, MASK)
    return text
