"""Pages by keyset: a page starts at a row's key, so its cost does not grow with its distance from the start.

A key is a row's sort value and its id, which makes it unique. In an order whose values can be null, nulls come last.
SQL compares nothing with null, so such an order is read in two zones, each of which can use an index.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Text, and_, collate, false, func, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import SQLColumnExpression
from sqlalchemy.sql.functions import FunctionElement

from db import prepared
from db.postgres_text import is_postgres_text

MAX_OFFSET = 2**63 - 1

COUNT_CAP = 10_000
"""Counting further would cost more than the number is worth: 330 ms for 10 million rows."""

Item = TypeVar("Item")
Key = tuple[Any, UUID | int]
Condition = ColumnElement[bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The rows to read from a list: the first (or, `backward`, the last) `limit` between two keys, both exclusive."""

    limit: int
    backward: bool = False
    after: Key | None = None
    before: Key | None = None

    def is_whole(self, *, more: bool) -> bool:
        """Return whether this is the whole list. `more` says whether rows follow in the direction of reading."""
        return not more and self.after is None and self.before is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The order of a list: by a value, then by id, both ascending or both descending."""

    value: SQLColumnExpression[Any]
    id: SQLColumnExpression[Any]
    descending: bool = False
    nulls_last: bool = False

    def sorting(self, *, backward: bool) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        """Return the ORDER BY, or its reverse."""
        if self.descending != backward:
            return self.value.desc(), self.id.desc()
        return self.value.asc(), self.id.asc()

    def beyond(self, key: Key | None, *, backward: bool, inclusive: bool = False) -> list[Condition]:
        """Return the conditions for rows that follow (or, `backward`, precede) the key, by zone; without a key, for all
        rows.
        """
        if not self.nulls_last:
            return [literal(value=True)] if key is None else [self._compared(key, backward, inclusive)]
        null, given = self.value.is_(None), self.value.is_not(None)
        zones: list[Condition] = [null, given] if backward else [given, null]
        if key is None:
            return zones
        if key[0] is not None:
            within = self._compared(key, backward, inclusive)
            return [within] if backward else [within, null]
        after = self.id > key[1] if not backward else self.id < key[1]
        within = and_(null, or_(after, self.id == key[1]) if inclusive else after)
        return [within, given] if backward else [within]

    def _compared(self, key: Key, backward: bool, inclusive: bool) -> Condition:  # noqa: FBT001
        mine = tuple_(self.value, self.id)
        if self.descending != backward:
            return mine <= key if inclusive else mine < key
        return mine >= key if inclusive else mine > key


def within(order: Order, page: Slice) -> list[Condition]:
    """Return the conditions of a slice, by zone, in the direction in which it is read."""
    start, end = (page.before, page.after) if page.backward else (page.after, page.before)
    zones = order.beyond(start, backward=page.backward)
    if end is None:
        return zones
    bound = or_(*order.beyond(end, backward=not page.backward))
    return [and_(zone, bound) for zone in zones]


def statements(statement: Select[Any], *, order: Order, page: Slice) -> Sequence[Select[Any]]:
    """Return the statements that read a slice to one row beyond it, by zone."""
    return [
        statement.where(zone).order_by(*order.sorting(backward=page.backward)).limit(page.limit + 1)
        for zone in within(order, page)
    ]


async def fetch(
    session: AsyncSession | AsyncConnection, statements: Sequence[Select[Any]], *, page: Slice
) -> tuple[list[Row[Any]], bool]:
    """Return the rows of a slice in the list's order, and whether there are more in the direction of reading."""
    rows: list[Row[Any]] = []
    for statement in statements:
        if isinstance(session, AsyncConnection):
            rows += await prepared.select(session, statement)
        else:
            rows += (await session.execute(statement)).all()
        if len(rows) > page.limit:
            break
    return trimmed(rows[: page.limit + 1], page=page)


def trimmed(rows: list[Item], *, page: Slice) -> tuple[list[Item], bool]:
    """Return rows that were read to one beyond the limit, in the list's order, and whether there was one beyond."""
    kept = rows[: page.limit]
    if page.backward:
        kept.reverse()
    return kept, len(rows) > page.limit


async def has_rows_beyond(
    session: AsyncSession, statement: Select[Any], *, order: Order, key: Key, backward: bool, inclusive: bool
) -> bool:
    """Return whether any row follows (or, `backward`, precedes) the key."""
    for zone in order.beyond(key, backward=backward, inclusive=inclusive):
        if (await session.execute(statement.with_only_columns(order.id).where(zone).limit(1))).first() is not None:
            return True
    return False


def capped(statement: Select[Any]) -> Select[int]:
    """Return the statement that counts the rows of a query, at most to one beyond the cap."""
    return select(func.count()).select_from(statement.limit(COUNT_CAP + 1).subquery())


def counting(conditions: Sequence[Condition], *, of: SQLColumnExpression[Any]) -> Select[int]:
    """Return the statement that counts rows that meet conditions, at most to one beyond the cap."""
    return capped(select(of).where(*conditions))


async def count(session: AsyncSession, conditions: Sequence[Condition], *, of: SQLColumnExpression[Any]) -> int:
    """Return the number of rows that meet conditions, counted at most to one beyond the cap."""
    return await session.scalar(counting(conditions, of=of)) or 0


async def counted(session: AsyncSession, statement: Select[Any]) -> int:
    """Return the number of rows of a query, counted at most to one beyond the cap."""
    return await session.scalar(capped(statement)) or 0


class LowerCase(FunctionElement[str]):
    """A text in lower case, in any alphabet."""

    type = Text()
    inherit_cache = True


@compiles(LowerCase)
def lower_case(element: LowerCase, compiler: SQLCompiler, **options: Any) -> str:
    """Compile by Unicode from Postgres 17 on; before that the database's locale decides, and C knows only A to Z."""
    text = compiler.process(element.clauses, **options)
    version = compiler.dialect.server_version_info
    return f'lower({text} COLLATE "pg_c_utf8")' if version and version >= (17,) else f"lower({text})"


def containing(column: SQLColumnExpression[str], text: str | None) -> list[Condition]:
    """Return the condition that the column contains the text, in any case, or none without a text."""
    if text is None:
        return []
    return [func.strpos(LowerCase(column), LowerCase(text)) > 0] if is_postgres_text(text) else [false()]


def like(column: SQLColumnExpression[str], text: str | None) -> list[Condition]:
    """Return the condition that a column of texts in lower case contains the text, in any case, as LIKE.

    Indexes of trigrams serve LIKE only.
    """
    if text is None:
        return []
    if not is_postgres_text(text):
        return [false()]
    escaped = re.sub(r"([\\%_])", r"\\\1", text)
    # An index serves only the collation that it has itself, and LowerCase names another one.
    return [column.like(literal("%") + collate(LowerCase(escaped), "default") + literal("%"))]


def offset(page: int, limit: int) -> int:
    """Return the number of rows before a page counted from 1. What exceeds a bigint is beyond every list."""
    return min((page - 1) * limit, MAX_OFFSET)
