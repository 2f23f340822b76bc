"""Reads lists of tasks that a filter narrows, whether it selects few tasks or many.

A list first looks at some tasks near its start, among which a common filter finds its page. A rare one selects so few
tasks that all of them can be found by an index, and sorted.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import (
    CompoundSelect,
    FromClause,
    Select,
    SQLColumnExpression,
    Text,
    func,
    literal_column,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy import cast as cast_to
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from db import prepared
from db.connection import FOR_VALUES, IN_PARALLEL
from db.models import NOT_ASCII, ListedTask, RunSummary, Task, TaskWords
from db.reads import keyset
from db.reads.keyset import Condition, Order, Slice
from db.reads.tasks import (
    IS_NEWER_THAN_ENDED,
    KEPT_STATEMENTS,
    LISTED,
    ORDERS,
    RUN,
    SMALL_NAMES,
    TABLE,
    VALUES,
    TaskFilter,
    TaskOrder,
    conditions,
    first,
    has_tags,
    listed,
    order_of,
    with_rows,
)
from db.states import RunState, TaskStatus

NEAREST, NEAR = 200, 1_000
"""How many tasks in the order of the list are looked at before the indexes of a filter are used: the second number only
if that promises to fill the page.

By its estimates, Postgres would choose one of both ways for the whole list, and read half a million tasks if they are
wrong.
"""
FEW = 2_000
"""How many tasks are sorted without a look at the start of the list."""
PAIR = re.compile(r"[A-Za-z0-9]{2}")
"""Matches a substring of two letters or digits of ASCII."""
OF_TAGS = {"cpu_index_tuple_cost": "0.02"}
"""Postgres reads all index entries of a tag before the first row, and expects a quarter of the time that it takes."""
BY_CREATION = {TaskOrder.CREATED_AT_DESC, TaskOrder.CREATED_AT_ASC}


async def page(
    connection: AsyncConnection, filters: TaskFilter, *, order: TaskOrder, rows: Slice, counted: bool = False
) -> tuple[list[Task], bool, int | None]:
    """Return a slice of the tasks, without their large columns, and whether there are more in its direction.

    Return the number of all that the filter selects, too, if they are to be `counted` and these are not all of them, or
    if it was found on the way.
    """
    async with planning(connection, filters):
        found, total = await read(connection, statements(filters, order, rows), limit=rows.limit + 1)
        tasks, more = keyset.trimmed(found, page=rows)
        if counted and total is None and not rows.is_whole(more=more):
            total = await counted_now(connection, filters)
    return tasks, more, total


async def has_more(
    connection: AsyncConnection,
    filters: TaskFilter,
    *,
    order: TaskOrder,
    key: keyset.Key,
    backward: bool,
    inclusive: bool,
) -> bool:
    """Return whether any of the tasks follows (or, `backward`, precedes) the key."""
    zones = zones_in(order, lambda its: its.beyond(key, backward=backward, inclusive=inclusive))
    ways = [Ways.of(filters, order, zone, backward=backward, limit=1) for zone in zones]
    async with planning(connection, filters):
        found, _ = await read(connection, ways, limit=1)
    return bool(found)


Zone = Callable[[Order], Condition]
"""Returns the condition of a zone in terms of an order, of whichever table or query."""


def zones_in(order: TaskOrder, of: Callable[[Order], Sequence[Condition]]) -> list[Zone]:
    """Return the zones of an order, whose conditions a function returns."""

    def zone_at(place: int) -> Zone:
        return lambda its: of(its)[place]

    return [*map(zone_at, range(len(of(ORDERS[order]))))]


class Ways(NamedTuple):
    """The statements that find the first tasks of a zone: near its start, by how far they look, or by sorting all of
    them.

    Where the filter has states, `few` counts at once by an index how many tasks have a last run in one of those, and
    finds the first ones if there are at most `FEW`. It returns one row at least, and in each `are_few` and the `total`
    of the tasks in all zones.
    """

    near: Mapping[int, Select[Any]]
    sought: Select[Any]
    few: Select[Any] | None = None

    @classmethod
    def of(cls, filters: TaskFilter, order: TaskOrder, zone: Zone, *, backward: bool, limit: int) -> "Ways":
        """Return the statements for a zone."""
        reading = partial(rows_of, order=order, backward=backward, limit=limit)
        near = {}
        for number in (NEAREST, NEAR):
            nearby = nearest(order, zone(ORDERS[order]), statuses=filters.statuses, backward=backward, limit=number)
            tasks = nearby.subquery("near").c
            near[number] = reading(tasks, conditions(filters, of=tasks))

        def sorting(every: Select[Any]) -> Select[Any]:
            # Postgres plans a query with an offset alone, and so not for the order of the one around it.
            found = every.offset(0).subquery().c
            ids = select(found.id).order_by(*order_of(found, order).sorting(backward=backward)).limit(limit)
            return reading(TABLE.c, [TABLE.c.id.in_(ids)])

        in_zone = zone(order_in(source_of(filters, order), order))
        ways = cls(near=near, sought=sorting(indexed(filters, order).where(in_zone)))
        states = filters.last_run_states
        if not states:
            return ways
        last = last_in(states).limit(FEW + 1).cte("last")
        are_few = select(func.count()).select_from(last).scalar_subquery() <= FEW
        those = select(TABLE.c.id, TABLE.c[VALUES[order]]).join(last, last.c.task_id == TABLE.c.id)
        every = those.where(are_few, *conditions(replace(filters, last_run_states=()))).cte("every")
        total = select(func.count()).select_from(every).scalar_subquery()
        counted = select(are_few.label("are_few"), total.label("total")).subquery("counted")
        found = sorting(select(every).where(zone(order_of(every.c, order)))).subquery("found")
        few = select(*counted.c, *found.c).select_from(counted.outerjoin(found, true()))
        return ways._replace(few=few.order_by(*order_of(found.c, order).sorting(backward=backward)))


@lru_cache(maxsize=KEPT_STATEMENTS)
def statements(filters: TaskFilter, order: TaskOrder, rows: Slice) -> Sequence[Ways]:
    """Return the statements of a slice, by zone."""
    zones = zones_in(order, lambda its: keyset.within(its, rows))
    return [Ways.of(filters, order, zone, backward=rows.backward, limit=rows.limit + 1) for zone in zones]


async def read(connection: AsyncConnection, zones: Iterable[Ways], *, limit: int) -> tuple[list[Task], int | None]:
    """Return the first tasks in the order, or in its reverse, from one zone after another, without large columns, and
    the number of all if it was found on the way.
    """
    found: list[Task] = []
    total: int | None = None
    for ways in zones:
        left = limit - len(found)
        tasks, total = await read_zone(connection, ways, limit=limit)
        found += tasks[:left]
        if len(found) == limit:
            break
    return found, total


def planning(connection: AsyncConnection, filters: TaskFilter) -> AbstractAsyncContextManager[None]:
    """Return a transaction whose statements are planned for the values of a filter.

    Only substrings may take several processes: indexes find no short ones but two letters, and none without pg_trgm.
    """
    has_substring = filters.name_contains is not None or filters.url_contains is not None
    settings = IN_PARALLEL if has_substring else FOR_VALUES
    return prepared.transaction(connection, settings | OF_TAGS if filters.tags else settings)


async def read_zone(connection: AsyncConnection, ways: Ways, *, limit: int) -> tuple[list[Task], int | None]:
    """Return the first tasks of a zone, and the number of those in all zones if it was found on the way."""
    if ways.few is not None:
        few = await prepared.select(connection, ways.few)
        if few[0].are_few:
            return cast("list[Task]", [row for row in few if row.id is not None]), few[0].total
    share = 1.0
    for number, near in ways.near.items():
        if share * number < limit:
            break
        found = await prepared.select(connection, near)
        if len(found) == limit:
            return cast("list[Task]", found), None
        share = len(found) / number
    return cast("list[Task]", await prepared.select(connection, ways.sought)), None


def nearest(
    order: TaskOrder, zone: Condition, *, statuses: Collection[TaskStatus], backward: bool, limit: int
) -> Select[Any]:
    """Return a query for the first tasks in the order. By creation, those in the statuses are found by their index."""
    if not statuses or order not in BY_CREATION:
        return first(order, zone, backward=backward, limit=limit)
    sorting = ORDERS[order].sorting(backward=backward)
    those = [
        listed(order).where(LISTED.status == status, zone).order_by(*sorting).limit(limit) for status in {*statuses}
    ]
    union = union_all(*(each.subquery().select() for each in those)).subquery()
    found = select(union).order_by(*order_of(union.c, order).sorting(backward=backward)).limit(limit)
    return with_rows(found if len(those) > 1 else those[0], order, backward=backward, names=SMALL_NAMES)


def rows_of(task: Any, conditions: Sequence[Condition], *, order: TaskOrder, backward: bool, limit: int) -> Select[Any]:
    """Return a query for the first rows in the order of tasks, or of an alias of them, without large columns."""
    columns = [getattr(task, name) for name in SMALL_NAMES]
    return select(*columns).where(*conditions).order_by(*order_of(task, order).sorting(backward=backward)).limit(limit)


async def count(connection: AsyncConnection, filters: TaskFilter) -> int:
    """Return the number of tasks, counted at most to one beyond `keyset.COUNT_CAP`."""
    async with planning(connection, filters):
        return await counted_now(connection, filters)


async def counted_now(connection: AsyncConnection, filters: TaskFilter) -> int:
    """Return what `count` returns, in a transaction that has begun."""
    [[total]] = await prepared.select(connection, counting(filters))
    return cast("int", total)


@lru_cache(maxsize=KEPT_STATEMENTS)
def counting(filters: TaskFilter) -> Select[Any]:
    """Return the statement that counts tasks."""
    elsewhere = found_elsewhere(filters)
    return keyset.capped(indexed(filters) if elsewhere is None else elsewhere)


def indexed(filters: TaskFilter, order: TaskOrder = TaskOrder.CREATED_AT_DESC) -> Select[Any]:
    """Return a query for what `listed` finds of the same tasks, worded so that an index finds them."""
    source = source_of(filters, order)
    its = order_in(source, order)
    statement = select(its.id.label("id"), its.value)
    if source is TABLE:
        statement = statement.where(*conditions(of_tasks(filters)))
        if filters.statuses:
            statement = statement.join(ListedTask, LISTED.task_id == its.id)
    if filters.statuses:
        statement = statement.where(LISTED.status.in_(filters.statuses))
    if words := of_words(filters):
        statement = statement.join(TaskWords, col(TaskWords.task_id) == its.id).where(*words)
    if filters.last_run_states:
        last = last_in(filters.last_run_states).subquery("last")
        statement = statement.join(last, last.c.task_id == its.id)
    return statement


def source_of(filters: TaskFilter, order: TaskOrder) -> FromClause:
    """Return the table from which tasks are selected: `tasks`, whose rows are large, only for what others lack."""
    return TABLE if of_tasks(filters) != TaskFilter() or order is TaskOrder.NEXT_RUN_AT_ASC else LISTED.task_id.table


def order_in(source: FromClause, order: TaskOrder) -> Order:
    """Return an order in terms of a table that has its values."""
    return order_of(TABLE.c, order) if source is TABLE else ORDERS[order]


def found_elsewhere(filters: TaskFilter) -> Select[tuple[UUID]] | None:
    """Return a query for the ids of the same tasks that reads no row of them, if one other table knows them all.

    That table also has the deleted tasks, which are few, because maintenance removes them.
    """
    words, states = of_words(filters), filters.last_run_states
    if of_tasks(filters) != TaskFilter() or filters.statuses or bool(words) == bool(states):
        return None
    found = (last_in(states) if states else select(col(TaskWords.task_id)).where(*words)).subquery("found")
    deleted = select(TABLE.c.id).where(TABLE.c.deleted_at.is_not(None))
    return select(found.c.task_id).where(found.c.task_id.not_in(deleted))


def of_tasks(filters: TaskFilter) -> TaskFilter:
    """Return the part of a filter that only columns of tasks answer."""
    return replace(filters, statuses=(), name_contains=None, url_contains=None, tags=(), last_run_states=())


def of_words(filters: TaskFilter) -> list[Condition]:
    """Return the part of a filter that is about the words of tasks, in terms of their table."""
    words = [
        *containing(col(TaskWords.name), filters.name_contains),
        *containing(col(TaskWords.url), filters.url_contains),
    ]
    if filters.tags:
        words.append(has_tags(TaskWords, filters.tags))
        # Repeats the condition of the index.
        words.append(col(TaskWords.tags) != cast_to([], ARRAY(Text)))
    return words


def containing(words: SQLColumnExpression[str], substring: str | None) -> list[Condition]:
    """Return the conditions that words contain a substring, worded so that indexes find it.

    Two letters are not yet a trigram. Together with the next character they are one: the regular expression stands for
    all that ASCII makes of them, and LIKE for the one at the end of a text.
    """
    conditions = keyset.like(words, substring)
    if substring is None or not PAIR.fullmatch(substring):
        return conditions
    pair = substring.lower()
    return [
        *conditions,
        or_(
            words.like(f"%{pair}"),
            words.op("~")(rf"{pair}[\x01-\x7f]"),
            # Repeats the condition of the index.
            words.op("~")(literal_column(f"'{NOT_ASCII}'")),
        ),
    ]


def last_in(states: Collection[RunState]) -> CompoundSelect[Any]:
    """Return a query for the ids of the tasks, each once, whose run with the newest instant is in one of the states.

    It finds those by the state. Unfinished runs are few.
    """
    newest = select(RUN.task_id, RUN.state).ext(distinct_on(RUN.task_id)).where(IS_NEWER_THAN_ENDED)
    unfinished = newest.order_by(RUN.task_id, RUN.scheduled_for.desc(), RUN.id.desc()).subquery("unfinished")
    ended = col(RunSummary.task_id)
    return union_all(
        select(ended).where(col(RunSummary.state).in_(states), ended.not_in(select(unfinished.c.task_id))),
        select(unfinished.c.task_id).where(unfinished.c.state.in_(states)),
    )
