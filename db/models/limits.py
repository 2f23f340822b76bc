"""Flow limits, and pauses of hosts."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import (
    CheckConstraint,
    Text,
)
from sqlmodel import Field

from db.models.columns import INSTANT, NOW, Base, default, utc_now


class FlowLimit(Base, table=True):
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


class HostPause(Base, table=True):
    """A host that has asked with Retry-After not to be called until an instant."""

    __tablename__ = "host_pauses"

    host: str = Field(sa_type=Text, primary_key=True, description="host:port, as in tasks")
    began_at: datetime = Field(sa_type=INSTANT)
    until: datetime = Field(sa_type=INSTANT)
    status_code: int
