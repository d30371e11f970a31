"""LiveLike's list envelope: `count`, `next`, `previous`, `results`.

`?page=2` counts pages as they are now. The addresses in `next` and `previous` carry an anchor as well (`before` or
`after`, with the row that they start from): whoever follows them sees each row once, whatever is added meanwhile.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from tifo.engagement.ports import Anchor, Page
from tifo.kernel.errors import NotFound
from tifo.livelike.links import Links
from tifo.livelike.query import Query

DEFAULT_SIZE = 20
MAX_SIZE = 100
MAX_PAGE = 10_000_000
GREATEST_POSITION = 2**63 - 1
"""Of a row in a database."""
_GREATEST_ID = 2**128 - 1
_PLACE = frozenset({"page", "offset", "before", "after"})

T = TypeVar("T")


class PageRequest(NamedTuple):
    """Which page is asked for: `page` (from 1) or `offset`, and `page_size`."""

    page: int
    size: int

    def of(self, items: Sequence[T]) -> Page[T]:
        """Of a list that grows at its end only."""
        start = (self.page - 1) * self.size
        return Page(count=len(items), results=items[start : start + self.size], number=self.page, size=self.size)


def window(query: Query) -> PageRequest:
    size = _number(query.one("page_size") or str(DEFAULT_SIZE), at_most=MAX_SIZE)
    offset = query.one("offset")
    if offset is None:
        return PageRequest(_number(query.one("page") or "1"), size)
    skipped = _number(offset, at_least=0)
    if skipped % size:
        raise NotFound(f"Invalid offset: {skipped} is no multiple of the page size, {size}.")
    return PageRequest(skipped // size + 1, size)


def anchor(query: Query, *, at_most: int = GREATEST_POSITION) -> Anchor:
    before, after = query.one("before"), query.one("after")
    if before is not None and after is not None:
        raise NotFound("Invalid page: give before or after, not both.")
    return Anchor(_position(before, at_most), _position(after, at_most))


def anchored(query: Query, newest_first: Sequence[T], position: Callable[[T], int]) -> Page[T]:
    """A page of a list in memory that grows at its front; positions fall from row to row."""
    page, size = window(query)
    before, after = anchor(query, at_most=_GREATEST_ID)
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


def envelope(page: Page[T], shape: Callable[[T], Any], links: Links, path: str, query: Query) -> dict[str, Any]:
    kept = [pair for pair in query.pairs if pair[0] not in _PLACE]

    def address(number: int, **edge: int | None) -> str:
        place = [(name, str(position)) for name, position in edge.items() if position is not None]
        return links.page(path, [*kept, ("page", str(number)), *place])

    more = page.number * page.size < page.count if page.more is None else page.more
    return {
        "count": page.count,
        "next": address(page.number + 1, before=page.last) if more else None,
        "previous": address(page.number - 1, after=page.first) if page.number > 1 else None,
        "results": [shape(item) for item in page.results],
    }


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
    return number if at_most is None else min(number, at_most)
