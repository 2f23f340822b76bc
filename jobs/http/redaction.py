"""Masks secrets in responses. Debugging endpoints, for instance, repeat the headers that they received.

A secret is found in any case, and within escapes of URLs, JSON, Python and HTML, in Base64, and where a target reads
UTF-8 as Latin-1. What a target hides in another way, such as in reverse or in halves, is not found.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from html.entities import html5
from itertools import chain
from typing import NamedTuple

from db.states import BodyEncoding
from jobs.http.client import Response
from jobs.security.secret_headers import MASK, MIN_LENGTH

LEVELS_OF_ESCAPES = 3
"""JSON may be a text within JSON, for instance, and a secret may itself contain what looks like an escape."""

PARAMETER = re.compile(r"=\s*\"?([^;,\"\s]+)")
ESCAPE = re.compile(
    r"%([0-9a-fA-F]{2})|\\x([0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})|&#[xX]([0-9a-fA-F]{1,5});"
    r"|&#([0-9]{1,6});|&(amp|lt|gt|quot|apos);|\\([^a-zA-Z0-9])"
)
BEGUN_ESCAPE = re.compile(r"(?:%[0-9a-fA-F]?|\\(?:x[0-9a-fA-F]?|u[0-9a-fA-F]{0,3})?|&#?[xX]?\w{0,6})\Z")
"""An escape within which a truncated text may end."""
LONGEST_ESCAPE = 9


class View(NamedTuple):
    """A text as it is compared: without escapes, in lower case.

    `places` has the place of each character in the original text, and then the length of that.
    """

    text: str
    places: Sequence[int]


def redacted(response: Response, secrets: Iterable[str]) -> Response:
    """Return the response with a mask for each secret value, and for the credentials within a value."""
    forms = forms_of(secrets)
    return response._replace(
        headers=response.headers and [(masked(name, forms), masked(value, forms)) for name, value in response.headers],
        body=response.body and masked_body(response.body, response.encoding, forms, truncated=response.truncated),
        error=response.error and masked(response.error, forms),
        redirects=[hop._replace(url=masked(hop.url, forms)) for hop in response.redirects],
    )


def forms_of(secrets: Iterable[str]) -> list[str]:
    """Return the texts that would reveal the secrets, in lower case."""
    credentials = {each for secret in secrets for each in credentials_of(secret) if len(each) >= MIN_LENGTH}
    return sorted({lowered(form) for each in credentials for form in spellings(each) if len(form) >= MIN_LENGTH})


def credentials_of(secret: str) -> Iterator[str]:
    """Yield a secret value, what follows its scheme, the values of its parameters, and a password in Base64."""
    scheme, _, rest = secret.partition(" ")
    credentials = rest.strip()
    yield secret
    yield credentials
    yield from PARAMETER.findall(secret)
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(credentials, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return
        yield pair
        yield pair.partition(":")[2]


def spellings(credential: str) -> Iterator[str]:
    """Yield a credential as it is, read as Latin-1, with `+` for spaces, and as it looks within Base64.

    Where it contains what looks like an escape, yield it with that replaced, as in the views of a text.
    """
    data = credential.encode()
    for plain in (credential, data.decode("latin-1"), credential.replace(" ", "+")):
        yield from (view.text for view in views_of(plain))
    # Three bytes become four characters, so what stands before decides which characters these are.
    for before in range(3):
        size = before + len(data)
        encoded = base64.b64encode(bytes(before) + data).decode()
        inside = encoded[(0, 2, 3)[before] : size * 8 // 6]
        yield from (inside, inside.translate(str.maketrans("+/", "-_")))


def masked_body(body: str, encoding: BodyEncoding, forms: Sequence[str], *, truncated: bool) -> str:
    """Return a body without these texts. A truncated body may end with the beginning of one."""
    if encoding is BodyEncoding.UTF8:
        return masked(body, forms, truncated=truncated)
    # Each byte is one character of Latin-1.
    plain = masked(base64.b64decode(body).decode("latin-1"), forms, truncated=truncated)
    return base64.b64encode(plain.encode("latin-1")).decode()


def masked(text: str, forms: Sequence[str], *, truncated: bool = False) -> str:
    """Return the text with a mask for each of the forms, and without the beginning of one at its end if truncated."""
    views = list(views_of(text))
    end = len(text)
    if truncated:
        end = min(chain([end], (place for view in views for place in beginnings_at_end(view, forms))))
    kept, at = [], 0
    for start, stop in joined(span for view in views for form in forms for span in spans_of(form, view)):
        if start >= end:
            break
        kept += [text[at:start], MASK]
        at = stop
    return "".join([*kept, text[at:end]])


def views_of(text: str) -> Iterator[View]:
    """Yield the text as it is, and with escapes replaced by what they stand for."""
    places: Sequence[int] = range(len(text) + 1)
    yield View(lowered(text), places)
    for _ in range(LEVELS_OF_ESCAPES):
        plain, places_in_text = unescaped(text)
        if len(plain) == len(text):
            return
        text, places = plain, [places[place] for place in places_in_text]
        yield View(lowered(text), places)


def unescaped(text: str) -> tuple[str, list[int]]:
    """Return the text with each escape replaced, and the place at which each character was, and the length."""
    pieces, places, at = [], [], 0
    for escape in ESCAPE.finditer(text):
        pieces += [text[at : escape.start()], character_of(escape)]
        places += [*range(at, escape.start()), escape.start()]
        at = escape.end()
    pieces.append(text[at:])
    places += range(at, len(text) + 1)
    return "".join(pieces), places


def character_of(escape: re.Match[str]) -> str:
    """Return the character for which an escape stands."""
    percent, python, json, hexadecimal, decimal, entity, itself = escape.groups()
    if digits := percent or python or json or hexadecimal:
        return chr(int(digits, 16))
    return chr(int(decimal)) if decimal else html5[f"{entity};"] if entity else str(itself)


def lowered(text: str) -> str:
    """Return the text in lower case, with the same length: only İ would become two characters."""
    return text.replace("\u0130", "i").lower()


def spans_of(form: str, view: View) -> Iterator[tuple[int, int]]:
    """Yield where a form begins and ends in the original text."""
    at = view.text.find(form)
    while at >= 0:
        yield view.places[at], view.places[at + len(form)]
        at = view.text.find(form, at + 1)


def joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the spans in order, with those that overlap as one."""
    last: tuple[int, int] | None = None
    for start, stop in sorted(spans):
        if last is not None and start < last[1]:
            last = (last[0], max(stop, last[1]))
            continue
        if last is not None:
            yield last
        last = (start, stop)
    if last is not None:
        yield last


def beginnings_at_end(view: View, forms: Sequence[str]) -> Iterator[int]:
    """Yield the places in the original text from which the end of a text is the beginning of a form."""
    begun = BEGUN_ESCAPE.search(view.text, max(0, len(view.text) - LONGEST_ESCAPE))
    for text in {view.text, view.text[: begun.start()] if begun else view.text}:
        for form in forms:
            if (length := overlap(text, form)) >= MIN_LENGTH:
                yield view.places[len(text) - length]


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
