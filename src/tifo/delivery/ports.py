"""What delivery keeps: where each connection is, what is not delivered, and numbers.

A connection is a cursor over the log. An event of its source at or before the cursor is delivered or filtered, unless
it stands among the `Undelivered`: those wait for their next attempt, or have failed for good and keep their payload.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

from tifo.destinations.ports import Event, Exchange
from tifo.kernel.ids import DestinationId, Position

KEPT_ATTEMPTS = 40
"""Of one event; beyond them the oldest but the first are left out. In 4 hours there are about 30."""


class Result(StrEnum):
    """What events are counted under."""

    DELIVERED = "delivered"
    FILTERED = "filtered"
    FAILED = "failed"
    RETRIED = "retried"
    """An attempt that failed and will be made again: not one of the parts that add up to received."""
    REPLAYED = "replayed"
    """Delivered again because somebody asked for it: no part either."""


class State(StrEnum):
    WAITING = "waiting"
    FAILED = "failed"


class Attempt(msgspec.Struct, frozen=True, gc=False, array_like=True):
    at: float
    """Seconds since 1970."""
    code: str
    detail: str
    took_s: float


class Undelivered(msgspec.Struct, frozen=True, gc=False):
    """An event on the way to one destination that was not taken (yet)."""

    event: Event
    state: State
    first_at: float
    """The first attempt, in seconds since 1970."""
    next_at: float | None
    """None for what has failed for good."""
    attempts: int
    history: Sequence[Attempt]
    code: str
    detail: str
    exchange: Exchange | None = None
    replay: str = ""
    """The replay that asked for it; empty for the event's own delivery."""


class Counted(NamedTuple):
    """What one number is of."""

    minute: int
    """Since 1970, when the outcome was known."""
    type: str
    name: str
    result: Result
    code: str


class Taken(NamedTuple):
    """How long a delivery took: `bucket` is `latency.bucket_of` of the seconds from receipt."""

    minute: int
    bucket: int


class Sample(NamedTuple):
    """The newest of its result and code."""

    result: Result
    code: str
    message_id: str
    at: float
    received: bytes
    detail: str
    exchange: Exchange | None


@dataclass(frozen=True)
class Change:
    """What one connection has found out since the last one: kept whole or not at all."""

    destination_id: DestinationId
    position: Position | None = None
    """The cursor, where it moved."""
    received: int = 0
    """Events of the source that the cursor moved over."""
    undelivered: Sequence[Undelivered] = ()
    """New, or anew with another attempt."""
    settled: Sequence[tuple[Position, str]] = ()
    """(position, replay) of what waited and now is delivered or filtered."""
    counts: Mapping[Counted, int] = field(default_factory=dict)
    latencies: Mapping[Taken, int] = field(default_factory=dict)
    samples: Sequence[Sample] = ()
    dead_since: float | None = None
    """Since when the destination takes nothing; None while it is alive."""
    dead_reason: str = ""


class Standing(NamedTuple):
    """Where a connection is."""

    start: Position
    """Where it began: what came before is not for it."""
    position: Position
    received: int
    waiting: int
    failed: int
    forgotten: int
    """Of the failed, how many were taken away when their retention was over."""
    dead_since: float | None
    dead_reason: str


class Due(NamedTuple):
    late: Sequence[Undelivered]
    waiting: int
    """All that wait, those whose time has not come included."""


class DeliveryState(Protocol):
    """Methods block. One process at a time delivers from a log."""

    def standing(self, destination_id: DestinationId) -> Standing:
        """Raises `NotFound` for a destination that is gone."""

    def settle(self, changes: Sequence[Change]) -> None:
        """All of them in one commit; durable on return. Those of a destination that is gone are dropped with it."""

    def due(self, destination_id: DestinationId, now: float, *, most: int, in_order: bool) -> Due:
        """What waits and whose time has come, the longest overdue first. `in_order`: of each user only the first that
        waits.
        """

    def held_up(self, destination_id: DestinationId) -> Mapping[str, int]:
        """The users of whom something waits, and how much."""

    def forget(self, before: datetime, *, most: int) -> int:
        """Take away dead letters that failed before, and numbers beyond their time. Returns how many rows went."""

    def redrive(self, destination_id: DestinationId, positions: Collection[Position] | None, now: float) -> int:
        """Let dead letters wait for another attempt; None: all of them. Returns how many."""
