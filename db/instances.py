"""Objects of the tables' classes that belong to no session: new ones, and those of a list.

They are what a session would have read and expunged. SQLAlchemy's own ways note every column of an object as a change,
or keep track of every object that was read; both took half of the time of their requests.
"""

from collections.abc import Collection
from typing import Any, TypeVar

from sqlalchemy import inspect
from sqlmodel import SQLModel

Model = TypeVar("Model", bound=SQLModel)


def instance(kind: type[Model], columns: dict[str, Any], *, absent: Collection[str] = ()) -> Model:
    """Return an object with these columns. Reading an `absent` one raises DetachedInstanceError."""
    found: Model = inspect(kind).class_manager.new_instance()
    vars(found).update(columns)
    if absent:
        inspect(found).expired_attributes.update(absent)
    return found
