"""Configures logging: one line on stderr for each record, as text or as JSON.

``2026-01-01T09:00:00.000Z INFO    worker: Claimed due runs. action=claimed runs=100``

``{"at": "2026-01-01T09:00:00.000Z", "level": "info", "process": "worker", "message": "Claimed due runs.", …}``

The sentence is the message, and `action` and the fields after it come from `extra`. A traceback follows its line of
text, or is a member of its object.

Anyone who can reach the port can make the API log something, so lines from the same place in its code are limited.
"""

import atexit
import json
import logging
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

from duetime.settings import LogSettings
from graphql_api.middleware import request_ids

logger = logging.getLogger(__name__)

# The attributes that every record has, and two that libraries add. All others come from `extra`.
STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {
    *("message", "asctime"),
    *("color_message", "websocket"),
}

OWN_PACKAGES = ("duetime", "graphql_api", "jobs", "db")
LIMITED = ("uvicorn", "websockets", "asyncio", "strawberry", "graphql_api", "py")
"""The loggers that log what clients do; those below `py` are for Python's warnings and ignored exceptions."""
MOST = 10
"""How many lines from one place in the code of those loggers are written within `WITHIN`."""
WITHIN = timedelta(minutes=1)


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
        fields = [f"{name}={quoted(value)}" for name, value in extra(record).items()]
        sentence = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
        line = " ".join([instant(record), f"{record.levelname:<7}", f"{self.process}:", sentence, *fields])
        return f"{line}\n{shortened(self.formatException(record.exc_info), MAX_TRACEBACK)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object: instant, level, process, logger, sentence, then the fields."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self.process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return the object on one line, with the traceback as a member if there is one."""
        line = {
            "at": instant(record),
            "level": record.levelname.lower(),
            "process": self.process,
            "logger": record.name,
            "message": shortened(record.getMessage(), MAX_VALUE),
        }
        fields = {name: json_field(value) for name, value in extra(record).items() if name not in line}
        if record.exc_info:
            fields["traceback"] = shortened(self.formatException(record.exc_info), MAX_TRACEBACK)
        return json.dumps(line | fields, ensure_ascii=False)


FORMATTERS: dict[str, Callable[[str], logging.Formatter]] = {"text": LineFormatter, "json": JsonFormatter}


def instant(record: logging.LogRecord) -> str:
    """Return when the record was made, in UTC."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def extra(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of a record, with `action` first."""
    given = [name for name in vars(record) if name not in STANDARD_ATTRIBUTES]
    return {name: getattr(record, name) for name in sorted(given, key=lambda name: name != "action")}


def shortened(text: str, most: int) -> str:
    """Return a text of at most about `most` characters, whose middle is left out if it has more."""
    left_out = len(text) - most
    if left_out <= 0:
        return text
    half = most // 2
    return f"{text[:half]} [... {left_out:,} characters left out ...] {text[-half:]}"


class RepetitionLimit(logging.Filter):
    """Drops lines from one place in the code after the first few, and logs later how many it has dropped.

    A line with an `id` is never dropped, because a response names the id.
    """

    def __init__(self, *, most: int = MOST, within: timedelta = WITHIN) -> None:
        super().__init__()
        self._most = most
        self._within = within
        # Python may collect garbage at any allocation, and warn of what it finds.
        self._lock = threading.RLock()
        self._counts: Counter[tuple[str, int]] = Counter()
        self._dropped: dict[tuple[str, int], logging.LogRecord] = {}
        self._timer: threading.Timer | None = None
        self._is_closed = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written."""
        if record.name.partition(".")[0] not in LIMITED or hasattr(record, "id"):
            return True
        place = (record.pathname, record.lineno)
        with self._lock:
            self._counts[place] += 1
            if self._timer is None and not self._is_closed:
                self._timer = threading.Timer(self._within.total_seconds(), self.report)
                self._timer.daemon = True
                self._timer.start()
            if self._counts[place] <= self._most:
                return True
            self._dropped[place] = record
            return False

    def report(self) -> None:
        """Log how many lines were dropped from each place, and begin to count from zero."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            counts, dropped, self._timer = self._counts, self._dropped, None
            self._counts, self._dropped = Counter(), {}
        for place, last in dropped.items():
            logger.log(
                last.levelno,
                "More lines like one above were left out.",
                extra={
                    "action": "lines_left_out",
                    "count": counts[place] - self._most,
                    "within_s": int(self._within.total_seconds()),
                    "like": last.getMessage().strip(),
                },
            )

    def close(self) -> None:
        """Log what was dropped so far, and never again. While Python ends, a thread that is started never runs, and its
        starter waits for it forever.
        """
        self._is_closed = True
        self.report()


def json_field(value: object) -> object:
    """Return the value if JSON can represent it, or its text."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
        return value
    return shortened(str(value), MAX_VALUE)


def with_request_id(record: logging.LogRecord) -> bool:
    """Add the id of the request that is being handled to the record, and return True."""
    request_id = request_ids.current.get()
    if request_id is not None:
        record.request_id = request_id
    return True


def quoted(value: object) -> str:
    """Return the value as text, in quotation marks unless it is a single word."""
    text = shortened(str(value), MAX_VALUE)
    if text and text.isprintable() and not any(character in ' "=' for character in text):
        return text
    return json.dumps(text, ensure_ascii=False)


def log_ignored(ignored: "sys.UnraisableHookArgs") -> None:
    """Log an exception that Python ignores, because Python would write it to stderr unformatted and without a limit."""
    logging.getLogger("py.ignored").error(
        "Python has ignored an exception.",
        extra={"action": "exception_ignored", "error": repr(ignored.exc_value), "where": repr(ignored.object)},
    )


def log_gin_mode(mode: str | None) -> None:
    """Log that GIN_MODE, a setting of the service that Duetime replaces, has no effect, if it is set."""
    if mode is not None:
        logger.info(
            "GIN_MODE changes nothing: Duetime has one mode. DUETIME_ACCESS_LOG=true logs each request.",
            extra={"action": "gin_mode_ignored", "value": mode},
        )


def configure(process: str, settings: LogSettings) -> None:
    """Send the records of all loggers to stderr. `process` names this process in each line.

    Libraries do not log below INFO, where they would log each step with its data.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMATTERS[settings.format](process))
    limit = RepetitionLimit()
    handler.addFilter(limit)
    handler.addFilter(with_request_id)
    atexit.register(limit.close)
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    logging.basicConfig(level=max(level, logging.INFO), handlers=[handler], force=True)
    for package in OWN_PACKAGES:
        logging.getLogger(package).setLevel(level)
    logging.captureWarnings(capture=True)
    sys.unraisablehook = log_ignored
    # These libraries log their routine at INFO, which would only repeat what Duetime logs.
    for library in ("uvicorn", "alembic", "arq", "httpx", "websockets"):
        logging.getLogger(library).setLevel(max(level, logging.WARNING))
