"""Rollups of runs, what needs attention, and the forecast. Workers maintain all of these."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Index,
    Integer,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from db.models.columns import INSTANT, Base, default, one_of, stored
from db.states import (
    StatisticsWidth,
    TroubleKind,
)


class RunRollup(Base, table=True):
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


class RunStatistic(Base, table=True):
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


class StatisticsCursor(Base, table=True):
    """The only row: the last run event that the statistics contain. Its lock lets one worker count at a time."""

    __tablename__ = "statistics_cursor"
    __table_args__ = (CheckConstraint("one", name="only_one"),)

    one: bool = Field(default=True, primary_key=True, sa_column_kwargs={"server_default": text("true")})
    seq: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs=default(0))


class TaskTrouble(Base, table=True):
    """A problem of a task, shown by its newest runs, up to the cursor of the statistics. A good run removes it."""

    __tablename__ = "task_troubles"
    __table_args__ = (one_of("kind", TroubleKind), Index("task_troubles_kind_since", "kind", "since", "task_id"))

    task_id: UUID = Field(primary_key=True)
    kind: TroubleKind = Field(primary_key=True, sa_type=stored(TroubleKind))
    since: datetime = Field(sa_type=INSTANT, description="when the first of these runs ended")
    runs: int = Field(description="the number of such runs, one after another")
    run_id: UUID = Field(description="the newest of them")


class LoadForecast(Base, table=True):
    """The number of calls that are due at a host in an hour to come. Maintenance computes it again after changes."""

    __tablename__ = "load_forecast"

    start: datetime = Field(primary_key=True, sa_type=INSTANT)
    host: str = Field(primary_key=True, sa_type=Text)
    calls: int = Field(sa_type=BigInteger)


class LoadForecastState(Base, table=True):
    """The only row: what the forecast was computed from, and when. A worker that computes it holds a claim."""

    __tablename__ = "load_forecast_state"
    __table_args__ = (CheckConstraint("one", name="only_one"),)

    one: bool = Field(default=True, primary_key=True, sa_column_kwargs={"server_default": text("true")})
    computed_at: datetime | None = Field(default=None, sa_type=INSTANT)
    tasks: str | None = Field(default=None, sa_type=Text, description="a fingerprint of all schedules")
    claimed_until: datetime = Field(sa_type=INSTANT, sa_column_kwargs={"server_default": text("'-infinity'")})
