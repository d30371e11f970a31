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
from tifo.kernel.ids import DestinationId, Position, SourceId

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


class UndeliveredState(StrEnum):
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
    state: UndeliveredState
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


class LatencyBucket(NamedTuple):
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
class Checkpoint:
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
    latencies: Mapping[LatencyBucket, int] = field(default_factory=dict)
    samples: Sequence[Sample] = ()
    dead_since: float | None = None
    """Since when the destination takes nothing; None while it is alive."""
    dead_reason: str = ""
    since: Position | None = None
    """The cursor before: where another has moved it meanwhile, nothing of this is kept."""
    forgotten: int = 0
    """Of the received, how many failed and are not among the undelivered."""


class ConnectionStatus(NamedTuple):
    """Where a connection is."""

    start: Position
    """Where it began: what came before is not for it."""
    position: Position
    received: int
    waiting: int
    failed: int
    forgotten: int
    """Of the failed, how many are kept no more: their retention was over, or the log's."""
    dead_since: float | None
    dead_reason: str


class DeliveryCursor(NamedTuple):
    destination_id: DestinationId
    source_id: SourceId
    position: Position


class Due(NamedTuple):
    late: Sequence[Undelivered]
    waiting: int
    """All that wait, those whose time has not come included."""


class ReplaySelection(NamedTuple):
    """Which events somebody asks to be sent again: those for which all that is given holds."""

    since: float = 0.0
    """Received at or after it, in seconds since 1970."""
    until: float = float("inf")
    """Received before it."""
    names: Collection[str] = ()
    """Of tracks, pages and screens."""
    users: Collection[str] = ()
    message_ids: Collection[str] = ()

    def takes(self, event: Event) -> bool:
        return (
            self.since <= event.received_at < self.until
            and (not self.names or event.name in self.names)
            and (not self.users or event.user in self.users)
            and (not self.message_ids or event.message_id in self.message_ids)
        )


class DeliveryState(Protocol):
    """Methods block. One process at a time delivers from a log."""

    def standing(self, destination_id: DestinationId) -> ConnectionStatus:
        """Raises `NotFound` for a destination that is gone."""

    def settle(self, changes: Sequence[Checkpoint]) -> Sequence[bool]:
        """All of them in one commit; durable on return. Tells of each whether it was kept, in order: those of a
        destination that is gone are dropped with it, and see `Checkpoint.since`.
        """

    def due(self, destination_id: DestinationId, now: float, *, limit: int, in_order: bool) -> Due:
        """What waits and whose time has come, the longest overdue first. `in_order`: of each user only the first that
        waits.
        """

    def held_up(self, destination_id: DestinationId) -> Mapping[str, int]:
        """The users of whom something waits, and how much."""

    def forget(self, before: datetime, *, limit: int) -> int:
        """Take away dead letters that failed before, and numbers beyond their time. Returns how many rows went."""

    def redrive(self, destination_id: DestinationId, selection: ReplaySelection, now: float) -> int:
        """Let dead letters wait for another attempt. Returns how many."""

    def queue(self, destination_id: DestinationId, late: Sequence[Undelivered]) -> int:
        """Let events wait for an attempt that a replay asks for. Left out are those that wait already, on
        their own or for a replay. Returns how many it took.
        """

    def queued(self, destination_id: DestinationId, replay: str) -> int:
        """How many of a replay's events still wait."""

    def of_message(self, message_id: str) -> Sequence[tuple[DestinationId, Undelivered]]:
        """Returns where a message waits or has failed, replays included, by destination and then replay."""


class Numbers(NamedTuple):
    """Of one connection, all that was ever counted."""

    standing: ConnectionStatus
    delivered: int
    filtered: int
    replayed: int
    """Sent again because somebody asked for it: none of the parts that add up to received."""
    latency_ms: Mapping[str, float | None]
    """From receipt to delivery: p50, p95, p99."""


class DeliveryProblem(NamedTuple):
    """What was not delivered under one code, with the newest sample."""

    result: str
    code: str
    total: int
    message_id: str
    at: datetime
    detail: str
    received: bytes
    """The sample, as the destination was to get it."""
    exchange: Exchange | None
    """What was sent and answered."""


class Grain(StrEnum):
    """Segment's; minutes are kept for two days, hours (of which days are made) for thirty days."""

    MINUTE = "MINUTE"
    HOUR = "HOUR"
    DAY = "DAY"

    @property
    def minutes(self) -> int:
        return {Grain.MINUTE: 1, Grain.HOUR: 60, Grain.DAY: 24 * 60}[self]


class Group(StrEnum):
    """What numbers are told apart by: Segment's names."""

    EVENT_NAME = "eventName"
    EVENT_TYPE = "eventType"
    DISCARD_REASON = "discardReason"


@dataclass(frozen=True)
class SeriesQuery:
    """Outcomes of one destination in `[since, until)`, and in what else there is of the grains at both ends."""

    destination_id: DestinationId
    results: Collection[Result]
    since: datetime
    until: datetime
    grain: Grain
    by: Sequence[Group] = ()
    only: Mapping[Group, Collection[str]] = field(default_factory=dict)


RECEIVED = "received"
"""The log's code for what was stored."""
FILTERED_AT_SOURCE = frozenset(
    ("unplanned", "schema_violation", "unplanned_and_schema_violation", "common_schema_violation", "event_setting")
)
"""Segment's codes for what a tracking plan keeps out; every other code failed on ingest."""


@dataclass(frozen=True)
class IngestSeriesQuery:
    """Asks what a source sent in a window, as `SeriesQuery` has it. Counts these codes; where none is named, every code
    of a refusal except `but`.
    """

    source_id: SourceId
    since: datetime
    until: datetime
    grain: Grain
    by: Sequence[Group] = ()
    """Nothing, or DISCARD_REASON alone."""
    codes: Collection[str] = ()
    but: Collection[str] = ()


class IngestNumbers(Protocol):
    """Blocks."""

    def ingest_series(self, asked: IngestSeriesQuery) -> Sequence["Series"]:
        """The largest first."""


class Series(NamedTuple):
    group: Mapping[Group, str]
    total: int
    points: Sequence[tuple[datetime, int]]
    """When the grain began, in order; those without any are left out."""


class DeliveryNumbers(Protocol):
    """Methods block."""

    def numbers(self, destination_id: DestinationId) -> Numbers:
        """Raises `NotFound`."""

    def problems(self, destination_id: DestinationId) -> Sequence[DeliveryProblem]:
        """The most frequent first."""

    def series(self, asked: SeriesQuery) -> Sequence[Series]:
        """The largest first."""
