"""Defines delivery's contracts: how far each connection has come, which events are not delivered, and the numbers.

A connection is a cursor over the log. An event of its source at or before the cursor was delivered or filtered, unless
it is among the `Undelivered`: those wait for their next attempt, or are dead letters and keep their payload.
Delivered events leave no row.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

from tifo.destinations.ports import Event, Exchange
from tifo.eventlog.ports import IngestCount
from tifo.kernel.ids import DestinationId, Position, Shard, SourceId

MAX_HISTORY = 40
"""The attempts that an event's history holds: the first and the newest 39. Four hours of retries make about 30."""

UndeliveredKey = tuple[Position, str]
"""(position, replay): names one `Undelivered` of a destination."""


class Result(StrEnum):
    """Names the outcomes that events are counted under. Delivered, filtered and failed add up to received, with those
    that wait; retried and replayed stand beside them.
    """

    DELIVERED = "delivered"
    FILTERED = "filtered"
    FAILED = "failed"
    RETRIED = "retried"
    """An attempt failed and will be made again."""
    REPLAYED = "replayed"
    """The event was delivered once more, for a replay."""


class UndeliveredState(StrEnum):
    WAITING = "waiting"
    FAILED = "failed"


class Attempt(msgspec.Struct, frozen=True, gc=False):
    at: datetime
    code: str
    detail: str
    took_s: float


# Thousands are in memory at once. They hold no circles, so `gc=False` keeps Python's collector from visiting them.
class Undelivered(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An event that one destination has not accepted: it waits for its next attempt, or is a dead letter."""

    event: Event
    state: UndeliveredState
    first_at: datetime
    """When the first attempt was made; the time that it is retried for runs from here."""
    next_at: datetime | None
    """When the next attempt is due; None for a dead letter."""
    attempts: int
    history: Sequence[Attempt]
    code: str
    detail: str
    exchange: Exchange | None = None
    replay: str = ""
    """The replay that asked for it; empty for the event's own delivery."""

    @property
    def key(self) -> UndeliveredKey:
        return self.event.position, self.replay


class Counted(NamedTuple):
    """Says what one number counts."""

    minute: int
    """Minutes since 1970, when the outcome was known."""
    type: str
    name: str
    result: Result
    code: str


class LatencyBucket(NamedTuple):
    """Names a bucket of delivery times: `bucket` is `latency.bucket_of` of the seconds from receipt."""

    minute: int
    bucket: int


class Sample(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Shows the newest event with this result and code."""

    result: Result
    code: str
    message_id: str
    at: datetime
    received: bytes
    detail: str
    exchange: Exchange | None


@dataclass(frozen=True)
class Checkpoint:
    """Holds all that one connection has done since its last checkpoint. It is stored as a whole or not at all."""

    destination_id: DestinationId
    _: KW_ONLY
    position: Position | None = None
    """The cursor, where it moved."""
    received: int = 0
    """Events of the source that the cursor moved over."""
    undelivered: Sequence[Undelivered] = ()
    """New ones, and known ones after another attempt."""
    settled: Sequence[UndeliveredKey] = ()
    """Keys of events that waited and are now delivered or filtered."""
    counts: Mapping[Counted, int] = field(default_factory=dict)
    latencies: Mapping[LatencyBucket, int] = field(default_factory=dict)
    samples: Sequence[Sample] = ()
    dead_since: datetime | None = None
    """Since when the destination accepts nothing; None while it is alive."""
    dead_reason: str = ""
    previous: Position | None = None
    """The cursor that this was found from. Where another process has moved it meanwhile, the checkpoint is refused."""
    expired: int = 0
    """Received events that failed and are not among the undelivered."""


class ConnectionStatus(NamedTuple):
    """Says how far a connection has come, in one log or (in `Numbers`) in all of them together."""

    start: Position
    """The first cursor in the log: earlier events are not meant for the connection. `START` before `begin`."""
    position: Position
    """The cursor in the log. `START` in the sums of several logs."""
    received: int
    waiting: int
    failed: int
    expired: int
    """Failed events that are stored no more, as their retention or the log's was over."""
    dead_since: datetime | None
    dead_reason: str


class DeliveryCursor(NamedTuple):
    destination_id: DestinationId
    source_id: SourceId
    position: Position


class Due(NamedTuple):
    undelivered: Sequence[Undelivered]
    waiting: int
    """All that wait, also those that are not due yet."""


class ReplaySelection(NamedTuple):
    """Selects events to send again: those that meet every condition given."""

    since: datetime | None = None
    """Received at or after it."""
    until: datetime | None = None
    """Received before it."""
    names: Collection[str] = ()
    """Names of tracks, pages and screens."""
    users: Collection[str] = ()
    message_ids: Collection[str] = ()

    def matches(self, event: Event) -> bool:
        return (
            (self.since is None or self.since.timestamp() <= event.received_at)
            and (self.until is None or event.received_at < self.until.timestamp())
            and (not self.names or event.name in self.names)
            and (not self.users or event.user in self.users)
            and (not self.message_ids or event.message_id in self.message_ids)
        )


class DeliveryState(Protocol):
    """Stores cursors and undelivered events of one log. Methods block. One process at a time delivers from a log; any
    others read, redrive, queue and expire meanwhile. Several logs may share the state: each has cursors of its own,
    and its undelivered events are its own deliverer's to send.

    Methods that take a destination's id raise `NotFound` for one that is gone.
    """

    def begin(self, destination_id: DestinationId, start: Position) -> None:
        """Makes the destination's cursor in this log, where it has none: earlier events are not meant for it."""

    def status(self, destination_id: DestinationId) -> ConnectionStatus:
        """Returns how far the connection has come; `waiting` and `failed` leave replays out."""

    def cursors(self) -> Sequence[DeliveryCursor]:
        """Returns the cursor of every destination that has one in this log, in no order. The log stores what lies
        beyond the least of them.
        """

    def settle(self, changes: Sequence[Checkpoint]) -> Sequence[bool]:
        """Stores the checkpoints in one commit; they are durable on return.

        The n-th answer says whether the n-th checkpoint was stored. It was not where its destination is gone, or its
        cursor is no longer at `Checkpoint.previous`; the others are stored all the same.
        """

    def due(self, destination_id: DestinationId, now: datetime, *, limit: int, in_order: bool) -> Due:
        """Returns waiting events whose time has come, the longest overdue first. `in_order` returns of each user only
        the earliest waiting event, as soon as it is due itself.
        """

    def waiting_by_user(self, destination_id: DestinationId) -> Mapping[str, int]:
        """Counts waiting events by user; users of whom none waits are left out."""

    def of_message(self, message_id: str) -> Sequence[tuple[DestinationId, Undelivered]]:
        """Returns where a message of any log waits or has failed, replays included, by destination and then replay."""

    def redrive(self, destination_id: DestinationId, selection: ReplaySelection, now: datetime) -> int:
        """Makes dead letters of every log wait for another attempt, due at once. Their history stays; the time that
        they are retried for begins anew. Returns how many.
        """

    def queue(self, destination_id: DestinationId, events: Sequence[Undelivered]) -> int:
        """Stores events that wait for a replay's attempt. Leaves out events that wait already, for their own delivery
        or for a replay. Returns how many were stored.
        """

    def queued(self, destination_id: DestinationId, replay: str) -> int:
        """Returns how many of a replay's events still wait; 0 for a destination that is gone."""

    def expire_dead_letters(self, before: datetime, *, limit: int) -> int:
        """Deletes dead letters of every log whose last attempt was made before; at most `limit` of them, those of all
        destinations together. They are counted as `expired`, but for a replay's. Returns how many rows were deleted.
        """

    def expire_numbers(self, now: datetime) -> None:
        """Deletes the numbers of minutes and hours that are past their retention (see `Grain`). Totals stay."""


class Numbers(NamedTuple):
    """Holds the totals of one connection since it was made, of every log together."""

    status: ConnectionStatus
    delivered: int
    filtered: int
    replayed: int
    """Sent again for a replay: none of the parts that add up to received."""
    latency_ms: Mapping[str, float | None]
    """From receipt to delivery: p50, p95, p99."""


class DeliveryProblem(NamedTuple):
    """Counts the events with one result and code, and shows the newest."""

    result: str
    code: str
    total: int
    message_id: str
    at: datetime
    detail: str
    received: bytes
    """The sample, in the form that the destination was to get."""
    exchange: Exchange | None
    """The request and its answer."""


class Grain(StrEnum):
    """Segment's granularities. Minutes are stored for two days; hours, of which days are made, for thirty days."""

    MINUTE = "MINUTE"
    HOUR = "HOUR"
    DAY = "DAY"

    @property
    def minutes(self) -> int:
        return {Grain.MINUTE: 1, Grain.HOUR: 60, Grain.DAY: 24 * 60}[self]


class Group(StrEnum):
    """Segment's names for what numbers are grouped by."""

    EVENT_NAME = "eventName"
    EVENT_TYPE = "eventType"
    DISCARD_REASON = "discardReason"


@dataclass(frozen=True)
class SeriesQuery:
    """Asks for outcomes of one destination in `[since, until)`. The grains at both ends count whole."""

    destination_id: DestinationId
    _: KW_ONLY
    results: Collection[Result]
    since: datetime
    until: datetime
    grain: Grain
    by: Sequence[Group] = ()
    only: Mapping[Group, Collection[str]] = field(default_factory=dict)


class Series(NamedTuple):
    group: Mapping[Group, str]
    total: int
    points: Sequence[tuple[datetime, int]]
    """(when the grain began, number), in order; grains without any are left out."""


class DeliveryNumbers(Protocol):
    """Reads what connections have counted. Methods block."""

    def numbers(self, destination_id: DestinationId) -> Numbers:
        """Returns the totals, which never expire. Raises `NotFound` for a destination that is gone."""

    def problems(self, destination_id: DestinationId) -> Sequence[DeliveryProblem]:
        """Returns what was not delivered, by result and code, the most frequent first."""

    def series(self, asked: SeriesQuery) -> Sequence[Series]:
        """Returns one series for each group that counted anything, the largest first. Raises `NotFound` for a
        destination that is gone.
        """


@dataclass(frozen=True)
class IngestSeriesQuery:
    """Asks for what a source sent in a window, as `SeriesQuery` has it. Counts `codes`; where there are none, every
    code of a refusal except `excluded_codes`.
    """

    source_id: SourceId
    _: KW_ONLY
    since: datetime
    until: datetime
    grain: Grain
    by: Sequence[Group] = ()
    """Nothing, or DISCARD_REASON alone."""
    codes: Collection[str] = ()
    excluded_codes: Collection[str] = ()


class IngestNumbers(Protocol):
    """Counts over time what sources sent: the log itself has totals only. Methods block."""

    def note(self, shard: Shard, counts: Sequence[IngestCount], now: datetime) -> None:
        """Adds what the log's totals grew by since its last note, under the minute of `now`.

        The first note of a log adds nothing: nobody knows when those events came. A total that shrank is that of a log
        restored from a backup, and counts on from there. Deletes numbers that are past their retention.
        """

    def totals(self) -> Mapping[Shard, Mapping[tuple[SourceId, str], int]]:
        """Returns each log's totals at its last note, by source and code."""

    def ingest_series(self, asked: IngestSeriesQuery) -> Sequence[Series]:
        """Returns one series for each group that counted anything, the largest first."""
