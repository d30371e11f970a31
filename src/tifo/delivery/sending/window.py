"""Holds the events that were read from the log and are not committed, and moves the cursor over them."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from tifo.delivery.sending.stats import DeliveryStats
from tifo.kernel.ids import Position

WINDOW_EVENTS, WINDOW_BYTES = 10_000, 16 << 20
"""Bounds of the window, and so of memory: the log keeps what comes after it."""
COMMIT_EARLY_EVENTS = WINDOW_EVENTS // 4
"""The number of settled events that are committed without delay: else they would fill the window."""


@dataclass(eq=False, kw_only=True, slots=True)
class Chunk:
    """Holds neighbouring events of the log. The cursor moves over them together, once each has an outcome."""

    last: Position
    events: int
    bytes: int
    unsettled: int
    """Events without an outcome."""
    stats: DeliveryStats = field(default_factory=DeliveryStats)


class Progress(NamedTuple):
    """Holds the part of the window that one checkpoint commits."""

    position: Position
    received: int
    bytes: int
    stats: DeliveryStats


class ReadWindow:
    """Holds the chunks in the log's order, and the stats of events that have outcomes and are not committed.

    `on_much_done` is called when enough can be committed that it should not wait for its time.
    """

    def __init__(self, position: Position, on_much_done: Callable[[], None]) -> None:
        self.cursor = position
        """Every event of the source up to here has an outcome."""
        self.read_to = position
        self.stats = DeliveryStats()
        self._on_much_done = on_much_done
        self._chunks: deque[Chunk] = deque()
        self._events = 0
        self._bytes = 0
        self._received = 0
        self._received_bytes = 0

    @property
    def room(self) -> int:
        """The number of events that may be read; 0 where the window is full."""
        return 0 if self._bytes >= WINDOW_BYTES else max(0, WINDOW_EVENTS - self._events)

    @property
    def received(self) -> int:
        """Events that the cursor moved over since the last checkpoint."""
        return self._received

    def add(self, chunk: Chunk) -> None:
        self._chunks.append(chunk)
        self._events += chunk.events
        self._bytes += chunk.bytes

    def advance(self) -> None:
        """Moves the cursor over the chunks that are settled, up to the first that is not."""
        while self._chunks and not self._chunks[0].unsettled:
            chunk = self._chunks.popleft()
            self.stats.add(chunk.stats)
            self._received += chunk.events
            self._received_bytes += chunk.bytes
            self.cursor = chunk.last
        if not self._chunks:  # other sources' events may follow, up to where the log was read
            self.cursor = max(self.cursor, self.read_to)
        if self._received >= COMMIT_EARLY_EVENTS:
            self._on_much_done()

    def take(self) -> Progress:
        """Returns what is to be committed; from now on the window collects for the checkpoint after it."""
        progress = Progress(self.cursor, self._received, self._received_bytes, self.stats)
        self.stats, self._received, self._received_bytes = DeliveryStats(), 0, 0
        return progress

    def committed(self, progress: Progress) -> None:
        """Makes room for as much as was committed."""
        # Settled events make no room before: their stats and undelivered events are still in memory.
        self._events -= progress.received
        self._bytes -= progress.bytes
