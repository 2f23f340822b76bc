"""The execution log: a line of JSON for each finished run, in rotating files, with the old service's member names.

A separate thread writes it, so no run waits for a disk. Lines that cannot be written, because the disk is full, the
folder is not writable, or the thread is behind, are dropped, which the service's own log reports once a minute.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from logging.handlers import QueueListener, RotatingFileHandler
from pathlib import Path
from queue import Full, Queue
from typing import Any

from db.connection import message_of
from db.engine.finishes import Finish
from db.states import RunState
from jobs.engine.claimed import Attempt

logger = logging.getLogger(__name__)

MAX_BYTES = 10 * 1024 * 1024
FILES = 10
"""Number of files that a worker keeps, including the current one."""
WAITING = 10_000
"""Number of lines that may wait for the disk."""
LONGEST_LINE = 64 * 1024
"""An upper bound for the bytes of a line, from the bounds of its members."""
LOG_EVERY = timedelta(minutes=1)
NAME = "executions"


class ExecutionLog:
    """Accepts finished runs, and never waits or raises."""

    def __init__(self, folder: Path) -> None:
        self._lines: Queue[logging.LogRecord] = Queue(WAITING)
        self._file = Files(folder)
        self._listener = QueueListener(self._lines, self._file)

    @classmethod
    @contextmanager
    def writing(cls, folder: Path) -> Iterator["ExecutionLog"]:
        """Open a log in a folder, which is created if necessary, until the block ends."""
        log = cls(folder)
        log._listener.start()
        try:
            yield log
        finally:
            log._listener.stop()
            log._file.close()

    def add(self, attempt: Attempt, finish: Finish) -> None:
        """Log a run's last attempt and its outcome. A run that will be retried is not finished."""
        if finish.state is RunState.RETRYING:
            return
        try:
            self._lines.put_nowait(logging.makeLogRecord({"msg": line(attempt, finish)}))
        except Full:
            self._file.dropped("the disk is too slow")


def line(attempt: Attempt, finish: Finish) -> dict[str, Any]:
    """Return the line of a run. `timestamp` is when the line was created, `execution_time` when the attempt started."""
    return {
        "timestamp": datetime.now(UTC),
        "task_id": attempt.task_id,
        "task_name": attempt.task_name,
        "task_method": attempt.action.method,
        "task_url": attempt.action.url,
        "execution_time": finish.started_at,
        "duration_ms": finish.duration_ms,
        "status_code": finish.status_code,
        "success": finish.state is RunState.SUCCEEDED,
        "error_message": finish.error_message,
    }


def written(value: Any) -> str:
    """Return an instant or an id as text."""
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


class Files(RotatingFileHandler):
    """The current file, `executions-<number>.jsonl`, and the older ones.

    A worker takes the lowest number that no other worker on this host uses, because two would rotate each other's
    files. After a failure the file is opened again for the next line.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / NAME, maxBytes=MAX_BYTES, backupCount=FILES - 1, encoding="utf-8", delay=True)
        self._folder = folder
        self._lock: Any = None
        self._logged_at: float | None = None

    def format(self, record: logging.LogRecord) -> str:
        """Return the line as JSON."""
        return json.dumps(record.msg, default=written)

    def _open(self) -> Any:
        if self._lock is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_private(self._folder)
            number, self._lock = free_number(self._folder)
            self.baseFilename = str(self._folder / f"{NAME}-{number}.jsonl")
            drop_torn_line(Path(self.baseFilename))
        return open_private(Path(self.baseFilename), "a", encoding="utf-8")

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Drop the line, and reopen the file for the next one."""
        if self.stream is not None:
            stream, self.stream = self.stream, None
            try:
                stream.close()
            except OSError:
                logger.debug("A file could not be closed.", extra={"action": "execution_log_close"})
            drop_torn_line(Path(self.baseFilename))
        self.dropped("it cannot be written", exc_info=True)

    def dropped(self, reason: str, *, exc_info: bool = False) -> None:
        """Log that lines are dropped, at most once a minute."""
        now = time.monotonic()
        if self._logged_at is None or now - self._logged_at >= LOG_EVERY.total_seconds():
            self._logged_at = now
            logger.warning(
                "Runs are missing from the execution log.",
                exc_info=exc_info,
                extra={"action": "execution_log_incomplete", "folder": str(self._folder), "reason": reason},
            )

    def close(self) -> None:
        """Close the file and free its number."""
        super().close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def make_private(folder: Path) -> None:
    """Make the files that an earlier version left behind private, and the folder if it contains nothing else.

    A folder with other files is shared, and its owner decides about it. Files of other users stay as they are.
    """
    if sys.platform == "win32":
        return
    ours = {*folder.glob(f"{NAME}-*.jsonl*"), *folder.glob(f".{NAME}-*.lock")}
    only_ours = set(folder.iterdir()) <= ours
    for path in (*ours, *((folder,) if only_ours else ())):
        with suppress(PermissionError, FileNotFoundError):
            if not path.is_symlink() and path.stat().st_uid == os.geteuid():
                path.chmod(0o700 if path == folder else 0o600)


def open_private(path: Path, mode: str, *, encoding: str | None = None) -> Any:
    """Open a file that only its owner can read, whatever the umask is. Raise `OSError` for a symbolic link.

    In a shared folder another user could otherwise make a link to any file of ours.
    """

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)

    return open(path, mode, encoding=encoding, opener=opener)


def drop_torn_line(path: Path) -> None:
    """Truncate an incomplete last line, which a full disk or a killed worker leaves behind.

    Otherwise the next line would continue it and be lost as well.
    """
    try:
        with open_private(path, "rb+") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - LONGEST_LINE)
            file.seek(start)
            whole = start + file.read(size - start).rfind(b"\n") + 1
            if whole < size:
                file.truncate(whole)
    except FileNotFoundError:
        return
    except OSError as error:
        logger.debug("A torn line may remain.", extra={"action": "execution_log_torn", "error": message_of(error)})


def free_number(folder: Path) -> tuple[int, Any]:
    """Return the lowest free number, and the open file that reserves it until it is closed.

    Windows has no such locks; there the number is the process id.
    """
    if sys.platform == "win32":
        return os.getpid(), open_private(folder / f".{NAME}-{os.getpid()}.lock", "w")
    import fcntl  # noqa: PLC0415 (Windows has none)

    for number in count(1):
        lock = open_private(folder / f".{NAME}-{number}.lock", "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return number, lock
    raise AssertionError
