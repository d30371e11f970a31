"""Defines the event log's contract.

A position numbers the events of one log from 1, without gaps, in the order in which they became durable.
Readers keep their own position: "read after P" gives events P+1, P+2, …; a reader that has handled
everything up to and including P stores P.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from tifo.kernel.ids import Position, SourceId
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
    """Neighbouring events of one source."""

    first: Position
    """The first event's position; the event at index n has `first + n`."""
    size: int
    source_id: SourceId
    received_at: datetime
    bodies: bytes
    """`size` canonical messages, each followed by a newline."""


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


class EventLog(Protocol):
    """Stores events durably, each (source, message id) once, to be read again and again. Methods block; call them
    off the event loop.

    One process at a time appends to an embedded log (a second one gets `Transient`); any number read.
    """

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

    def count(self, after: Position, source_id: SourceId, *, through: Position | None = None) -> int:
        """Counts the events of the source that follow `after`, up to `through` where one is given."""

    def start(self) -> Position:
        """Returns the lowest position that is stored, less one (0 for a log that was never trimmed)."""

    def end(self) -> Position:
        """Returns the highest durable position (0 for an empty log)."""

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
