"""What Schemathesis needs beyond the OpenAPI document in order to make valid requests.

It adds strategies for string formats that JSON Schema does not define, and filters out requests that break a rule
across members (a header given twice in different case), which the document does not promise to accept.
"""

from datetime import UTC, datetime
from typing import Any

import schemathesis
from hypothesis import strategies

from jobs.http.request import REFUSED_HEADERS

TARGET = "http://127.0.0.1:9"
SHORTEST_GAP_MS = 10_000
"""The shortest gap of the cron texts below."""

schemathesis.openapi.format("uri", strategies.sampled_from([TARGET, f"{TARGET}/a?b=c", "http://[::1]:9/%20"]))
schemathesis.openapi.format("timezone", strategies.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"]))
schemathesis.openapi.format(
    "cron", strategies.sampled_from(["0 9 * * *", "*/5 * * * 1-5", "@daily", "@every 1h30m", "@every 10s"])
)
schemathesis.openapi.format(
    "date-time",
    strategies.integers(min_value=4_102_444_800, max_value=32_503_680_000).map(
        lambda seconds: datetime.fromtimestamp(seconds, UTC).isoformat()
    ),
)


@schemathesis.hook
def filter_body(_context: Any, body: Any) -> bool:
    """Return whether the document says how the service must respond to the body. An instant may come from an earlier
    response.
    """
    names = [name.lower() for name in member(body, "action", "headers")]
    trigger = member(body, "trigger")
    past = any(str(trigger.get(name, "")).startswith("20") for name in ("datetime", "end_at"))
    # The shortest gap between two instants bounds the jitter, and an instant has to lie between start and end.
    fits = isinstance(jitter := trigger.get("jitter_ms") or 0, str | list | dict) or jitter <= SHORTEST_GAP_MS
    fires = not trigger.get("end_at") or not trigger.get("start_at")
    return len(names) == len(set(names)) and not REFUSED_HEADERS.keys() & set(names) and not past and fits and fires


def member(body: Any, *path: str) -> dict[str, Any]:
    """Return an object within the body, or an empty one if it is missing."""
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return body if isinstance(body, dict) else {}
