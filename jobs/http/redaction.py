"""Masks secrets in responses. Debugging endpoints, for instance, repeat the headers that they received."""

import base64
import json
from collections.abc import Iterable, Iterator

from db.states import BodyEncoding
from jobs.http.client import Response
from jobs.security.secret_headers import MASK, MIN_LENGTH


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
    """Return the text without an ending that is the beginning of a secret."""
    ends = (part[:length] for part in parts for length in range(len(part) - 1, MIN_LENGTH - 1, -1))
    found = next((end for end in ends if text.endswith(end)), "")
    return text.removesuffix(found)


def masked(text: str, parts: Iterable[str]) -> str:
    """Return the text with a mask for each of the parts."""
    for part in parts:
        text = text.replace(part, MASK)
    return text
