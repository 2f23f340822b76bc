"""Answers: JSON, and errors as `{"error": "<text>"}`."""

import json
from typing import Any

from starlette.responses import Response


def json_answer(body: Any, status: int = 200) -> Response:
    """JSON. It is kept to ASCII, so that no text, however odd, can fail to be sent."""
    return Response(json.dumps(body), status_code=status, media_type="application/json")


def refusal(status: int, message: str, *, allow: str | None = None) -> Response:
    """An error; with 405 come the methods that are allowed."""
    response = json_answer({"error": message}, status)
    if allow is not None:
        response.headers["allow"] = allow
    return response
