"""Decodes the log's blocks, once for all connections that read the same ones."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from tifo.eventlog.ports import Block, EventLog, Lineage, read_on
from tifo.kernel.ids import Position, SourceId

CACHE_BYTES = 32 << 20


class LoggedMessage(msgspec.Struct, gc=False, rename="camel"):
    """Decodes the fields of a canonical message that delivery needs."""

    type: str
    message_id: str
    event: Any = None
    name: Any = None
    user_id: str | None = None
    anonymous_id: str | None = None
    integrations: Any = None

    @property
    def title(self) -> str:
        """The name that people know it by: a track's event, a page's or screen's name; else empty."""
        title = self.event if self.type == "track" else self.name
        return title if isinstance(title, str) else ""


class DecodedBlock(NamedTuple):
    """Holds one decoded block; the n-th line and message have the n-th position."""

    positions: Sequence[Position]
    received_at: float
    """Seconds since 1970, as `Event` has it."""
    lines: Sequence[bytes]
    messages: Sequence[LoggedMessage | None]
    """None for a line that is no canonical message (a fault of Tifo's own)."""

    @property
    def last(self) -> Position:
        return self.positions[-1]


_decoder = msgspec.json.Decoder(LoggedMessage)


class SharedReader:
    """Caches the newest decoded blocks, up to `cache_bytes`. Methods block, and are called from several threads."""

    def __init__(self, log: EventLog, cache_bytes: int = CACHE_BYTES) -> None:
        self._log = log
        self._cache_bytes = cache_bytes
        self._cached: OrderedDict[tuple[Position, int], DecodedBlock] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def read(self, after: Position, source_id: SourceId, *, limit: int) -> list[DecodedBlock]:
        """Reads as the log's `read` does."""
        with self._lock:
            # Decoded under the lock: a second connection that wants the same blocks waits, and finds them decoded.
            return [self._decoded(block) for block in self._log.read(after, max_events=limit, source_id=source_id)]

    def end(self) -> Position:
        with self._lock:
            return self._log.end()

    def lineage(self, position: Position) -> Lineage:
        with self._lock:
            return self._log.lineage(position)

    def read_on(self, position: Position) -> Position:
        """Returns the position to read on from, as `eventlog.ports.read_on` does."""
        with self._lock:
            return read_on(self._log, position)

    def before(self, moment: datetime) -> Position:
        with self._lock:
            return self._log.before(moment)

    def _decoded(self, block: Block) -> DecodedBlock:
        key = block.positions[0], block.size
        known = self._cached.get(key)
        if known is None:
            known = self._cached[key] = decoded(block)
            self._bytes += len(block.bodies)
            # The newest block stays, however large: else each connection would decode it again.
            while self._bytes > self._cache_bytes and len(self._cached) > 1:
                _, oldest = self._cached.popitem(last=False)
                # The newlines count, as they did in `bodies`.
                self._bytes -= sum(map(len, oldest.lines)) + len(oldest.lines)
        return known


def decoded(block: Block) -> DecodedBlock:
    lines = block.bodies.split(b"\n")[: block.size]
    return DecodedBlock(block.positions, block.received_at.timestamp(), lines, _decode(block.bodies, lines))


def _decode(bodies: bytes, lines: Sequence[bytes]) -> Sequence[LoggedMessage | None]:
    try:
        return _decoder.decode_lines(bodies)  # all lines at once: several times as quick as one by one
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        # One line that is no message, or is nested too deep, must not hide the others of its block.
        return [_decode_one(line) for line in lines]


def _decode_one(line: bytes) -> LoggedMessage | None:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
