"""API keys, and the audit log."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Index,
    LargeBinary,
    Text,
)
from sqlmodel import Field

from db.json_text import TextOfJson
from db.models.columns import INSTANT, NOW, Base, one_of, stored, utc_now
from db.states import (
    KeyScope,
)


class ApiKey(Base, table=True):
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


class AuditEntry(Base, table=True):
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
