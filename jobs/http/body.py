"""The body of a task's request: JSON, a text, bytes, or the fields of a form.

A task's payload has a column of its own, which keeps its digits. Any other body is stored as a JSON object with one
member: `text`, `base64` or `form`, a list of pairs; and a payload of one run as `json`, its text.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from db.json_text import JsonText
from db.postgres_text import is_postgres_text
from jobs import json_value
from jobs.problems import Problem

MAX_BODY_BYTES = 256 * 1024
MAX_FIELDS = 1_000

StoredBody = dict[str, Any]

JSON_CONTENT_TYPE = "application/json"
CONTENT_TYPES = {
    "json": JSON_CONTENT_TYPE,
    "text": "text/plain; charset=utf-8",
    "base64": "application/octet-stream",
    "form": "application/x-www-form-urlencoded",
}


class FormField(NamedTuple):
    """A field of a form. A name may occur more than once."""

    name: str
    value: str


class BodyDraft(NamedTuple):
    """A body as requested, not validated yet. At most one member is not None. A stored payload is a `JsonText`."""

    payload: Any = None
    body: str | None = None
    body_base64: str | None = None
    form: Sequence[FormField] | None = None


NO_BODY = BodyDraft()


class Content(NamedTuple):
    """What a request sends, and the Content-Type that goes with it unless the task has one."""

    data: bytes = b""
    content_type: str | None = None


NO_CONTENT = Content()


def problems_of(draft: BodyDraft) -> Iterator[Problem]:
    """Yield what is wrong with a body."""
    given = [
        name for name, value in zip(("payload", "body", "bodyBase64", "form"), draft, strict=True) if value is not None
    ]
    if len(given) > 1:
        for name in given[1:]:
            yield Problem(
                (name,), f"is given beside {given[0]}; give at most one of payload, body, bodyBase64 and form"
            )
        return
    if isinstance(draft.payload, JsonText):
        return
    if draft.payload is not None:
        yield from payload_problems(draft.payload)
    elif draft.body is not None:
        yield from text_problems(draft.body, ("body",), also="; send it as bodyBase64")
        yield from size_problems(("body",), len(draft.body.encode("utf-8", "surrogatepass")))
    elif draft.body_base64 is not None:
        yield from base64_problems(draft.body_base64)
    elif draft.form is not None:
        yield from form_problems(draft.form)


def payload_problems(payload: Any) -> Iterator[Problem]:
    """Yield what is wrong with a payload, which can be any JSON that is stored and sent digit for digit."""
    reason = next(json_value.faults(payload), None)
    if reason is not None:
        yield Problem(("payload",), reason)
    elif (size := len(json_value.encode(payload).encode())) > MAX_BODY_BYTES:
        yield Problem(("payload",), f"takes {size:,} bytes as JSON; at most {MAX_BODY_BYTES:,} are accepted")


def base64_problems(text: str) -> Iterator[Problem]:
    """Yield what is wrong with bytes in base64."""
    try:
        size = len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        yield Problem(("bodyBase64",), "is not base64 (RFC 4648, section 4, with padding)")
        return
    yield from size_problems(("bodyBase64",), size)


def form_problems(fields: Sequence[FormField]) -> Iterator[Problem]:
    """Yield what is wrong with a form."""
    if len(fields) > MAX_FIELDS:
        yield Problem(("form",), f"has {len(fields):,} fields; at most {MAX_FIELDS:,} are accepted")
        return
    problems = [
        problem
        for place, each in enumerate(fields)
        for member, text in zip(FormField._fields, each, strict=True)
        for problem in text_problems(text, ("form", str(place), member))
    ]
    yield from problems or size_problems(("form",), len(form_data(fields)))


def form_data(fields: Sequence[FormField]) -> bytes:
    """Return a form as application/x-www-form-urlencoded by the URL standard, which leaves `*-._` as they are."""
    return urlencode(fields, safe="*").replace("~", "%7E").encode()


def text_problems(text: str, path: tuple[str, ...], *, also: str = "") -> Iterator[Problem]:
    """Yield what is wrong with a text; `also` says what to do instead."""
    if not is_postgres_text(text):
        yield Problem(path, f"contains NUL or half of a surrogate pair, which cannot be stored as text{also}")


def size_problems(path: tuple[str, ...], size: int) -> Iterator[Problem]:
    """Yield that a body is too large."""
    if size > MAX_BODY_BYTES:
        yield Problem(path, f"takes {size:,} bytes; at most {MAX_BODY_BYTES:,} are accepted")


def stored_payload(draft: BodyDraft) -> JsonText | None:
    """Return a valid payload as it is stored and sent; None without one."""
    payload = draft.payload
    return payload if payload is None or isinstance(payload, JsonText) else JsonText(json_value.encode(payload))


def stored(draft: BodyDraft) -> StoredBody | None:
    """Return a valid body in its stored form; None for a payload, or for no body."""
    if draft.body is not None:
        return {"text": draft.body}
    if draft.body_base64 is not None:
        return {"base64": draft.body_base64}
    if draft.form is not None:
        return {"form": [list(each) for each in draft.form]}
    return None


def stored_for_run(draft: BodyDraft) -> StoredBody | None:
    """Return a valid body of one run in its stored form; None for no body."""
    payload = stored_payload(draft)
    return stored(draft) if payload is None else {"json": payload.text}


def draft_of(payload: JsonText | None, body: StoredBody | None) -> BodyDraft:
    """Return a stored body as a draft."""
    match body:
        case {"json": str(text)}:
            return BodyDraft(payload=JsonText(text))
        case {"text": str(text)}:
            return BodyDraft(body=text)
        case {"base64": str(text)}:
            return BodyDraft(body_base64=text)
        case {"form": list(fields)}:
            return BodyDraft(form=[FormField(name, value) for name, value in fields])
        case _:
            return BodyDraft(payload=payload)


def content_of(payload: str | None, body: str | None) -> Content:
    """Return what is sent for a payload, or for another body in its stored form; both are texts of JSON."""
    if body is None:
        return NO_CONTENT if payload is None else Content(payload.encode(), JSON_CONTENT_TYPE)
    [(kind, value)] = json.loads(body).items()
    match kind:
        case "base64":
            data = base64.b64decode(value)
        case "form":
            data = form_data([FormField(*field) for field in value])
        case _:
            data = value.encode()
    return Content(data, CONTENT_TYPES[kind])
