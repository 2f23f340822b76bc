"""The tables. `tasks` and `task_results` keep every column of the service that Duetime replaces, and add their own.

Instants are `timestamptz` and come back aware, in UTC. Durations are whole milliseconds, in columns that end in `_ms`.
"""

from sqlalchemy.orm import configure_mappers

from db.models.access import ApiKey, AuditEntry
from db.models.columns import metadata, utc_now
from db.models.limits import FlowLimit, HostPause
from db.models.notifications import (
    Notification,
    NotificationAlert,
    NotificationChannel,
    NotificationCursor,
    NotificationDelivery,
    NotificationRule,
)
from db.models.runs import (
    DEFAULT_PARTITION,
    FINISHED_RUNS,
    RUNS,
    UNFINISHED_RUNS,
    ResultCount,
    Run,
    RunEvent,
    RunEventCounter,
    RunSummary,
    TraceContext,
)
from db.models.statistics import LoadForecast, LoadForecastState, RunRollup, RunStatistic, StatisticsCursor, TaskTrouble
from db.models.tasks import (
    BULK_CHUNKS,
    DEFINED,
    NOT_ASCII,
    TASK_DEFINITIONS,
    BulkOperation,
    IdempotencyKey,
    ListedTask,
    Task,
    TaskVersion,
    TaskWords,
    ZoneRules,
)
from db.models.workers import LastSweep, ProcessReport, Worker

__all__ = (
    "BULK_CHUNKS",
    "DEFAULT_PARTITION",
    "DEFINED",
    "FINISHED_RUNS",
    "NOT_ASCII",
    "RUNS",
    "TASK_DEFINITIONS",
    "UNFINISHED_RUNS",
    "ApiKey",
    "AuditEntry",
    "BulkOperation",
    "FlowLimit",
    "HostPause",
    "IdempotencyKey",
    "LastSweep",
    "ListedTask",
    "LoadForecast",
    "LoadForecastState",
    "Notification",
    "NotificationAlert",
    "NotificationChannel",
    "NotificationCursor",
    "NotificationDelivery",
    "NotificationRule",
    "ProcessReport",
    "ResultCount",
    "Run",
    "RunEvent",
    "RunEventCounter",
    "RunRollup",
    "RunStatistic",
    "RunSummary",
    "StatisticsCursor",
    "Task",
    "TaskTrouble",
    "TaskVersion",
    "TaskWords",
    "TraceContext",
    "Worker",
    "ZoneRules",
    "metadata",
    "utc_now",
)

# Otherwise the attributes of an object that no constructor has made would work only after something else is used.
configure_mappers()
