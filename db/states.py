"""The states of tasks and runs, as they are stored.

The life of a run. Each arrow is one guarded UPDATE with its event in the same transaction; the database refuses
others::

    (due) ──claim──▶ RUNNING             (due) ──claim──▶ SKIPPED | MISSED: overlap, misfire; no attempt
    (due) ──claim──▶ FAILED: the task was imported, and its schedule cannot be computed
    (due) ──claim──▶ QUEUED ──the earlier run ended──▶ RUNNING
    (requested) ──▶ QUEUED ──claim──▶ RUNNING, or SKIPPED: overlap
    RUNNING ──finish──▶ SUCCEEDED | FAILED
    RUNNING ──attempt failed, one is left──▶ RETRYING ──due again──▶ RUNNING
    RUNNING ──worker lost──▶ RETRYING | UNKNOWN
    QUEUED | RETRYING ──run or task cancelled──▶ CANCELLED
    RUNNING ──run cancelled, task deleted──▶ CANCELLED
"""

from enum import StrEnum


class TriggerType(StrEnum):
    """The kinds of triggers."""

    ONE_OFF = "one-off"
    CRON = "cron"
    INTERVAL = "interval"


class TaskStatus(StrEnum):
    """The status of a task. COMPLETED is a one-off after its run, or any other task whose last instant has passed."""

    SCHEDULED = "scheduled"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class RunState(StrEnum):
    """The state of a run. QUEUED and RETRYING wait, RUNNING has an attempt in progress, and all others are final."""

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
    """Why a run was created: by its task's schedule, on request, or as a retry on request."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    RETRY = "retry"


class RunEventType(StrEnum):
    """What happened to a run. STARTED occurs once for each attempt."""

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
    """What happens when a task is due while an earlier run of it is unfinished."""

    ALLOW = "allow"
    SKIP = "skip"
    QUEUE = "queue"


class MisfirePolicy(StrEnum):
    """What happens to missed instants."""

    LATEST = "latest"
    SKIP = "skip"
    ALL = "all"


class LostPolicy(StrEnum):
    """What happens to an attempt whose worker was lost when the request may have been sent."""

    RETRY = "retry"
    FAIL = "fail"


class BodyEncoding(StrEnum):
    """How the body of a response is stored."""

    UTF8 = "utf8"
    BASE64 = "base64"


class KeyScope(StrEnum):
    """What the holder of a key may do. Each scope includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
