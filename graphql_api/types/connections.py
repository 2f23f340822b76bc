"""Connections: pages of lists, by keyset cursors in both directions."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import cached_property
from typing import Annotated, Any, Generic, TypeVar

import strawberry

from db.reads.keyset import COUNT_CAP, Key, Slice
from graphql_api import cursors
from graphql_api.compat import names_selected
from graphql_api.context import Info
from graphql_api.errors import invalid_page
from graphql_api.plain_values import READ_IF_KNOWN, NotPlain
from graphql_api.types.scalars import given_or_none

DEFAULT_SIZE = 20
MAX_SIZE = 100

Node = TypeVar("Node")
Row = TypeVar("Row")

First = Annotated[
    int | None,
    strawberry.argument(description=f"Number of items from the start; 1 to {MAX_SIZE}, by default {DEFAULT_SIZE}."),
]
After = Annotated[str | None, strawberry.argument(description="Only items after this cursor.")]
Last = Annotated[
    int | None,
    strawberry.argument(description=f"Number of items from the end; 1 to {MAX_SIZE}. Not together with first."),
]
Before = Annotated[str | None, strawberry.argument(description="Only items before this cursor.")]


def slice_of(listing: str, *, first: int | None, after: str | None, last: int | None, before: str | None) -> Slice:
    """Return the slice that a field's arguments select. Raises GraphQL's INVALID_PAGE and INVALID_CURSOR."""
    first, last = given_or_none(first), given_or_none(last)
    after, before = given_or_none(after), given_or_none(before)
    if first is not None and last is not None:
        raise invalid_page("first and last cannot be given together")
    for name, size in (("first", first), ("last", last)):
        if size is not None and not 1 <= size <= MAX_SIZE:
            raise invalid_page(f"{name} must be from 1 to {MAX_SIZE}, not {size}")
    return Slice(
        limit=first or last or DEFAULT_SIZE,
        backward=last is not None,
        after=None if after is None else cursors.key_of(after, listing),
        before=None if before is None else cursors.key_of(before, listing),
    )


HasRowsBeyond = Callable[[Key, bool, bool], Awaitable[bool]]
"""Returns whether rows follow a key, or precede it if the first flag is True; the second flag includes the key itself.
"""


@strawberry.type(description="The position of a page in its list.")
class PageInfo:
    """Knows one direction from reading the page, and queries the other only when it is selected."""

    listing: strawberry.Private[str]
    rows: strawberry.Private[Slice]
    first_key: strawberry.Private[Key | None]
    last_key: strawberry.Private[Key | None]
    more: strawberry.Private[bool]
    has_rows_beyond: strawberry.Private[HasRowsBeyond]

    @strawberry.field(description="The cursor of the first item.")
    def start_cursor(self) -> str | None:
        """Return the cursor, or None for an empty page."""
        return None if self.first_key is None else cursors.of_row(self.listing, self.first_key)

    @strawberry.field(description="The cursor of the last item.")
    def end_cursor(self) -> str | None:
        """Return the cursor, or None for an empty page."""
        return None if self.last_key is None else cursors.of_row(self.listing, self.last_key)

    @strawberry.field(description="Whether the list has items after this page.")
    async def has_next_page(self) -> bool:
        """Return what is known from a page that was read forward, or query it."""
        if self.more and not self.rows.backward:
            return True
        return await self._beyond(self.last_key, self.rows.before, backward=False)

    @strawberry.field(description="Whether the list has items before this page.")
    async def has_previous_page(self) -> bool:
        """Return what is known from a page that was read backward, or query it."""
        if self.more and self.rows.backward:
            return True
        return await self._beyond(self.first_key, self.rows.after, backward=True)

    async def _beyond(self, edge: Key | None, bound: Key | None, *, backward: bool) -> bool:
        if bound is None:
            return False
        # An empty page has no edges; then the row of the cursor itself counts as lying beyond it.
        return await self.has_rows_beyond(edge or bound, backward, edge is None)


@strawberry.type(description="An item of a page.")
class Edge(Generic[Node]):
    """An item, with its place in the list."""

    cursor: str = strawberry.field(description="The place of the item in its list, as opaque text.")
    node: Node = strawberry.field(description="The item.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[Node]):
    """A page, and the size of the whole list, which is counted only when it is selected."""

    page: strawberry.Private[PageInfo]
    make_keys: strawberry.Private[Callable[[], list[Key]]]
    make_nodes: strawberry.Private[Callable[[], list[Node]]]
    count: strawberry.Private[Callable[[], Awaitable[int]]]
    total: strawberry.Private[int | None] = None

    @cached_property
    def all_nodes(self) -> list[Node]:
        """The items, which both fields share."""
        return self.make_nodes()

    @strawberry.field(description="The items of the page with their cursors.")
    def edges(self) -> list[Edge[Node]]:
        """Return the items with their cursors."""
        listing = self.page.listing
        return [
            Edge(cursor=cursors.of_row(listing, key), node=node)
            for key, node in zip(self.make_keys(), self.all_nodes, strict=True)
        ]

    @strawberry.field(description="The place of the page in its list.")
    def page_info(self) -> PageInfo:
        """Return the place of the page."""
        return self.page

    @strawberry.field(description="The items of the page.")
    def nodes(self) -> list[Node]:
        """Return the items without their cursors."""
        return self.all_nodes

    @strawberry.field(
        description=f"Number of items in the whole list. It is exact up to {COUNT_CAP:,}; for a larger list it is "
        f"{COUNT_CAP:,}, and totalCountCapped is true.",
        metadata={READ_IF_KNOWN: lambda page: min(known_total(page), COUNT_CAP)},
    )
    async def total_count(self) -> int:
        """Return the size of the list, up to the cap."""
        return min(await self._size(), COUNT_CAP)

    @strawberry.field(
        description="Whether the list has more items than totalCount says.",
        metadata={READ_IF_KNOWN: lambda page: known_total(page) > COUNT_CAP},
    )
    async def total_count_capped(self) -> bool:
        """Return whether the list is larger than the cap."""
        return await self._size() > COUNT_CAP

    async def _size(self) -> int:
        return await self.count() if self.total is None else self.total


def known_total(page: Connection[Any]) -> int:
    """Return the size of a page's list if it is known already. Raises `NotPlain` if not."""
    if page.total is None:
        raise NotPlain
    return page.total


COUNTS = {"totalCount", "totalCountCapped"}


def selects_count(info: Info) -> bool:
    """Return whether a connection's field selects its count itself. A fragment in it may select the count as well."""
    return not COUNTS.isdisjoint(names_selected(info))


def once(count: Callable[[], Coroutine[None, None, int]]) -> Callable[[], Awaitable[int]]:
    """Return a function that counts once, however many fields select the count."""
    counting: list[asyncio.Future[int]] = []

    def ask() -> Awaitable[int]:
        if not counting:
            counting.append(asyncio.ensure_future(count()))
        return counting[0]

    return ask


def connection(
    rows: Sequence[Row],
    *,
    listing: str,
    key: Callable[[Row], Key],
    node: Callable[[Row], Node],
    page: Slice,
    more: bool,
    has_rows_beyond: HasRowsBeyond,
    count: Callable[[], Coroutine[None, None, int]],
    total: int | None = None,
) -> "Connection[Node]":
    """Return a page from its rows. `count` is asked only without a `total`, and if the page is not the whole list."""
    if total is None and page.is_whole(more=more):
        total = len(rows)
    return Connection(
        page=PageInfo(
            listing=listing,
            rows=page,
            first_key=key(rows[0]) if rows else None,
            last_key=key(rows[-1]) if rows else None,
            more=more,
            has_rows_beyond=has_rows_beyond,
        ),
        make_keys=lambda: [key(row) for row in rows],
        make_nodes=lambda: [node(row) for row in rows],
        count=once(count),
        total=total,
    )
