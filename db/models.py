"""The tables. `tasks` and `task_results` keep every column of the service that Duetime replaces, and add their own.

Instants are `timestamptz` and come back aware, in UTC. Durations are whole milliseconds, in columns that end in `_ms`.
"""

import json
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import configure_mappers
from sqlmodel import Field, SQLModel

from db import present
from db.json_text import TextOfJson
from db.states import (
    UNFINISHED,
    UNSUCCESSFUL,
    BodyEncoding,
    BulkAction,
    BulkState,
    ChannelKind,
    DeliveryState,
    KeyScope,
    LostPolicy,
    MisfirePolicy,
    NotificationEvent,
    OverlapPolicy,
    RunCause,
    RunEventType,
    RunState,
    StatisticsWidth,
    TaskStatus,
    TriggerType,
    TroubleKind,
)

metadata = SQLModel.metadata

INSTANT: Any = DateTime(timezone=True)
NOW: dict[str, Any] = {"server_default": text("now()")}


def utc_now() -> datetime:
    """Return the present, aware, in UTC, by the clock that this process follows."""
    return present.now()


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """Return a CHECK that `column` holds one of an enum's values."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def stored(values: type[StrEnum]) -> Any:
    """Return a text column whose values Python reads as members of an enum."""
    return Enum(values, native_enum=False, length=20, values_callable=lambda members: [m.value for m in members])


def default(value: str | int) -> dict[str, Any]:
    """Return the same default for the database as for Python, so that rows inserted by other programs are complete."""
    return {"server_default": text(f"'{value}'" if isinstance(value, str) else str(value))}


class ExactJson(JSON):
    """A json column that keeps the order of members, and notices every change.

    To Python, 1, 1.0 and True are equal, so SQLAlchemy would not store the one in place of the other.
    """

    def compare_values(self, x: Any, y: Any) -> bool:
        """Return whether two values are the same JSON."""
        return json.dumps(x, default=str) == json.dumps(y, default=str)


class Task(SQLModel, table=True):
    """A definition: a trigger, an HTTP action, and policies."""

    __tablename__ = "tasks"
    __table_args__ = (
        one_of("trigger_type", TriggerType),
        one_of("status", TaskStatus),
        one_of("overlap", OverlapPolicy),
        one_of("misfire", MisfirePolicy),
        one_of("on_lost", LostPolicy),
        one_of("misfire_once", MisfirePolicy),
        CheckConstraint("due_at IS NULL OR next_run IS NOT NULL", name="due_has_next_run"),
        CheckConstraint("next_run IS NULL OR status = 'scheduled'", name="next_run_only_when_scheduled"),
        CheckConstraint("resume_from IS NULL OR status = 'paused'", name="resume_from_only_when_paused"),
        Index("tasks_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("tasks_catching_up", "id", postgresql_where=text("next_run IS NOT NULL AND due_at IS NULL")),
        Index("tasks_timezone", "timezone", postgresql_where=text("timezone <> 'UTC'")),
        Index("tasks_deleted_at", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
        Index(
            "tasks_external_id",
            "external_id",
            unique=True,
            postgresql_where=text("external_id IS NOT NULL AND deleted_at IS NULL"),
        ),
        Index("tasks_delete_at", "delete_at", postgresql_where=text("delete_at IS NOT NULL AND deleted_at IS NULL")),
        Index("tasks_created_at_id", "created_at", "id"),
        Index("tasks_next_run_id", "next_run", "id"),
        Index("tasks_name_id", "name", "id"),
        Index("tasks_status_created_at_id", "status", "created_at", "id"),
        Index("tasks_retention_days", "id", postgresql_where=text("retention_days IS NOT NULL")),
        CheckConstraint("retention_days >= 0", name="retention_not_negative"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    external_id: str | None = Field(
        default=None,
        sa_type=String(255),
        description="a name of the caller's own, unique among tasks that are not deleted",
    )
    name: str = Field(sa_type=String(255))
    description: str = Field(default="", sa_type=Text, sa_column_kwargs=default(""))
    user_metadata: Any = Field(
        default=None,
        sa_type=ExactJson(none_as_null=True),
        nullable=True,
        description="what the caller keeps with the task; the name metadata belongs to SQLAlchemy",
    )
    trigger_type: TriggerType = Field(sa_type=stored(TriggerType))
    trigger_time: datetime | None = Field(default=None, sa_type=INSTANT)
    cron_expr: str | None = Field(default=None, sa_type=String(256))
    timezone: str = Field(default="UTC", sa_type=Text, sa_column_kwargs=default("UTC"))
    every_ms: int | None = Field(default=None, sa_type=BigInteger)
    start_at: datetime | None = Field(default=None, sa_type=INSTANT)
    end_at: datetime | None = Field(default=None, sa_type=INSTANT)
    jitter_ms: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs=default(0))

    method: str = Field(sa_type=String(10))
    url: str = Field(sa_type=Text)
    host: str = Field(
        default="",
        sa_type=Text,
        sa_column_kwargs=default(""),
        description="host:port of the URL; tasks with the same one share slots",
    )
    headers: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))
    header_order: list[str] | None = Field(
        default=None,
        sa_type=ARRAY(Text),
        nullable=True,
        description="the headers' names in their given order, which jsonb does not keep",
    )
    payload: Any = Field(
        default=None,
        sa_type=TextOfJson(none_as_null=True),
        nullable=True,
        description="json and not jsonb, which would reorder the members and change the numbers; read as text",
    )
    body: Any = Field(
        default=None,
        sa_type=ExactJson(none_as_null=True),
        nullable=True,
        description="a body that is no payload: an object with text, base64 or form",
    )
    success_statuses: list[str] | None = Field(
        default=None, sa_type=ARRAY(Text), nullable=True, description="null for 2xx"
    )
    signing_secrets: list[str] | None = Field(default=None, sa_type=ARRAY(Text), nullable=True, description="encrypted")
    timeout_ms: int = Field(default=30_000, sa_type=BigInteger, sa_column_kwargs=default(30_000))
    redirects: int = Field(default=5, sa_column_kwargs=default(5))

    max_attempts: int = Field(default=3, sa_column_kwargs=default(3))
    initial_delay_ms: int = Field(default=5_000, sa_type=BigInteger, sa_column_kwargs=default(5_000))
    backoff_factor: float = Field(default=2.0, sa_column_kwargs=default(2))
    max_delay_ms: int = Field(default=300_000, sa_type=BigInteger, sa_column_kwargs=default(300_000))
    retry_statuses: list[str] | None = Field(
        default=None, sa_type=ARRAY(Text), nullable=True, description="null for all that are not a success"
    )
    max_elapsed_ms: int | None = Field(default=None, sa_type=BigInteger)
    overlap: OverlapPolicy = Field(
        default=OverlapPolicy.SKIP, sa_type=stored(OverlapPolicy), sa_column_kwargs=default("skip")
    )
    misfire: MisfirePolicy = Field(
        default=MisfirePolicy.LATEST, sa_type=stored(MisfirePolicy), sa_column_kwargs=default("latest")
    )
    on_lost: LostPolicy = Field(default=LostPolicy.RETRY, sa_type=stored(LostPolicy), sa_column_kwargs=default("retry"))
    tags: list[str] = Field(
        default_factory=list, sa_type=ARRAY(Text), sa_column_kwargs={"server_default": text("'{}'")}
    )

    status: TaskStatus = Field(
        default=TaskStatus.SCHEDULED, sa_type=stored(TaskStatus), sa_column_kwargs=default("scheduled")
    )
    version: int = Field(default=1, sa_column_kwargs=default(1))
    next_run: datetime | None = Field(
        default=None,
        sa_type=INSTANT,
        description="the next instant, without jitter; null while paused and after the end",
    )
    due_at: datetime | None = Field(
        default=None,
        sa_type=INSTANT,
        description="when to claim next_run, with jitter; null while it waits for the end of the run before it",
    )
    settled_until: datetime | None = Field(
        default=None,
        sa_type=INSTANT,
        description="all instants up to this moment, inclusive, have a run or count in one, but for a next_run before "
        "it, which an update has kept",
    )
    resume_from: datetime | None = Field(
        default=None, sa_type=INSTANT, description="while paused, the first instant that was not claimed"
    )
    misfire_once: MisfirePolicy | None = Field(
        default=None, sa_type=stored(MisfirePolicy), description="replaces misfire for instants missed during a pause"
    )
    pause_after_failures: int = Field(
        default=0,
        sa_column_kwargs=default(0),
        description="pauses itself after this number of consecutive failed runs; 0 means never",
    )
    failures: int = Field(
        default=0,
        sa_column_kwargs=default(0),
        description="runs that have failed one after another, counted while pause_after_failures is set",
    )
    paused_at: datetime | None = Field(default=None, sa_type=INSTANT, description="of the last pause, as the next two")
    paused_by: str | None = Field(default=None, sa_type=Text)
    pause_reason: str | None = Field(default=None, sa_type=Text)
    deleted_at: datetime | None = Field(
        default=None, sa_type=INSTANT, description="hidden since then; its rows are removed in chunks"
    )
    delete_after_ms: int | None = Field(default=None, sa_type=BigInteger, description="counted from ended_at")
    retention_days: int | None = Field(
        default=None, description="how long its runs are kept; 0 forever, null for the workers' settings"
    )
    flow_key: str = Field(
        default="",
        sa_type=Text,
        sa_column_kwargs=default(""),
        description="a flow limit of this key applies to its calls; empty means no key",
    )
    ended_at: datetime | None = Field(
        default=None, sa_type=INSTANT, description="when the status became completed or cancelled; set by a trigger"
    )
    delete_at: datetime | None = Field(
        default=None, sa_type=INSTANT, description="when maintenance deletes the task; set by the same trigger"
    )
    created_at: datetime = Field(default_factory=utc_now, sa_type=INSTANT, sa_column_kwargs=NOW)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=INSTANT, sa_column_kwargs=NOW)


class Run(SQLModel, table=True):
    """One firing of a task for one instant: when it was due, its state, and the response.

    The table has two partitions, `UNFINISHED_RUNS` and `FINISHED_RUNS`, between which the end of a run moves its row.
    """

    __tablename__ = "task_results"
    __table_args__: ClassVar[Any] = (
        one_of("state", RunState),
        one_of("cause", RunCause),
        one_of("body_encoding", BodyEncoding),
        CheckConstraint(
            f"(finished_at IS NULL) = (state IN ({', '.join(repr(str(state)) for state in UNFINISHED)}))",
            name="finished_when_final",
        ),
        CheckConstraint("state <> 'retrying' OR next_attempt_at IS NOT NULL", name="retrying_has_next_attempt"),
        CheckConstraint(
            "next_attempt_at IS NULL OR state IN ('queued', 'retrying')", name="next_attempt_only_when_waiting"
        ),
        CheckConstraint("(worker_id IS NOT NULL) = (state = 'running')", name="running_has_worker"),
        {"postgresql_partition_by": "LIST (state)"},
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    task_id: UUID
    task_version: int = Field(default=1, sa_column_kwargs=default(1))
    host: str = Field(
        default="", sa_type=Text, sa_column_kwargs=default(""), description="the task's host when the run was created"
    )
    flow_key: str = Field(
        default="", sa_type=Text, sa_column_kwargs=default(""), description="the task's flow key at the same time"
    )
    cause: RunCause = Field(default=RunCause.SCHEDULE, sa_type=stored(RunCause), sa_column_kwargs=default("schedule"))
    state: RunState = Field(sa_type=stored(RunState))
    scheduled_for: datetime = Field(sa_type=INSTANT)
    due_at: datetime = Field(sa_type=INSTANT)
    missed_count: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs=default(0))
    missed_since: datetime | None = Field(default=None, sa_type=INSTANT)

    worker_id: UUID | None = Field(default=None, description="the worker of the current attempt; null unless running")
    retry_of: UUID | None = Field(default=None, description="the finished run that this one retries")
    input_body: Any = Field(
        default=None,
        sa_type=JSON(none_as_null=True),
        nullable=True,
        description="what this run sends in place of its task's body: an object with json, text, base64 or form",
    )
    input_headers: list[list[str]] | None = Field(
        default=None,
        sa_type=JSON(none_as_null=True),
        nullable=True,
        description="the headers of this run alone, as pairs of name and value",
    )
    epoch: int = Field(
        default=0,
        sa_column_kwargs=default(0),
        description="incremented by each claim, loss and cancellation; fences late results",
    )
    attempt: int = Field(default=0, sa_column_kwargs=default(0), description="the number of the last attempt started")
    attempt_started_at: datetime | None = Field(default=None, sa_type=INSTANT)
    next_attempt_at: datetime | None = Field(
        default=None,
        sa_type=INSTANT,
        description="when to claim it; of a run that waits for a flow limit, its place in the order",
    )
    flow_limit_id: UUID | None = Field(
        default=None, description="the flow limit that it waits for, which may no longer exist"
    )
    attempts: list[dict[str, Any]] = Field(
        default_factory=list,
        sa_type=JSONB,
        sa_column_kwargs={"server_default": text("'[]'")},
        description="ended attempts, oldest first",
    )

    run_at: datetime | None = Field(default=None, sa_type=INSTANT, description="when the first attempt started")
    finished_at: datetime | None = Field(default=None, sa_type=INSTANT)
    status_code: int | None = None
    success: bool | None = None
    response_headers: Any = Field(default=None, sa_type=JSONB(none_as_null=True), nullable=True)
    response_body: str | None = Field(default=None, sa_type=Text)
    body_encoding: BodyEncoding = Field(
        default=BodyEncoding.UTF8, sa_type=stored(BodyEncoding), sa_column_kwargs=default("utf8")
    )
    body_truncated: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    error_message: str | None = Field(default=None, sa_type=Text)
    duration_ms: int | None = Field(default=None, sa_type=BigInteger, description="of the last attempt")
    created_at: datetime = Field(default_factory=utc_now, sa_type=INSTANT, sa_column_kwargs=NOW)


RUNS = metadata.tables["task_results"]

UNFINISHED_RUNS = RUNS.to_metadata(metadata, name="unfinished_runs")
"""The runs that are queued, running or retrying: small, whatever the history. Only here do runs wait, run, and change.
"""
UNFINISHED_RUNS.append_constraint(ForeignKeyConstraint(["task_id"], ["tasks.id"], ondelete="CASCADE"))
Index("unfinished_runs_task_id", UNFINISHED_RUNS.c.task_id)
Index(
    "unfinished_runs_queued",
    UNFINISHED_RUNS.c.task_id,
    postgresql_where=text("state = 'queued' AND next_attempt_at IS NULL"),
)
Index(
    "unfinished_runs_next_attempt_at",
    UNFINISHED_RUNS.c.next_attempt_at,
    postgresql_where=text("next_attempt_at IS NOT NULL AND flow_limit_id IS NULL"),
)
Index(
    "unfinished_runs_flow_limit_id",
    *(UNFINISHED_RUNS.c[name] for name in ("flow_limit_id", "next_attempt_at", "id")),
    postgresql_where=text("flow_limit_id IS NOT NULL AND next_attempt_at IS NOT NULL"),
)
Index("unfinished_runs_worker_id", UNFINISHED_RUNS.c.worker_id, postgresql_where=text("worker_id IS NOT NULL"))

FINISHED_RUNS = RUNS.to_metadata(metadata, name="finished_runs")
"""The history, partitioned by id, which for every run that Duetime creates starts with the instant's milliseconds.

Rows are only added, so a day can be dropped as a whole. A trigger removes the rows of a task that is removed.
"""
DEFAULT_PARTITION = "task_results_default"
"""The part of the history for imported runs, which have random ids, and for runs of days without a partition."""
Index("finished_runs_task_id_scheduled_for", *(FINISHED_RUNS.c[name] for name in ("task_id", "scheduled_for", "id")))
Index("finished_runs_scheduled_for", FINISHED_RUNS.c.scheduled_for, FINISHED_RUNS.c.id)
Index(
    "finished_runs_run_at",
    FINISHED_RUNS.c.run_at,
    FINISHED_RUNS.c.id,
    postgresql_where=text("finished_at IS NOT NULL AND run_at IS NOT NULL"),
)
# Users look for unsuccessful runs among millions of successful ones.
Index(
    "finished_runs_unsuccessful",
    *(FINISHED_RUNS.c[name] for name in ("state", "scheduled_for", "id")),
    postgresql_where=text(f"state IN ({', '.join(repr(str(state)) for state in UNSUCCESSFUL)})"),
)


class TaskWords(SQLModel, table=True):
    """The searchable values of a task: its name and URL in lower case, and its tags. Triggers on tasks maintain it.

    A claim changes the indexed instants of a task and so inserts into every index of `tasks`; it leaves alone these,
    which are expensive. Where the server has pg_trgm, name and url also have indexes of trigrams.
    """

    __tablename__ = "task_words"
    __table_args__ = (Index("task_words_tags", "tags", postgresql_using="gin", postgresql_where=text("tags <> '{}'")),)

    task_id: UUID = Field(sa_column_args=[ForeignKey("tasks.id", ondelete="CASCADE")], primary_key=True)
    name: str = Field(sa_type=Text)
    url: str = Field(sa_type=Text)
    tags: list[str] = Field(sa_type=ARRAY(Text))


class RunSummary(SQLModel, table=True):
    """The newest ended run of a task, which stays here when its day of the history goes as a whole.

    Triggers on the runs maintain it, for any writer. A run that ends like the one before changes no index.
    """

    __tablename__ = "run_summaries"
    __table_args__ = (Index("run_summaries_state", "state", "task_id"),)

    task_id: UUID = Field(primary_key=True)
    scheduled_for: datetime = Field(sa_type=INSTANT, description="of the ended run with the newest instant")
    run_id: UUID
    state: RunState = Field(sa_type=stored(RunState))


class ResultCount(SQLModel, table=True):
    """A part of the number of all ended runs with an attempt, which is the sum of these rows.

    The same triggers add a row for each statement, so no two statements wait for each other; maintenance adds them up.
    """

    __tablename__ = "result_counts"

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInteger, sa_column_args=[Identity()])
    results: int = Field(sa_type=BigInteger)
    succeeded: int = Field(sa_type=BigInteger)
    unsuccessful: int = Field(sa_type=BigInteger)


class TaskVersion(SQLModel, table=True):
    """The request of a task up to a version, kept when it is changed, for the runs that were claimed before.

    A run of version n uses the row with the smallest version that is at least n; without such a row, the task itself.
    """

    __tablename__ = "task_versions"
    __table_args__ = (one_of("on_lost", LostPolicy),)

    task_id: UUID = Field(sa_column_args=[ForeignKey("tasks.id", ondelete="CASCADE")], primary_key=True)
    version: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    method: str = Field(sa_type=String(10))
    url: str = Field(sa_type=Text)
    host: str = Field(sa_type=Text)
    headers: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))
    header_order: list[str] | None = Field(
        default=None,
        sa_type=ARRAY(Text),
        nullable=True,
        description="the headers' names in their given order, which jsonb does not keep",
    )
    payload: Any = Field(default=None, sa_type=TextOfJson(none_as_null=True), nullable=True)
    body: Any = Field(default=None, sa_type=ExactJson(none_as_null=True), nullable=True)
    success_statuses: list[str] | None = Field(default=None, sa_type=ARRAY(Text), nullable=True)
    signing_secrets: list[str] | None = Field(default=None, sa_type=ARRAY(Text), nullable=True)
    timeout_ms: int = Field(sa_type=BigInteger)
    redirects: int
    max_attempts: int
    initial_delay_ms: int = Field(sa_type=BigInteger)
    backoff_factor: float
    max_delay_ms: int = Field(sa_type=BigInteger)
    retry_statuses: list[str] | None = Field(default=None, sa_type=ARRAY(Text), nullable=True)
    max_elapsed_ms: int | None = Field(default=None, sa_type=BigInteger)
    on_lost: LostPolicy = Field(sa_type=stored(LostPolicy))


DEFINED = (
    "name", "description", "user_metadata", "trigger_type", "trigger_time", "cron_expr", "timezone", "every_ms",
    "start_at", "end_at", "jitter_ms", "method", "url", "host", "headers", "header_order", "payload", "body",
    "success_statuses", "signing_secrets", "timeout_ms", "redirects", "max_attempts", "initial_delay_ms",
    "backoff_factor", "max_delay_ms", "retry_statuses", "max_elapsed_ms", "overlap", "misfire", "on_lost", "tags",
    "delete_after_ms", "pause_after_failures", "retention_days", "flow_key",
)  # fmt: skip
"""The columns of a task that make its definition. Its external id is a name, and not part of that."""
TASK_DEFINITIONS = Table(
    "task_definitions",
    metadata,
    Column("task_id", Uuid, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("at", INSTANT, nullable=False),
    Column("actor", Text),
    *(
        Column(each.name, each.type, nullable=each.nullable)
        for each in (metadata.tables["tasks"].c[n] for n in DEFINED)
    ),
)
"""The definitions that a task has had, each under the version that began it, with when and by whom. A task that was
never changed has none here.
"""


class IdempotencyKey(SQLModel, table=True):
    """What a request with an idempotency key has created, so that repeating the request creates nothing more."""

    __tablename__ = "idempotency_keys"

    scope: str = Field(primary_key=True, sa_type=Text, description="the mutation, and the id of its object")
    key: str = Field(primary_key=True, sa_type=Text)
    task_id: UUID = Field(sa_column_args=[ForeignKey("tasks.id", ondelete="CASCADE")], nullable=False, index=True)
    run_id: UUID | None = None
    fingerprint: str = Field(sa_type=Text, description="keyed digest of the input, which a repeated request must match")
    created_at: datetime = Field(default_factory=utc_now, sa_type=INSTANT, sa_column_kwargs=NOW)


class ZoneRules(SQLModel, table=True):
    """The only row: the version of the time zone rules by which next instants were computed."""

    __tablename__ = "zone_rules"
    __table_args__ = (CheckConstraint("one", name="only_one"),)

    one: bool = Field(default=True, primary_key=True, sa_column_kwargs={"server_default": text("true")})
    version: str = Field(sa_type=Text, description="as in tzdata's IANA_VERSION")


class RunEvent(SQLModel, table=True):
    """One transition of a run, written in the transition's own transaction. `seq` follows the order of commits."""

    __tablename__ = "run_events"
    __table_args__ = (one_of("type", RunEventType), one_of("state", RunState))

    seq: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    at: datetime = Field(sa_type=INSTANT)
    type: RunEventType = Field(sa_type=stored(RunEventType))
    task_id: UUID
    run_id: UUID
    state: RunState = Field(sa_type=stored(RunState))
    attempt: int
    status_code: int | None = None
    error_message: str | None = Field(default=None, sa_type=Text)
    duration_ms: int | None = Field(default=None, sa_type=BigInteger)


class RunEventCounter(SQLModel, table=True):
    """The only row: the number of the newest event. Its lock is held until the commit, so numbers follow commits."""

    __tablename__ = "run_event_counter"
    __table_args__ = (CheckConstraint("one", name="only_one"),)

    one: bool = Field(default=True, primary_key=True, sa_column_kwargs={"server_default": text("true")})
    seq: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs=default(0))


class RunRollup(SQLModel, table=True):
    """Counts of the runs that ended in one minute on one worker. Metrics come from these, and they outlive the runs."""

    __tablename__ = "run_rollups"

    minute: datetime = Field(primary_key=True, sa_type=INSTANT)
    worker_id: UUID = Field(primary_key=True)
    succeeded: int = Field(sa_type=BigInteger)
    failed: int = Field(sa_type=BigInteger)
    timed: int = Field(sa_type=BigInteger, description="the number of runs with a duration")
    duration_ms: int = Field(sa_type=BigInteger, description="the sum of their durations")
    lateness_us: int = Field(sa_type=BigInteger, description="the sum of the times from due_at to run_at")
    lateness: list[int] = Field(
        sa_type=ARRAY(BigInteger), description="the number of runs in each log-spaced bucket of lateness"
    )
    per_second: list[int] = Field(sa_type=ARRAY(Integer), description="the number of runs in each second of the minute")


class RunStatistic(SQLModel, table=True):
    """Counts of the runs of a task that ended in a minute, an hour or a day, and outlive them. Each run is in one row.

    `numbers` has a count for each of `places`, which `db.engine.statistics` defines. Maintenance adds up minutes to
    hours, and hours to days.
    """

    __tablename__ = "run_statistics"
    __table_args__ = (one_of("width", StatisticsWidth), Index("run_statistics_width_start", "width", "start"))

    task_id: UUID = Field(primary_key=True, description="zero for all tasks together")
    start: datetime = Field(primary_key=True, sa_type=INSTANT)
    width: StatisticsWidth = Field(primary_key=True, sa_type=stored(StatisticsWidth))
    places: list[int] = Field(sa_type=ARRAY(SmallInteger))
    numbers: list[int] = Field(sa_type=ARRAY(BigInteger))


class StatisticsCursor(SQLModel, table=True):
    """The only row: the last run event that the statistics contain. Its lock lets one worker count at a time."""

    __tablename__ = "statistics_cursor"
    __table_args__ = (CheckConstraint("one", name="only_one"),)

    one: bool = Field(default=True, primary_key=True, sa_column_kwargs={"server_default": text("true")})
    seq: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs=default(0))


class TaskTrouble(SQLModel, table=True):
    """A problem of a task, shown by its newest runs, up to the cursor of the statistics. A good run removes it."""

    __tablename__ = "task_troubles"
    __table_args__ = (one_of("kind", TroubleKind), Index("task_troubles_kind_since", "kind", "since", "task_id"))

    task_id: UUID = Field(primary_key=True)
    kind: TroubleKind = Field(primary_key=True, sa_type=stored(TroubleKind))
    since: datetime = Field(sa_type=INSTANT, description="when the first of these runs ended")
    runs: int = Field(description="the number of such runs, one after another")
    run_id: UUID = Field(description="the newest of them")


class LoadForecast(SQLModel, table=True):
    """The number of calls that are due at a host in an hour to come. Maintenance computes it again after changes."""

    __tablename__ = "load_forecast"

    start: datetime = Field(primary_key=True, sa_type=INSTANT)
    host: str = Field(primary_key=True, sa_type=Text)
    calls: int = Field(sa_type=BigInteger)


class LoadForecastState(SQLModel, table=True):
    """The only row: what the forecast was computed from, and when. A worker that computes it holds a claim."""

    __tablename__ = "load_forecast_state"
    __table_args__ = (CheckConstraint("one", name="only_one"),)

    one: bool = Field(default=True, primary_key=True, sa_column_kwargs={"server_default": text("true")})
    computed_at: datetime | None = Field(default=None, sa_type=INSTANT)
    tasks: str | None = Field(default=None, sa_type=Text, description="a fingerprint of all schedules")
    claimed_until: datetime = Field(sa_type=INSTANT, sa_column_kwargs={"server_default": text("'-infinity'")})


class LastSweep(SQLModel, table=True):
    """The only row: when the last sweep of any worker ended."""

    __tablename__ = "last_sweep"
    __table_args__ = (CheckConstraint("one", name="only_one"),)

    one: bool = Field(default=True, primary_key=True, sa_column_kwargs={"server_default": text("true")})
    at: datetime | None = Field(default=None, sa_type=INSTANT, description="by the database's clock")


class Worker(SQLModel, table=True):
    """A worker process and its lease: one row renewed every second, judged by the database's clock alone."""

    __tablename__ = "workers"

    id: UUID = Field(primary_key=True)
    host: str = Field(sa_type=Text)
    pid: int
    slots: int
    version: str | None = Field(default=None, sa_type=Text, description="of Duetime; null before this was noted")
    started_at: datetime = Field(sa_type=INSTANT, sa_column_kwargs={"server_default": text("clock_timestamp()")})
    renewed_at: datetime = Field(sa_type=INSTANT, sa_column_kwargs={"server_default": text("clock_timestamp()")})


class FlowLimit(SQLModel, table=True):
    """How many calls to a host, or of a flow key, run at the same time, and how many start per second."""

    __tablename__ = "flow_limits"
    __table_args__ = (
        CheckConstraint("num_nonnulls(host, flow_key) = 1", name="one_key"),
        CheckConstraint("num_nonnulls(max_concurrent, rate_per_second) > 0", name="limits_something"),
        CheckConstraint("max_concurrent > 0 AND rate_per_second > 0 AND burst > 0", name="limits_positive"),
        CheckConstraint("(burst IS NULL) = (rate_per_second IS NULL)", name="burst_of_rate"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    host: str | None = Field(
        default=None, sa_type=Text, unique=True, description="with *. in front for all names below; may have a port"
    )
    flow_key: str | None = Field(default=None, sa_type=Text, unique=True)
    max_concurrent: int | None = None
    rate_per_second: float | None = None
    burst: int | None = None
    free_at: datetime | None = Field(
        default=None,
        sa_type=INSTANT,
        description="when the calls that have started use up nothing of the rate any more (GCRA's TAT)",
    )
    version: int = Field(default=1, sa_column_kwargs=default(1))
    created_at: datetime = Field(default_factory=utc_now, sa_type=INSTANT, sa_column_kwargs=NOW)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=INSTANT, sa_column_kwargs=NOW)


class HostPause(SQLModel, table=True):
    """A host that has asked with Retry-After not to be called until an instant."""

    __tablename__ = "host_pauses"

    host: str = Field(sa_type=Text, primary_key=True, description="host:port, as in tasks")
    began_at: datetime = Field(sa_type=INSTANT)
    until: datetime = Field(sa_type=INSTANT)
    status_code: int


class ProcessReport(SQLModel, table=True):
    """The metrics of one process, as it reported them last. The table is unlogged: a crash of the server empties it."""

    __tablename__ = "process_reports"
    __table_args__: ClassVar[Any] = ({"prefixes": ["UNLOGGED"]},)

    process: str = Field(primary_key=True, sa_type=Text)
    reported_at: datetime = Field(sa_type=INSTANT, sa_column_kwargs={"server_default": text("clock_timestamp()")})
    metrics: str = Field(sa_type=Text, description="JSON, as jobs/process_metrics.py writes it")


class TraceContext(SQLModel, table=True):
    """The trace of the request that created a task, or asked for a run. There are rows only where tracing is on."""

    __tablename__ = "trace_contexts"
    __table_args__ = (Index("trace_contexts_created_at", "created_at"),)

    id: UUID = Field(primary_key=True, description="of the task or the run")
    traceparent: str = Field(sa_type=Text, description="as in W3C Trace Context")
    created_at: datetime = Field(sa_type=INSTANT, sa_column_kwargs=NOW)


class NotificationChannel(SQLModel, table=True):
    """Where notifications go: a webhook with signing secrets, or a URL of the library apprise. Secrets are sealed."""

    __tablename__ = "notification_channels"
    __table_args__ = (
        one_of("kind", ChannelKind),
        CheckConstraint("(url IS NOT NULL) = (kind = 'webhook')", name="webhook_has_url"),
        CheckConstraint("(sealed_url IS NOT NULL) = (kind = 'apprise')", name="apprise_has_sealed_url"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str = Field(sa_type=Text, unique=True)
    kind: ChannelKind = Field(sa_type=stored(ChannelKind))
    url: str | None = Field(default=None, sa_type=Text)
    signing_secrets: list[str] | None = Field(default=None, sa_type=ARRAY(Text), nullable=True, description="encrypted")
    sealed_url: str | None = Field(default=None, sa_type=Text)
    version: int = Field(default=1, sa_column_kwargs=default(1))
    created_at: datetime = Field(default_factory=utc_now, sa_type=INSTANT, sa_column_kwargs=NOW)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=INSTANT, sa_column_kwargs=NOW)


class NotificationRule(SQLModel, table=True):
    """Which events of which tasks go to which channels. Empty `task_ids` and `tags` select all tasks."""

    __tablename__ = "notification_rules"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str = Field(sa_type=Text, unique=True)
    channel_ids: list[UUID] = Field(sa_type=ARRAY(Uuid))
    events: list[str] = Field(sa_type=ARRAY(Text))
    task_ids: list[UUID] = Field(default_factory=list, sa_type=ARRAY(Uuid))
    tags: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), description="a task has to have all of them")
    after_failures: int
    late_ms: int | None = Field(default=None, sa_type=BigInteger)
    tolerance_ms: int = Field(sa_type=BigInteger, description="for ABSENT and NO_WORKERS")
    remind_every_ms: int | None = Field(default=None, sa_type=BigInteger)
    gather_ms: int = Field(sa_type=BigInteger, description="how long a message waits for further ones to join it")
    after_seq: int = Field(sa_type=BigInteger, description="the rule is about run events with higher numbers")
    version: int = Field(default=1, sa_column_kwargs=default(1))
    created_at: datetime = Field(default_factory=utc_now, sa_type=INSTANT, sa_column_kwargs=NOW)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=INSTANT, sa_column_kwargs=NOW)


class NotificationCursor(SQLModel, table=True):
    """The only row: the last run event that was judged by all rules. Its lock lets one process judge at a time."""

    __tablename__ = "notification_cursor"
    __table_args__ = (CheckConstraint("one", name="only_one"),)

    one: bool = Field(default=True, primary_key=True, sa_column_kwargs={"server_default": text("true")})
    seq: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs=default(0))


class NotificationAlert(SQLModel, table=True):
    """A problem of a task by a rule, stored so that it is sent only once until it is over."""

    __tablename__ = "notification_alerts"
    __table_args__ = (
        one_of("event", NotificationEvent),
        Index("notification_alerts_task_id", "task_id"),
    )

    rule_id: UUID = Field(sa_column_args=[ForeignKey("notification_rules.id", ondelete="CASCADE")], primary_key=True)
    task_id: UUID = Field(primary_key=True, description="zero for what concerns no task")
    event: NotificationEvent = Field(sa_type=stored(NotificationEvent), primary_key=True)
    failures: int = Field(default=0, sa_column_kwargs=default(0), description="runs that failed one after another")
    instant: datetime | None = Field(default=None, sa_type=INSTANT, description="the instant that is absent")
    opened_at: datetime = Field(sa_type=INSTANT)
    told_at: datetime | None = Field(default=None, sa_type=INSTANT)
    reminded_at: datetime | None = Field(default=None, sa_type=INSTANT)


class Notification(SQLModel, table=True):
    """One message. Until `closed_at` it collects the occurrences of an event for its rule; then its content is
    final."""

    __tablename__ = "notifications"
    __table_args__ = (
        one_of("event", NotificationEvent),
        Index(
            "notifications_gathering",
            "rule_id",
            "event",
            "reminder",
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("notifications_created_at", "created_at"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    rule_id: UUID | None = Field(
        default=None, sa_column_args=[ForeignKey("notification_rules.id", ondelete="SET NULL")], nullable=True
    )
    rule_name: str | None = Field(default=None, sa_type=Text)
    event: NotificationEvent = Field(sa_type=stored(NotificationEvent))
    reminder: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    count: int
    hosts: dict[str, Any] = Field(sa_type=JSONB, description="the number of tasks by the host that they call")
    items: list[dict[str, Any]] = Field(sa_type=JSONB, description="the first of them")
    content: dict[str, Any] | None = Field(
        default=None, sa_type=JSONB(none_as_null=True), nullable=True, description="the message, once it is closed"
    )
    created_at: datetime = Field(sa_type=INSTANT)
    send_at: datetime = Field(sa_type=INSTANT)
    closed_at: datetime | None = Field(default=None, sa_type=INSTANT)


class NotificationDelivery(SQLModel, table=True):
    """One notification for one channel. A process that attempts it holds it until `leased_until`."""

    __tablename__ = "notification_deliveries"
    __table_args__ = (
        one_of("state", DeliveryState),
        Index("notification_deliveries_pending", "next_attempt_at", postgresql_where=text("state = 'pending'")),
        Index("notification_deliveries_created_at_id", "created_at", "id"),
        Index("notification_deliveries_notification_id", "notification_id"),
        Index("notification_deliveries_channel_id", "channel_id"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    notification_id: UUID = Field(sa_column_args=[ForeignKey("notifications.id", ondelete="CASCADE")], nullable=False)
    channel_id: UUID = Field(
        sa_column_args=[ForeignKey("notification_channels.id", ondelete="CASCADE")], nullable=False
    )
    state: DeliveryState = Field(sa_type=stored(DeliveryState))
    attempts: int = Field(default=0, sa_column_kwargs=default(0))
    next_attempt_at: datetime | None = Field(default=None, sa_type=INSTANT)
    leased_until: datetime | None = Field(default=None, sa_type=INSTANT)
    status_code: int | None = None
    error_message: str | None = Field(default=None, sa_type=Text)
    created_at: datetime = Field(sa_type=INSTANT)
    finished_at: datetime | None = Field(default=None, sa_type=INSTANT)


class ApiKey(SQLModel, table=True):
    """An API key with its scope. The key itself is not stored, only its hash."""

    __tablename__ = "api_keys"
    __table_args__ = (one_of("scope", KeyScope),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str = Field(sa_type=Text)
    scope: KeyScope = Field(sa_type=stored(KeyScope))
    token_sha256: bytes = Field(sa_type=LargeBinary, unique=True)
    created_at: datetime = Field(default_factory=utc_now, sa_type=INSTANT, sa_column_kwargs=NOW)
    expires_at: datetime | None = Field(default=None, sa_type=INSTANT)
    revoked_at: datetime | None = Field(default=None, sa_type=INSTANT)
    last_used_at: datetime | None = Field(default=None, sa_type=INSTANT, description="with a resolution of a minute")


class BulkOperation(SQLModel, table=True):
    """One action on each of many tasks or runs. A worker moves it on in the transaction of each chunk's changes."""

    __tablename__ = "bulk_operations"
    __table_args__ = (
        one_of("action", BulkAction),
        one_of("state", BulkState),
        Index("bulk_operations_running", "created_at", postgresql_where=text("state = 'running'")),
        Index("bulk_operations_created_at", "created_at", "id"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    action: BulkAction = Field(sa_type=stored(BulkAction))
    state: BulkState = Field(default=BulkState.RUNNING, sa_type=stored(BulkState))
    total: int
    done: int = Field(default=0, sa_column_kwargs=default(0))
    succeeded: int = Field(default=0, sa_column_kwargs=default(0))
    refused: int = Field(default=0, sa_column_kwargs=default(0))
    problems: Any = Field(
        default_factory=list,
        sa_type=ExactJson(),
        nullable=False,
        description="the first refusals, as pairs of id and message",
    )
    key_id: UUID | None = Field(default=None, description="as in the audit log")
    key_name: str = Field(sa_type=Text)
    created_at: datetime = Field(default_factory=utc_now, sa_type=INSTANT, sa_column_kwargs=NOW)
    finished_at: datetime | None = Field(default=None, sa_type=INSTANT)


BULK_CHUNKS = Table(
    "bulk_chunks",
    metadata,
    Column("operation_id", Uuid, ForeignKey("bulk_operations.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("ids", ARRAY(Uuid), nullable=False),
)
"""The remaining ids of each operation: the tasks or runs that its filter selected at the start, a few hundred in each
row."""


class AuditEntry(SQLModel, table=True):
    """Who changed what, written in the transaction of the change. The database refuses to change or remove an entry."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("audit_log_at", "at", "id"),
        Index("audit_log_task_id_at", "task_id", "at", "id"),
        CheckConstraint("octet_length(action) <= 40", name="action_short"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInteger)
    at: datetime = Field(default_factory=utc_now, sa_type=INSTANT, sa_column_kwargs=NOW)
    key_id: UUID | None = Field(default=None, description="null with authentication off, and on the command line")
    key_name: str = Field(sa_type=Text)
    action: str = Field(sa_type=Text, description="the mutation, such as updateTask")
    task_id: UUID | None = None
    run_id: UUID | None = None
    before: Any = Field(default=None, sa_type=TextOfJson(none_as_null=True), nullable=True)
    after: Any = Field(default=None, sa_type=TextOfJson(none_as_null=True), nullable=True)


# Otherwise the attributes of an object that no constructor has made would work only after something else is used.
configure_mappers()
