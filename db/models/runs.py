"""Runs, unfinished and finished, and their events."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from db.models.columns import INSTANT, NOW, Base, default, metadata, one_of, stored, utc_now
from db.states import (
    UNFINISHED,
    UNSUCCESSFUL,
    BodyEncoding,
    RunCause,
    RunEventType,
    RunState,
)


class Run(Base, table=True):
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


class RunSummary(Base, table=True):
    """The newest ended run of a task, which stays here when its day of the history goes as a whole.

    Triggers on the runs maintain it, for any writer. A run that ends like the one before changes no index.
    """

    __tablename__ = "run_summaries"
    __table_args__ = (Index("run_summaries_state", "state", "task_id"),)

    task_id: UUID = Field(primary_key=True)
    scheduled_for: datetime = Field(sa_type=INSTANT, description="of the ended run with the newest instant")
    run_id: UUID
    state: RunState = Field(sa_type=stored(RunState))


class ResultCount(Base, table=True):
    """A part of the number of all ended runs with an attempt, which is the sum of these rows.

    The same triggers add a row for each statement, so no two statements wait for each other; maintenance adds them up.
    """

    __tablename__ = "result_counts"

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInteger, sa_column_args=[Identity()])
    results: int = Field(sa_type=BigInteger)
    succeeded: int = Field(sa_type=BigInteger)
    unsuccessful: int = Field(sa_type=BigInteger)


class RunEvent(Base, table=True):
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


class RunEventCounter(Base, table=True):
    """The only row: the number of the newest event. Its lock is held until the commit, so numbers follow commits."""

    __tablename__ = "run_event_counter"
    __table_args__ = (CheckConstraint("one", name="only_one"),)

    one: bool = Field(default=True, primary_key=True, sa_column_kwargs={"server_default": text("true")})
    seq: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs=default(0))


class TraceContext(Base, table=True):
    """The trace of the request that created a task, or asked for a run. There are rows only where tracing is on."""

    __tablename__ = "trace_contexts"
    __table_args__ = (Index("trace_contexts_created_at", "created_at"),)

    id: UUID = Field(primary_key=True, description="of the task or the run")
    traceparent: str = Field(sa_type=Text, description="as in W3C Trace Context")
    created_at: datetime = Field(sa_type=INSTANT, sa_column_kwargs=NOW)
