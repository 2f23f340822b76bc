"""The states of tasks and runs, as they are stored.

The life of a run. Each arrow is one guarded statement with its event in the same transaction; the database refuses an
UPDATE of a state that is no arrow. An arrow to a final state moves the row to the history::

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
    """The status of a task: whether its schedule creates runs."""

    SCHEDULED = "scheduled"
    """Entered when the task is created, resumed, or given a new trigger after its completion. Left when it is paused or
    cancelled, and when its schedule ends."""

    PAUSED = "paused"
    """Entered from SCHEDULED when the task is paused. Left when it is resumed or cancelled, and for COMPLETED when the
    last run of a one-off ends meanwhile."""

    COMPLETED = "completed"
    """Entered when the run of a one-off has ended, and for any other task when its last instant was claimed. Left when
    the task is given a new trigger, or cancelled."""

    CANCELLED = "cancelled"
    """Entered from any other status when the task is cancelled or deleted. Never left."""


class RunState(StrEnum):
    """The state of a run. QUEUED, RUNNING and RETRYING are unfinished; all others are final and never left."""

    QUEUED = "queued"
    """Entered when a run is created behind an unfinished one (overlap policy QUEUE), or on request and is due at once.
    Left for RUNNING when a worker claims the run, or for CANCELLED."""

    RUNNING = "running"
    """Entered when a worker claims the run and starts an attempt. Left when the attempt ends, by whatever outcome, when
    the worker loses its lease, and when the run is cancelled."""

    RETRYING = "retrying"
    """Entered from RUNNING when an attempt failed and another one is left, or was lost and the task's `on_lost` is
    RETRY. Left for RUNNING when the next attempt is due and claimed, or for CANCELLED."""

    SUCCEEDED = "succeeded"
    """Entered from RUNNING when the response has a 2xx status."""

    FAILED = "failed"
    """Entered from RUNNING when an attempt failed and none is left, or none would help. A run is created in this state
    when the schedule of its task cannot be computed."""

    CANCELLED = "cancelled"
    """Entered from QUEUED or RETRYING when the run or its task is cancelled, and from RUNNING when the run is cancelled
    or its task deleted."""

    SKIPPED = "skipped"
    """A run is created in this state when an earlier run of the task is unfinished and the overlap policy says so."""

    MISSED = "missed"
    """A run is created in this state for instants that no worker claimed in time: by the misfire policy SKIP, or when a
    change of the task leaves them behind."""

    UNKNOWN = "unknown"
    """Entered from RUNNING when the worker was lost and the task's `on_lost` is FAIL; the call may have been made."""


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


class ChannelKind(StrEnum):
    """How a channel reaches people or programs."""

    WEBHOOK = "webhook"
    APPRISE = "apprise"


class NotificationEvent(StrEnum):
    """What a notification is about. Rules select any of them but WORKERS_BACK and TEST."""

    FAILED = "failed"
    RECOVERED = "recovered"
    LATE = "late"
    ABSENT = "absent"
    PAUSED = "paused"
    NO_WORKERS = "no_workers"
    WORKERS_BACK = "workers_back"
    TEST = "test"


class DeliveryState(StrEnum):
    """The state of a delivery: PENDING until a channel has accepted it, or until it was tried often enough."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class StatisticsWidth(StrEnum):
    """The time that one row of the statistics covers, in UTC."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


class TroubleKind(StrEnum):
    """What is wrong with the newest runs of a task."""

    FAILING = "failing"
    LATE = "late"


class KeyScope(StrEnum):
    """What the holder of a key may do. Each scope includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class BulkAction(StrEnum):
    """What an operation does with each of many tasks, or with each of many runs."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    DELETE = "delete"
    RUN = "run"
    RETRY = "retry"
    CANCEL_RUNS = "cancel_runs"


BULK_ACTIONS_OF_RUNS = (BulkAction.RETRY, BulkAction.CANCEL_RUNS)


class BulkState(StrEnum):
    """The state of an operation on many tasks or runs. All but RUNNING are final."""

    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
