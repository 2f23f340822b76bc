"""Responses in JSON, errors as `{"error": "<text>"}`, and documents that clients keep."""

import json
from hashlib import sha256
from typing import Annotated, Any

from pydantic import BaseModel, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from graphql_api import instants

NO_TRANSFORM = "no-transform"
UNCOMPRESSED = f"no-store, {NO_TRANSFORM}"
"""The `Cache-Control` of a response that shows what its request sent or what a target responded with.

It is not compressed, neither here nor by a proxy, because its length would reveal the rest of its content.
"""

InstantText = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time", "examples": [instants.EXAMPLE]})]
"""An instant that `instants.write` has written."""


class ResponseBody(BaseModel):
    """A response, or a part of one. Members that are not set are left out."""

    def json_object(self) -> dict[str, Any]:
        """Return the members that are set, as JSON values."""
        return self.model_dump(mode="json", exclude_unset=True)


def json_answer(body: Any, status: int = 200) -> Response:
    """Return a JSON response. It is ASCII, so that every text can be sent, however odd."""
    return Response(json.dumps(body), status_code=status, media_type="application/json")


def uncompressed(answer: Response) -> Response:
    """Return the response, marked as one whose length must not tell anything."""
    answer.headers["cache-control"] = UNCOMPRESSED
    return answer


def with_etag(request: Request, answer: Response) -> Response:
    """Return a document with its ETag, or 304 if the client has it already (RFC 9110, section 13.1.2).

    The client may keep it, and asks each time whether it has changed. The ETag is a weak one, because it belongs to the
    compressed form, too.
    """
    tag = f'"{sha256(answer.body).hexdigest()[:32]}"'
    answer.headers.setdefault("cache-control", "private, no-cache")
    answer.headers["etag"] = f"W/{tag}"
    known = {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}
    if answer.status_code != 200 or not known & {tag, "*"}:
        return answer
    kept = {name: value for name, value in answer.headers.items() if name not in {"content-length", "content-type"}}
    return Response(status_code=304, headers=kept)


def refusal(status: int, message: str, *, allow: str | None = None) -> Response:
    """Return an error; one with status 405 lists the methods that are allowed."""
    response = json_answer({"error": message}, status)
    if allow is not None:
        response.headers["allow"] = allow
    return response
