"""The one log: a line for each record, on stderr.

``2026-01-01T09:00:00.000Z INFO    worker: Claimed what was due. action=claimed runs=100``

The sentence is the message; `action` and the ids after it are whatever the caller gave as `extra`. The traceback of a
surprise follows its line.
"""

import json
import logging
import sys
from datetime import UTC, datetime

# What every record has; all else came as `extra`.
GIVEN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "websocket"}


class LineFormatter(logging.Formatter):
    """Formats a record as one line: instant, level, part of the service, sentence, then key=value."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part

    def format(self, record: logging.LogRecord) -> str:
        """The line, and under it the traceback of an exception."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        extra = {name: value for name, value in vars(record).items() if name not in GIVEN}
        fields = [f"{name}={bare(extra[name])}" for name in sorted(extra, key=lambda name: name != "action")]
        sentence = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
        line = " ".join([at, f"{record.levelname:<7}", f"{self.part}:", sentence, *fields])
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def bare(value: object) -> str:
    """The value as one word, or in quotation marks where it is not one."""
    text = str(value)
    if text and text.isprintable() and not any(character in ' "=' for character in text):
        return text
    return json.dumps(text, ensure_ascii=False)


def is_news(record: logging.LogRecord) -> bool:
    """Not so: uvicorn's error for each websocket that was refused with an answer, as ASGI provides for."""
    return record.msg != "ASGI callable returned without completing handshake."


def configure(part: str) -> None:
    """Sends every logger's records of INFO and above to stderr. `part` names this process in each line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(part))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    # These tell of their own start, stop and every step; what goes wrong is theirs to tell, the rest is ours.
    for library in ("uvicorn", "alembic", "arq", "httpx", "websockets"):
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(is_news)
