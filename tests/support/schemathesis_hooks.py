"""What Schemathesis has to know beyond the OpenAPI document to make requests that are right.

It is told how strings look whose formats JSON Schema has no rules for, and that what one rule across members forbids
(a header given twice in different case) is no request that the document promises to accept.
"""

from datetime import UTC, datetime
from typing import Any

import schemathesis
from hypothesis import strategies

from jobs.http.request import REFUSED_HEADERS

TARGET = "http://127.0.0.1:9"

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
    """Whether the document can tell what becomes of the body. An instant may have been taken from an earlier answer."""
    names = [name.lower() for name in member(body, "action", "headers")]
    past = str(member(body, "trigger").get("datetime", "")).startswith("20")
    return len(names) == len(set(names)) and not REFUSED_HEADERS.keys() & set(names) and not past


def member(body: Any, *path: str) -> dict[str, Any]:
    """An object within the body; empty where there is none."""
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return body if isinstance(body, dict) else {}
