"""Counts the events that wait for another attempt, and knows which of them are being attempted."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from tifo.delivery.ports import Due, Undelivered, UndeliveredKey, UndeliveredState
from tifo.destinations.ports import Event

MAX_WAITING = 50_000
"""The most events that wait for another attempt: while so many do, new events are left in the log."""


class RetryBacklog:
    """Prevents a second attempt of a retry before the first is committed: until then the state shows it as due."""

    def __init__(self, waiting: int) -> None:
        self._waiting = waiting
        """Waiting events: the state's last answer, changed by outcomes since."""
        self._attempted: set[UndeliveredKey] = set()
        self.look_at_s = 0.0
        """When to ask the state again, by the monotonic clock."""

    @property
    def is_full(self) -> bool:
        return self._waiting >= MAX_WAITING

    def in_progress(self) -> set[UndeliveredKey]:
        return set(self._attempted)

    def take_up(self, due: Due, before: Iterable[UndeliveredKey]) -> Sequence[Undelivered]:
        """Returns the due events that are not in progress, and notes that they are now.

        `before` is what was in progress when the state was asked: what was committed meanwhile may be in the answer as
        it was before.
        """
        busy = self._attempted.union(before)
        self._waiting = due.waiting
        fresh = [each for each in due.undelivered if each.key not in busy]
        self._attempted.update(each.key for each in fresh)
        return fresh

    def change(self, by: int) -> None:
        # An estimate between two answers of the state: others redrive, queue and expire meanwhile.
        self._waiting = max(0, self._waiting + by)

    def committed(self, keys: Iterable[UndeliveredKey]) -> None:
        self._attempted.difference_update(keys)


def unattempted(event: Event, now: datetime, *, code: str, detail: str, replay: str = "") -> Undelivered:
    """Makes an event that waits without having been attempted, and is due at once."""
    return Undelivered(
        event=event,
        state=UndeliveredState.WAITING,
        first_at=now,
        next_at=now,
        attempts=0,
        history=(),
        code=code,
        detail=detail,
        replay=replay,
    )
