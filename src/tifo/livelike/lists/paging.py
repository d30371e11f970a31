"""Cuts lists into pages as LiveLike does, in the envelope `count`, `next`, `previous`, `results`.

`?page=2` counts pages as they are now. The addresses in `next` and `previous` carry an anchor too: `before` or `after`
with the position of a row. A client that follows them sees each row once, even while rows are added.
"""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from tifo.engagement.ports import Anchor, Page
from tifo.kernel.errors import NotFound
from tifo.livelike.links import Links
from tifo.livelike.lists.query import Query
from tifo.livelike.resources.base import Url

# LiveLike documents 20 and 100 for leaderboard entries; Tifo has them for every list.
DEFAULT_SIZE = 20
MAX_SIZE = 100
MAX_PAGE = 10_000_000
"""Our limit."""
MAX_POSITION = 2**63 - 1
"""The greatest position of a row in a database."""
_MAX_ID = 2**128 - 1
"""The greatest UUID, as a number."""
_POSITION = frozenset({"page", "offset", "before", "after"})

R = TypeVar("R")
T = TypeVar("T")


class PageRequest(NamedTuple):
    """The number (from 1) and the size of the page that the query names."""

    page: int
    size: int

    def of(self, items: Sequence[T]) -> Page[T]:
        """Cuts the page out of a list in memory that grows at its end only."""
        start = (self.page - 1) * self.size
        return Page(count=len(items), results=items[start : start + self.size], number=self.page, size=self.size)


def window(query: Query) -> PageRequest:
    size = _number(query.one("page_size") or str(DEFAULT_SIZE), at_most=MAX_SIZE)
    # LiveLike pages its reward transactions by `offset`, all other lists by `page`.
    offset = query.one("offset")
    if offset is None:
        return PageRequest(_number(query.one("page") or "1"), size)
    skipped = _number(offset, at_least=0)
    # Pages are counted in whole pages, so an offset inside one cannot be served.
    if skipped % size:
        raise NotFound(f"Invalid offset: {skipped} is no multiple of the page size, {size}.")
    return PageRequest(skipped // size + 1, size)


def anchor(query: Query, *, at_most: int = MAX_POSITION) -> Anchor:
    before, after = query.one("before"), query.one("after")
    if before is not None and after is not None:
        raise NotFound("Invalid page: give before or after, not both.")
    return Anchor(_position(before, at_most), _position(after, at_most))


def anchored(query: Query, newest_first: Sequence[T], position: Callable[[T], int]) -> Page[T]:
    """Cuts the page out of a list in memory that grows at its front. Positions must fall from row to row."""
    page, size = window(query)
    before, after = anchor(query, at_most=_MAX_ID)
    if before is not None:
        start = next((n for n, row in enumerate(newest_first) if position(row) < before), len(newest_first))
    elif after is not None:
        start = max(0, sum(position(row) > after for row in newest_first) - size)
    else:
        start = (page - 1) * size
    rows = newest_first[start : start + size]
    return Page(
        count=len(newest_first),
        results=rows,
        number=page,
        size=size,
        first=position(rows[0]) if rows else None,
        last=position(rows[-1]) if rows else None,
        more=start + size < len(newest_first),
    )


class Listed(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page of a list; `next` and `previous` are the addresses of the pages beside it."""

    count: int
    next: Url | None
    previous: Url | None
    results: list[T]


def listed(page: Page[T], resource: Callable[[T], R], links: Links, path: str, query: Query) -> Listed[R]:
    filters = [pair for pair in query.pairs if pair[0] not in _POSITION]

    def address(number: int, **edge: int | None) -> str:
        anchors = [(name, str(position)) for name, position in edge.items() if position is not None]
        return links.page(path, [*filters, ("page", str(number)), *anchors])

    more = page.number * page.size < page.count if page.more is None else page.more
    return Listed(
        count=page.count,
        next=address(page.number + 1, before=page.last) if more else None,
        # The number says whether a page precedes; the anchor says which rows it has.
        previous=address(page.number - 1, after=page.first) if page.number > 1 else None,
        results=[resource(item) for item in page.results],
    )


def _position(text: str | None, at_most: int) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(at_most)) and int(text) <= at_most):
        raise NotFound("Invalid page.")
    return int(text)


def _number(text: str, *, at_least: int = 1, at_most: int | None = None) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12):  # noqa: PLR2004 (far beyond any page)
        raise NotFound("Invalid page.")
    number = int(text)
    if not at_least <= number <= MAX_PAGE:
        raise NotFound("Invalid page.")
    # A larger page_size is cut, not refused, as in Django REST framework.
    return number if at_most is None else min(number, at_most)
