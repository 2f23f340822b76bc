"""What workers and API processes report of themselves."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Text,
    text,
)
from sqlmodel import Field

from db.models.columns import INSTANT, Base


class LastSweep(Base, table=True):
    """The only row: when the last sweep of any worker ended."""

    __tablename__ = "last_sweep"
    __table_args__ = (CheckConstraint("one", name="only_one"),)

    one: bool = Field(default=True, primary_key=True, sa_column_kwargs={"server_default": text("true")})
    at: datetime | None = Field(default=None, sa_type=INSTANT, description="by the database's clock")


class Worker(Base, table=True):
    """A worker process and its lease: one row renewed every second, judged by the database's clock alone."""

    __tablename__ = "workers"

    id: UUID = Field(primary_key=True)
    host: str = Field(sa_type=Text)
    pid: int
    slots: int
    version: str | None = Field(default=None, sa_type=Text, description="of Duetime; null before this was noted")
    started_at: datetime = Field(sa_type=INSTANT, sa_column_kwargs={"server_default": text("clock_timestamp()")})
    renewed_at: datetime = Field(sa_type=INSTANT, sa_column_kwargs={"server_default": text("clock_timestamp()")})


class ProcessReport(Base, table=True):
    """The metrics of one process, as it reported them last. The table is unlogged: a crash of the server empties it."""

    __tablename__ = "process_reports"
    __table_args__: ClassVar[Any] = ({"prefixes": ["UNLOGGED"]},)

    process: str = Field(primary_key=True, sa_type=Text)
    reported_at: datetime = Field(sa_type=INSTANT, sa_column_kwargs={"server_default": text("clock_timestamp()")})
    metrics: str = Field(sa_type=Text, description="JSON, as jobs/process_metrics.py writes it")
