"""Cuts pages from lists in memory, by number or by an anchor."""

from collections.abc import Sequence
from typing import TypeVar

from tifo.engagement.ports import NOWHERE, Anchor, Page

T = TypeVar("T")


def page_of(rows: Sequence[T], page: int, size: int) -> Page[T]:
    return Page(count=len(rows), results=rows[(page - 1) * size : page * size], number=page, size=size)


def anchored_page(rows: Sequence[tuple[int, T]], page: int, size: int, anchor: Anchor = NOWHERE) -> Page[T]:
    """Cuts a page of rows that come with their positions, in rising or falling order."""
    backwards = anchor.after is not None
    start = (page - 1) * size
    if anchor.before is not None:
        start = _behind(rows, anchor.before)
    elif anchor.after is not None:
        end = _behind(rows, anchor.after, inclusive=True)
        # At the beginning of the list this page is shorter, so that no row is on two pages.
        start, size = max(0, end - size), min(size, end)
    found = rows[start : start + size]
    return Page(
        count=len(rows),
        results=[row for _, row in found],
        number=page,
        size=size,
        first=found[0][0] if found else None,
        last=found[-1][0] if found else None,
        # Behind a page that ends in front of a row, at least that row follows.
        more=backwards or start + size < len(rows),
    )


def _behind(rows: Sequence[tuple[int, T]], position: int, *, inclusive: bool = False) -> int:
    """Returns the index of the first row behind the position, or at it (`inclusive`), in the order of the list.

    The row at the position may be gone: it was deleted, or never matched the filter.
    """
    rises = len(rows) > 1 and rows[0][0] < rows[-1][0]
    for index, (place, _) in enumerate(rows):
        if (inclusive and place == position) or (place > position if rises else place < position):
            return index
    return len(rows)
