"""Shapes that the answers of several resources share. An answer's type is what the API's document shows of it."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType


class Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    # Stands under `data`, with Segment's camelCase names. A field that is UNSET is left out.
    # Without a docstring: every docstring of an answer is a text of the document.
    pass


class Pagination(Answer, frozen=True, kw_only=True):
    """Cursors of this page and of those beside it; `totalEntries` counts the items of all pages."""

    current: str
    total_entries: int
    next: str | UnsetType = UNSET
    previous: str | UnsetType = UNSET


class Done(Answer, frozen=True, kw_only=True):
    status: Literal["SUCCESS"] = "SUCCESS"


class Reached(Answer, frozen=True, kw_only=True):
    status: Literal["CONNECTED", "FAILED"]


def reached(*, connected: bool) -> Literal["CONNECTED", "FAILED"]:
    return "CONNECTED" if connected else "FAILED"
