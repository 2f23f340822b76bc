"""What was logged: the records of an action, and the log as it is written."""

import logging

import pytest

from duetime.logs import LineFormatter


def logged(caplog: pytest.LogCaptureFixture, action: str) -> list[logging.LogRecord]:
    """Return the records of an action."""
    return [record for record in caplog.records if getattr(record, "action", None) == action]


def log_text(caplog: pytest.LogCaptureFixture) -> str:
    """Return the log as users see it, with all fields and tracebacks."""
    formatter = LineFormatter("test")
    return "\n".join(formatter.format(record) for record in caplog.records)
