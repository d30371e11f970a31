"""Time: aware UTC in, ISO 8601 with milliseconds and `Z` out, as Segment and LiveLike write it."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

_MILLISECONDS = len("2026-11-24T10:00:00.123")

Clock = Callable[[], datetime]
"""Tells the time, aware, in UTC; tests hand in one that stands still."""


def system_clock() -> datetime:
    return datetime.now(UTC)


def to_iso(moment: datetime) -> str:
    """`2026-11-24T10:00:00.123Z`."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    text: str = msgspec.to_builtins(moment)  # ten times as quick as isoformat: six digits of the second, or none
    return f"{text[:_MILLISECONDS]}Z" if len(text) > _MILLISECONDS else f"{text[:-1]}.000Z"


def from_iso(text: str) -> datetime:
    """Aware UTC; a text without an offset is taken as UTC.

    Raises ValueError where the text is no ISO 8601 time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is UTC:
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
