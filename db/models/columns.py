"""What the tables share: the present, kinds of columns, and their defaults."""

import json
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    DateTime,
    Enum,
    text,
)
from sqlmodel import SQLModel

from db import present


class Base(SQLModel):
    """What all models are. Pydantic's validation and serialisation of a model are built when they are first used, which
    a process rarely does with more than a few of them.
    """

    model_config = {"defer_build": True}


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
