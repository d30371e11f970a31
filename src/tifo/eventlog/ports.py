"""The event log's contract.

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
    """What one request brings: appended whole, or (on an error) not at all."""

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
    """The position of the block's first event; the n-th has `first + n`."""
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
    """Durable, replayable, deduplicated by (source, message id). Methods block; call them off the event loop.

    One process at a time appends to an embedded log (a second one gets `Transient`); any number read.
    """

    def append(self, batch: Sequence[Append]) -> list[Appended]:
        """Store every accepted message that is new, and count the refused ones, in one commit.

        All is durable (fsynced) on return. A message whose (source, message id) came within the dedup window
        (at least 24 hours by `received_at`, across restarts), or earlier in the same batch, is counted as a
        duplicate and not stored. The n-th result belongs to the n-th request. Raises `Transient` where the
        disk refuses (full, read-only): then nothing of the batch is stored.
        """

    def read(self, after: Position, *, max_events: int, source_id: SourceId | None = None) -> list[Block]:
        """Blocks that follow `after`, in order, of at most `max_events` events in all (a block is cut as needed).

        With `source_id` other sources' events are skipped without being decoded. Positions below `start()` are
        gone: reading starts at what is left.
        """

    def count(self, after: Position, source_id: SourceId, *, through: Position | None = None) -> int:
        """How many events of the source follow `after`, up to `through` where one is given."""

    def start(self) -> Position:
        """The lowest position still held, less one (0 for a log that was never trimmed)."""

    def end(self) -> Position:
        """The highest durable position (0 for an empty log)."""

    def older(self, before: datetime) -> Position:
        """The position up to which `trim` could forget what was received before `before`."""

    def trim(self, *, before: datetime, keep_after: Position) -> int:
        """Forget whole segments received before `before` and not above `keep_after`, and give their disk space
        back. Returns the number of bytes freed. The dedup window is kept whatever is trimmed.
        """

    def ingest_counts(self) -> list[IngestCount]:
        """How many messages each source sent, by outcome, since the log began."""

    def close(self) -> None: ...
