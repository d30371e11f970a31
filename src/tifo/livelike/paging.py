"""LiveLike's list envelope: `count`, `next`, `previous`, `results`."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from tifo.engagement.ports import Page
from tifo.kernel.errors import NotFound
from tifo.livelike.links import Links
from tifo.livelike.query import Query

DEFAULT_SIZE = 20
MAX_SIZE = 100
MAX_PAGE = 10_000_000

T = TypeVar("T")


class Window(NamedTuple):
    """Which page is asked for: `page` (from 1) or `offset`, and `page_size`."""

    page: int
    size: int

    def of(self, items: Sequence[T]) -> Page[T]:
        start = (self.page - 1) * self.size
        return Page(count=len(items), results=items[start : start + self.size], number=self.page, size=self.size)


def window(query: Query) -> Window:
    size = _number(query.one("page_size") or str(DEFAULT_SIZE), at_most=MAX_SIZE)
    offset = query.one("offset")
    if offset is None:
        return Window(_number(query.one("page") or "1"), size)
    skipped = _number(offset, at_least=0)
    if skipped % size:
        raise NotFound(f"Invalid offset: {skipped} is no multiple of the page size, {size}.")
    return Window(skipped // size + 1, size)


def envelope(page: Page[T], shape: Callable[[T], Any], links: Links, path: str, query: Query) -> dict[str, Any]:
    kept = [pair for pair in query.pairs if pair[0] not in {"page", "offset"}]

    def address(number: int) -> str:
        return links.page(path, [*kept, ("page", str(number))])

    return {
        "count": page.count,
        "next": address(page.number + 1) if page.number * page.size < page.count else None,
        "previous": address(page.number - 1) if page.number > 1 else None,
        "results": [shape(item) for item in page.results],
    }


def _number(text: str, *, at_least: int = 1, at_most: int | None = None) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12):  # noqa: PLR2004 (far beyond any page)
        raise NotFound("Invalid page.")
    number = int(text)
    if not at_least <= number <= MAX_PAGE:
        raise NotFound("Invalid page.")
    return number if at_most is None else min(number, at_most)
