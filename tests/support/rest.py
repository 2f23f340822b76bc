"""Requests that users of the earlier service copied from its documentation, and the shape of errors."""

from datetime import datetime
from typing import Any

import httpx

TASKS = "/api/v1/tasks"
RESULTS = "/api/v1/results"
FUTURE = "2100-01-01T09:00:00+01:00"

ONE_OFF: dict[str, Any] = {
    "name": "Website Health Check",
    "trigger": {"type": "one-off", "datetime": FUTURE},
    "action": {"method": "GET", "url": "http://localhost/get", "headers": {"User-Agent": "TaskScheduler/1.0"}},
}
CRON: dict[str, Any] = {
    "name": "Daily Report",
    "trigger": {"type": "cron", "cron": "0 9 * * *"},
    "action": {
        "method": "post",
        "url": "http://localhost/post",
        "headers": {"Content-Type": "application/json"},
        "payload": {"report_type": "daily", "timestamp": "2025-01-01T09:00:00Z"},
    },
}
ALWAYS = {"id", "name", "trigger_type", "method", "url", "status", "created_at", "updated_at"}


def text(instant: datetime) -> str:
    """Return an instant as the API writes it."""
    return instant.isoformat().replace("+00:00", "Z")


def error(answer: httpx.Response, status: int = 400) -> str:
    """Return the text of an error, which must have the shape of the contract."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert list(body) == ["error"]
    assert isinstance(body["error"], str)
    assert "Traceback" not in body["error"]
    return str(body["error"])
