"""The states that tasks and runs can be in, as they are stored.

A run's life, each arrow one guarded UPDATE with its event in the same transaction. The database refuses all others::

    (due) ──claim──▶ RUNNING             (due) ──claim──▶ SKIPPED | MISSED: overlap, misfire; never attempted
    (due) ──claim──▶ FAILED: the task was carried over from elsewhere, and its schedule cannot be read
    (due) ──claim──▶ QUEUED ──the run before it ended──▶ RUNNING
    (asked for) ──▶ QUEUED ──claim──▶ RUNNING, or SKIPPED: overlap
    RUNNING ──finish──▶ SUCCEEDED | FAILED
    RUNNING ──attempt failed, one is left──▶ RETRYING ──due again──▶ RUNNING
    RUNNING ──worker lost──▶ RETRYING | UNKNOWN
    QUEUED | RETRYING ──run or task cancelled──▶ CANCELLED
    RUNNING ──run cancelled, task deleted──▶ CANCELLED
"""

from enum import StrEnum


class TriggerType(StrEnum):
    """How a task says when it is due."""

    ONE_OFF = "one-off"
    CRON = "cron"
    INTERVAL = "interval"


class TaskStatus(StrEnum):
    """COMPLETED is a one-off after its run, or any other task whose last instant has passed."""

    SCHEDULED = "scheduled"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class RunState(StrEnum):
    """QUEUED and RETRYING wait, RUNNING has an attempt on its way, all others are final."""

    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    MISSED = "missed"
    UNKNOWN = "unknown"


UNFINISHED = (RunState.QUEUED, RunState.RUNNING, RunState.RETRYING)
UNSUCCESSFUL = (RunState.FAILED, RunState.CANCELLED, RunState.SKIPPED, RunState.MISSED, RunState.UNKNOWN)


class RunCause(StrEnum):
    """What made a run: its task's schedule, a person, or a person again."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    RETRY = "retry"


class RunEventType(StrEnum):
    """What happened to a run. STARTED comes once for each attempt."""

    QUEUED = "queued"
    STARTED = "started"
    ATTEMPT_FAILED = "attempt_failed"
    ATTEMPT_LOST = "attempt_lost"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    MISSED = "missed"
    UNKNOWN = "unknown"


class OverlapPolicy(StrEnum):
    """What a due task does while an earlier run of it is unfinished."""

    ALLOW = "allow"
    SKIP = "skip"
    QUEUE = "queue"


class MisfirePolicy(StrEnum):
    """What becomes of instants that could not be claimed in time."""

    LATEST = "latest"
    SKIP = "skip"
    ALL = "all"


class LostPolicy(StrEnum):
    """What becomes of an attempt whose worker was lost while it may have been on its way."""

    RETRY = "retry"
    FAIL = "fail"


class BodyEncoding(StrEnum):
    """How a response body is kept."""

    UTF8 = "utf8"
    BASE64 = "base64"


class KeyScope(StrEnum):
    """What the bearer of a key may do; each scope holds those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
