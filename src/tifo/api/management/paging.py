"""Cuts lists into pages by `pagination[count]` and `pagination[cursor]`, as Segment's Public API does.

A cursor holds the id of the item after which its page begins: a client that follows cursors sees each item once,
whatever is made meanwhile.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from msgspec import UNSET

from tifo.api.management.answers import Pagination
from tifo.api.management.request import ManagementRequest
from tifo.kernel.errors import Rejected

DEFAULT_COUNT, MAX_COUNT = 10, 200
_FIRST = "-"
"""Stands in the cursor of the first page, which begins after no item."""
T = TypeVar("T")


class PagedItems(NamedTuple, Generic[T]):
    items: Sequence[T]
    pagination: Pagination


def page(request: ManagementRequest, items: Sequence[T], key: Callable[[T], str]) -> PagedItems[T]:
    """Returns the items of the page that the request asks for. `key` returns an item's id."""
    count = _count(request.query.get("pagination[count]"))
    keys = [key(item) for item in items]
    start = _start(request.query.get("pagination[cursor]"), keys)
    end = start + count
    pagination = Pagination(
        current=_cursor(keys, start),
        next=_cursor(keys, end) if end < len(items) else UNSET,
        previous=_cursor(keys, max(0, start - count)) if start > 0 else UNSET,
        total_entries=len(items),
    )
    return PagedItems(items[start:end], pagination)


def _count(asked: str | None) -> int:
    if asked is None:
        return DEFAULT_COUNT
    if not asked.isascii() or not asked.isdigit() or not 1 <= int(asked[:9]) <= MAX_COUNT:
        raise Rejected(f"pagination[count] is {asked!r:.20}. Give 1 to {MAX_COUNT}.", field="pagination.count")
    return int(asked)


def _start(cursor: str | None, keys: Sequence[str]) -> int:
    if not cursor:
        return 0
    try:
        after = base64.urlsafe_b64decode(cursor.encode()).decode()
    except (binascii.Error, UnicodeError):
        after = ""
    if after == _FIRST:
        return 0
    # Guessing a place could skip items or repeat them.
    if after not in keys:
        raise Rejected(
            "pagination[cursor] is no cursor, or its item was removed. Begin again without it.",
            field="pagination.cursor",
        )
    return keys.index(after) + 1


def _cursor(keys: Sequence[str], start: int) -> str:
    return base64.urlsafe_b64encode((keys[start - 1] if start else _FIRST).encode()).decode()
