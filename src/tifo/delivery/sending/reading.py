"""The log's blocks taken apart, once for all connections that read the same ones."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from tifo.eventlog.ports import Block, EventLog
from tifo.kernel.ids import Position, SourceId

CACHE_BYTES = 32 << 20


class LoggedMessage(msgspec.Struct, gc=False, rename="camel"):
    """What delivery needs to know of a canonical message."""

    type: str
    message_id: str
    event: Any = None
    name: Any = None
    user_id: str | None = None
    anonymous_id: str | None = None
    integrations: Any = None

    @property
    def title(self) -> str:
        """A track's event, a page's or screen's name; else empty."""
        title = self.event if self.type == "track" else self.name
        return title if isinstance(title, str) else ""


class DecodedBlock(NamedTuple):
    """One block; the n-th line and message have the position `first + n`."""

    first: Position
    received_at: float
    lines: Sequence[bytes]
    messages: Sequence[LoggedMessage | None]
    """None for what is no canonical message (a fault of Tifo's own)."""

    @property
    def last(self) -> Position:
        return Position(self.first + len(self.lines) - 1)


_decoder = msgspec.json.Decoder(LoggedMessage)


class SharedReader:
    """Keeps the newest blocks taken apart, at most `most_bytes` of them. Blocks; used from several threads."""

    def __init__(self, log: EventLog, most_bytes: int = CACHE_BYTES) -> None:
        self._log = log
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[Position, int], DecodedBlock] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def read(self, after: Position, source_id: SourceId, *, limit: int) -> list[DecodedBlock]:
        """As the log's `read`."""
        with self._lock:
            return [self._opened(block) for block in self._log.read(after, max_events=limit, source_id=source_id)]

    def end(self) -> Position:
        with self._lock:
            return self._log.end()

    def start(self) -> Position:
        with self._lock:
            return self._log.start()

    def _opened(self, block: Block) -> DecodedBlock:
        key = block.first, block.size
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = decoded(block)
            self._bytes += len(block.bodies)
            while self._bytes > self._most_bytes and len(self._kept) > 1:
                _, gone = self._kept.popitem(last=False)
                self._bytes -= sum(map(len, gone.lines)) + len(gone.lines)
        return found


def decoded(block: Block) -> DecodedBlock:
    lines = block.bodies.split(b"\n")[: block.size]
    return DecodedBlock(block.first, block.received_at.timestamp(), lines, _decode(block.bodies, lines))


def _decode(bodies: bytes, lines: Sequence[bytes]) -> Sequence[LoggedMessage | None]:
    try:
        return _decoder.decode_lines(bodies)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return [_decode_one(line) for line in lines]


def _decode_one(line: bytes) -> LoggedMessage | None:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
