"""Cuts lists into pages by `pagination[count]` and `pagination[cursor]`, as Segment's Public API does.

A cursor holds the id of the item after which its page begins: a client that follows cursors sees each item once,
whatever is made meanwhile.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tifo.api.management.request import ManagementRequest
from tifo.kernel.errors import Rejected
from tifo.kernel.json import JsonObject

DEFAULT_COUNT, MAX_COUNT = 10, 200
_FIRST = "-"
"""Stands in the cursor of the first page, which begins after no item."""
T = TypeVar("T")


def page(
    request: ManagementRequest, field: str, items: Sequence[T], key: Callable[[T], str], shown: Callable[[T], Any]
) -> dict[str, Any]:
    """Returns `{field: […], "pagination": {current, next?, previous?, totalEntries}}`."""
    count = _count(request.query.get("pagination[count]"))
    keys = [key(item) for item in items]
    start = _start(request.query.get("pagination[cursor]"), keys)
    end = start + count
    pagination: JsonObject = {"current": _cursor(keys, start), "totalEntries": len(items)}
    if end < len(items):
        pagination["next"] = _cursor(keys, end)
    if start > 0:
        pagination["previous"] = _cursor(keys, max(0, start - count))
    return {field: [shown(item) for item in items[start:end]], "pagination": pagination}


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
