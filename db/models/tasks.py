"""Tasks, their versions and definitions, and operations on many of them."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from db.json_text import TextOfJson
from db.models.columns import INSTANT, NOW, Base, ExactJson, default, metadata, one_of, stored, utc_now
from db.states import (
    BulkAction,
    BulkState,
    LostPolicy,
    MisfirePolicy,
    OverlapPolicy,
    TaskStatus,
    TriggerType,
)

NOT_ASCII = r"[^\x01-\x7f]"
"""Matches a text that is not ASCII, as a regular expression of Postgres."""


class Task(Base, table=True):
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
        Index("tasks_next_run_id", "next_run", "id"),
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


class ListedTask(Base, table=True):
    """The values of a task by which lists sort and count, unless it is deleted. Triggers on tasks maintain it.

    A claim changes the indexed instants of a task and so inserts into every index of `tasks`. It leaves this table
    alone, and `TaskWords`.
    """

    __tablename__ = "listed_tasks"
    __table_args__ = (
        Index("listed_tasks_created_at_id", "created_at", "task_id"),
        Index("listed_tasks_name_id", "name", "task_id"),
        Index("listed_tasks_status_created_at_id", "status", "created_at", "task_id"),
    )

    task_id: UUID = Field(primary_key=True)
    created_at: datetime = Field(sa_type=INSTANT)
    name: str = Field(sa_type=String(255))
    status: TaskStatus = Field(sa_type=stored(TaskStatus))


class TaskWords(Base, table=True):
    """The searchable values of a task: its name and URL in lower case, and its tags. Triggers on tasks maintain it.

    Where the server has pg_trgm, name and url also have indexes of trigrams. Two letters are found by these in texts of
    ASCII; all other texts are in indexes of their own.
    """

    __tablename__ = "task_words"
    __table_args__ = (
        Index("task_words_tags", "tags", postgresql_using="gin", postgresql_where=text("tags <> '{}'")),
        *(
            Index(f"task_words_{column}_not_ascii", "task_id", postgresql_where=text(f"{column} ~ '{NOT_ASCII}'"))
            for column in ("name", "url")
        ),
    )

    task_id: UUID = Field(sa_column_args=[ForeignKey("tasks.id", ondelete="CASCADE")], primary_key=True)
    name: str = Field(sa_type=Text)
    url: str = Field(sa_type=Text)
    tags: list[str] = Field(sa_type=ARRAY(Text))


class TaskVersion(Base, table=True):
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


class IdempotencyKey(Base, table=True):
    """What a request with an idempotency key has created, so that repeating the request creates nothing more."""

    __tablename__ = "idempotency_keys"

    scope: str = Field(primary_key=True, sa_type=Text, description="the mutation, and the id of its object")
    key: str = Field(primary_key=True, sa_type=Text)
    task_id: UUID = Field(sa_column_args=[ForeignKey("tasks.id", ondelete="CASCADE")], nullable=False, index=True)
    run_id: UUID | None = None
    fingerprint: str = Field(sa_type=Text, description="keyed digest of the input, which a repeated request must match")
    created_at: datetime = Field(default_factory=utc_now, sa_type=INSTANT, sa_column_kwargs=NOW)


class ZoneRules(Base, table=True):
    """The only row: the version of the time zone rules by which next instants were computed."""

    __tablename__ = "zone_rules"
    __table_args__ = (CheckConstraint("one", name="only_one"),)

    one: bool = Field(default=True, primary_key=True, sa_column_kwargs={"server_default": text("true")})
    version: str = Field(sa_type=Text, description="as in tzdata's IANA_VERSION")


class BulkOperation(Base, table=True):
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
