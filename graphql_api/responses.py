"""Responses in JSON, and errors as `{"error": "<text>"}`."""

import json
from typing import Annotated, Any

from pydantic import BaseModel, WithJsonSchema
from starlette.responses import Response

from graphql_api import instants

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


def refusal(status: int, message: str, *, allow: str | None = None) -> Response:
    """Return an error; one with status 405 lists the methods that are allowed."""
    response = json_answer({"error": message}, status)
    if allow is not None:
        response.headers["allow"] = allow
    return response
