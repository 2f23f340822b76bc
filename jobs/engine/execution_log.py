"""The execution log: a line of JSON for each run that ended, in files that rotate, with the old service's names.

A thread of its own writes it, so that no run waits for a disk. What cannot be written, since the disk is full, the
folder cannot be written to, or the thread is behind, is left out, and the service's own log says so, once a minute.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from logging.handlers import QueueListener, RotatingFileHandler
from pathlib import Path
from queue import Full, Queue
from typing import Any

from db.engine.finishes import Finish
from db.states import RunState
from jobs.engine.outcome import Attempt

logger = logging.getLogger(__name__)

MAX_BYTES = 10 * 1024 * 1024
FILES = 10
"""How many a worker keeps, the present one included."""
WAITING = 10_000
"""How many lines may wait for the disk."""
LONGEST_LINE = 64 * 1024
"""More bytes than a line can have, by the bounds of its members."""
TELL_EVERY = timedelta(minutes=1)
NAME = "executions"


class ExecutionLog:
    """Takes runs that ended, without ever waiting or raising."""

    def __init__(self, folder: Path) -> None:
        self._lines: Queue[logging.LogRecord] = Queue(WAITING)
        self._file = Files(folder)
        self._listener = QueueListener(self._lines, self._file)

    @classmethod
    @contextmanager
    def writing(cls, folder: Path) -> Iterator["ExecutionLog"]:
        """A log in a folder, which is made if it is not there, until the block ends."""
        log = cls(folder)
        log._listener.start()
        try:
            yield log
        finally:
            log._listener.stop()
            log._file.close()

    def add(self, attempt: Attempt, finish: Finish) -> None:
        """Takes a run's last attempt and its end; one that is tried again has not ended."""
        if finish.state is RunState.RETRYING:
            return
        try:
            self._lines.put_nowait(logging.makeLogRecord({"msg": line(attempt, finish)}))
        except Full:
            self._file.left_out("the disk is too slow")


def line(attempt: Attempt, finish: Finish) -> dict[str, Any]:
    """What the log tells of a run. `timestamp` is when its line was made, `execution_time` when its attempt began."""
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
    """Instants and ids as text."""
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


class Files(RotatingFileHandler):
    """The file that is written to, `executions-<number>.jsonl`, and the older ones.

    A worker takes the lowest number that no other worker on this host has: two would rotate each other's files. A file
    that failed is opened anew for the next line.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / NAME, maxBytes=MAX_BYTES, backupCount=FILES - 1, encoding="utf-8", delay=True)
        self._folder = folder
        self._lock: Any = None
        self._told_at: float | None = None

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return json.dumps(record.msg, default=written)

    def _open(self) -> Any:
        if self._lock is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            number, self._lock = free_number(self._folder)
            self.baseFilename = str(self._folder / f"{NAME}-{number}.jsonl")
            drop_torn_line(Path(self.baseFilename))
        return super()._open()

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Leaves the line out, and opens the file anew for the next one."""
        if self.stream is not None:
            stream, self.stream = self.stream, None
            try:
                stream.close()
            except OSError:
                logger.debug("A file could not be closed. action=execution_log_close")
            drop_torn_line(Path(self.baseFilename))
        self.left_out("it cannot be written", exc_info=True)

    def left_out(self, reason: str, *, exc_info: bool = False) -> None:
        """Tells, now and then, that lines are left out."""
        now = time.monotonic()
        if self._told_at is None or now - self._told_at >= TELL_EVERY.total_seconds():
            self._told_at = now
            logger.warning(
                "Runs are missing in the execution log in %s: %s. action=execution_log_incomplete",
                self._folder,
                reason,
                exc_info=exc_info,
            )

    def close(self) -> None:
        """Lets go of the file, and of its number."""
        super().close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def drop_torn_line(path: Path) -> None:
    """Cuts off a file's end what is no whole line: what was written before the disk was full, or the worker killed.

    The next line would otherwise continue it, and be lost, too.
    """
    try:
        with path.open("rb+") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - LONGEST_LINE)
            file.seek(start)
            whole = start + file.read(size - start).rfind(b"\n") + 1
            if whole < size:
                file.truncate(whole)
    except FileNotFoundError:
        return
    except OSError as error:
        logger.debug("A torn line may stay. action=execution_log_torn error=%s", error)


def free_number(folder: Path) -> tuple[int, Any]:
    """The lowest number that nobody holds, and the open file by which it is held until that is closed.

    Windows has no such locks; there it is the process's number.
    """
    if sys.platform == "win32":
        return os.getpid(), (folder / f".{NAME}-{os.getpid()}.lock").open("w")
    import fcntl  # noqa: PLC0415 (Windows has none)

    for number in count(1):
        lock = (folder / f".{NAME}-{number}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return number, lock
    raise AssertionError
