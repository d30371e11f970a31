"""Defines the event log's contract.

A log is one shard: a sequence of events in the order in which they became durable. A position names an event's place
in it; positions are ordered and opaque, and a shard's id names the log that a position is of. Readers keep their own
position: "read after P" gives the events behind P, and a reader that has handled everything up to and including P
stores (shard, P).
"""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import NamedTuple, Protocol, cast

from tifo.kernel.ids import START, Position, Shard, SourceId
from tifo.tracking.envelope import Message, Refused


class Append(NamedTuple):
    """The messages of one request: appended as a whole, or (on an error) not at all."""

    source_id: SourceId
    received_at: datetime
    accepted: Sequence[Message]
    refused: Sequence[Refused] = ()


class Appended(NamedTuple):
    stored: int
    duplicates: int


class Block(NamedTuple):
    """Neighbouring events of one source, at least one."""

    positions: Sequence[Position]
    """The n-th event's position; they rise."""
    source_id: SourceId
    received_at: datetime
    bodies: bytes
    """One canonical message for each position, each followed by a newline."""

    @property
    def size(self) -> int:
        return len(self.positions)

    @property
    def last(self) -> Position:
        """The position of a reader that has handled the block."""
        return self.positions[-1]

    @property
    def before(self) -> Position:
        """The position of a reader that has handled all that lies in front of the block."""
        return Position(self.positions[0] - 1)


def consecutive(first: int, size: int) -> Sequence[Position]:
    """Returns `size` positions without gaps, from `first` on."""
    return cast("Sequence[Position]", range(first, first + size))


RECEIVED, DUPLICATE = "received", "duplicate"
"""The log's own codes: events that it stored, and those that it had already."""


class IngestCount(NamedTuple):
    source_id: SourceId
    code: str
    """`received` (stored), `duplicate`, or a code that Segment lists under "failed on ingest"."""
    total: int
    sample: bytes | None
    """The newest refused message of this code, as it was sent (cut at 2,048 bytes)."""
    detail: str | None


class Lineage(Enum):
    """Says whether a stored position can have been taken from a log with this history.

    A log that is restored from a backup has the shard of the one that it was copied from. What that one appended after
    the backup is not in it, and positions that readers stored meanwhile may lie there.
    """

    OWN = "own"
    """The log holds the position, or held it before retention deleted it."""
    FORKED = "forked"
    """The log does not hold the position, and every event that the reader has not handled lies behind it."""
    AHEAD = "ahead"
    """The log does not hold the position, and may append events in front of it: reading on from there would pass
    over them.
    """


class EventLog(Protocol):
    """Stores events durably, each (source, message id) once, to be read again and again. Methods block; call them
    off the event loop.

    One process at a time appends to an embedded log (a second one gets `Transient`); any number read.
    """

    @property
    def shard(self) -> Shard:
        """The id of the log whose positions these are; `NO_SHARD` before its first writer has opened it."""

    @property
    def names_old_positions(self) -> bool:
        """Says whether positions under `NO_SHARD`, which an earlier version stored, are of this log."""

    def append(self, batch: Sequence[Append]) -> list[Appended]:
        """Stores every accepted message that is new, and counts the refused ones, in one commit.

        Everything is durable (fsynced) on return. A message whose (source, message id) came within the dedup window
        (at least 24 hours by `received_at`, across restarts), or earlier in the same batch, is counted as a
        duplicate and not stored. The n-th result belongs to the n-th request. Raises `Transient` where the
        disk refuses (full, read-only): then nothing of the batch is stored.
        """

    def read(self, after: Position, *, max_events: int, source_id: SourceId | None = None) -> list[Block]:
        """Returns the blocks that follow `after`, in order, with at most `max_events` events in all.

        A block that `after` or the limit divides is cut. With `source_id` the events of other sources are skipped
        without being decoded. Positions up to `start()` are trimmed: reading begins at the first event that is left.
        """

    def behind(self, after: Position, source_id: SourceId | None = None, *, through: Position | None = None) -> int:
        """Returns how many events, of one source or of all, a reader has before it that has handled `after`.

        With `through` only those up to there: a difference of two answers would count what comes in between.
        """

    def lineage(self, position: Position) -> Lineage:
        """Says whether a stored position of this shard is of this log's history; `START` always is."""

    def before(self, moment: datetime) -> Position:
        """Returns the position of the last event that was received before `moment`; `START` where none is stored."""

    def start(self) -> Position:
        """Returns the position in front of the first event that is stored; `START` for a log that was never trimmed."""

    def end(self) -> Position:
        """Returns the position of the last durable event (`START` for an empty log)."""

    def older(self, before: datetime) -> Position:
        """Returns the position up to which `trim` could delete events received before `before`."""

    def trim(self, *, before: datetime, keep_after: Position) -> int:
        """Deletes whole segments whose events were received before `before` and are not above `keep_after`.

        Returns the number of bytes that the disk has again. Duplicates of trimmed events are still recognised within
        the dedup window.
        """

    def ingest_counts(self) -> list[IngestCount]:
        """Counts the messages of each source by outcome, since the log began."""

    def close(self) -> None: ...


def read_on(log: EventLog, position: Position) -> Position:
    """Returns the position to read on from, for a reader that stored this one: `START` where nothing else is safe."""
    return START if log.lineage(position) is Lineage.AHEAD else position
