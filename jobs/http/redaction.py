"""Answers that repeat a secret which came with the call, as debugging endpoints do: what is kept of them has none."""

import base64
import json
from collections.abc import Iterable, Iterator

from db.states import BodyEncoding
from jobs.http.client import Response
from jobs.security.secret_headers import MASK

SHORTEST = 6
"""A shorter text is no secret, and comes everywhere."""


def redacted(answer: Response, secrets: Iterable[str]) -> Response:
    """The answer with a mask wherever it has one of the values, or what a value has after its scheme."""
    parts = sorted({part for secret in secrets for part in parts_of(secret)}, key=len, reverse=True)
    return answer._replace(
        headers=answer.headers and [(masked(name, parts), masked(value, parts)) for name, value in answer.headers],
        body=answer.body and body_of(answer.body, answer.encoding, parts, truncated=answer.truncated),
        error=answer.error and masked(answer.error, parts),
    )


def parts_of(secret: str) -> Iterator[str]:
    """What would give the secret away, also within a string of JSON: `Bearer abc` is known by `abc`."""
    for part in {secret, secret.partition(" ")[2].strip()}:
        if len(part) >= SHORTEST:
            yield from {part, json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1]}


def body_of(body: str, encoding: BodyEncoding, parts: Iterable[str], *, truncated: bool) -> str:
    """A body without the parts. Where it was cut off, the beginning of one may be its end."""
    if encoding is BodyEncoding.UTF8:
        return masked(without_beginning(body, parts) if truncated else body, parts)
    # Each byte is a character of Latin-1.
    inside = [part.encode().decode("latin-1") for part in parts]
    plain = base64.b64decode(body).decode("latin-1")
    plain = masked(without_beginning(plain, inside) if truncated else plain, inside)
    return base64.b64encode(plain.encode("latin-1")).decode()


def without_beginning(text: str, parts: Iterable[str]) -> str:
    """The text without the beginning of a part that is its end."""
    ends = (part[:length] for part in parts for length in range(len(part) - 1, SHORTEST - 1, -1))
    found = next((end for end in ends if text.endswith(end)), "")
    return text.removesuffix(found)


def masked(text: str, parts: Iterable[str]) -> str:
    """The text with a mask for each part."""
    for part in parts:
        text = text.replace(part, MASK)
    return text
