"""Configures logging: one line on stderr for each record.

``2026-01-01T09:00:00.000Z INFO    worker: Claimed due runs. action=claimed runs=100``

The sentence is the message; `action` and the fields after it come from `extra`. A traceback follows its line.
"""

import json
import logging
import sys
from datetime import UTC, datetime

# The attributes that every record has, and two that libraries add. All others come from `extra`.
STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {
    *("message", "asctime"),
    *("color_message", "websocket"),
}


MAX_TRACEBACK = 16_384
MAX_VALUE = 4_096
"""Characters of a traceback and of a field's value in the log. Errors may repeat what a client sent."""


class LineFormatter(logging.Formatter):
    """Formats a record as one line: instant, level, process, sentence, then the fields as key=value."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self.process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, followed by the traceback if there is one."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        extra = {name: value for name, value in vars(record).items() if name not in STANDARD_ATTRIBUTES}
        fields = [f"{name}={quoted(extra[name])}" for name in sorted(extra, key=lambda name: name != "action")]
        sentence = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
        line = " ".join([at, f"{record.levelname:<7}", f"{self.process}:", sentence, *fields])
        return f"{line}\n{shortened(self.formatException(record.exc_info), MAX_TRACEBACK)}" if record.exc_info else line


def shortened(text: str, most: int) -> str:
    """Return a text of at most about `most` characters, whose middle is left out if it has more."""
    left_out = len(text) - most
    if left_out <= 0:
        return text
    half = most // 2
    return f"{text[:half]} [... {left_out:,} characters left out ...] {text[-half:]}"


def quoted(value: object) -> str:
    """Return the value as text, in quotation marks unless it is a single word."""
    text = shortened(str(value), MAX_VALUE)
    if text and text.isprintable() and not any(character in ' "=' for character in text):
        return text
    return json.dumps(text, ensure_ascii=False)


def configure(process: str) -> None:
    """Send the records of all loggers from INFO up to stderr. `process` names this process in each line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(process))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    # These libraries log their routine at INFO, which would only repeat what Duetime logs.
    for library in ("uvicorn", "alembic", "arq", "httpx", "websockets"):
        logging.getLogger(library).setLevel(logging.WARNING)
