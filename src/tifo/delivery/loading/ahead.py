"""Reads and converts what comes next in the log while the load before is committed."""

from collections.abc import Callable, Sequence

from tifo.delivery.loading.earlier import EarlierEvents
from tifo.delivery.loading.naming import SourceNamings
from tifo.delivery.loading.pieces import Piece, Prepared, Wanted, prepared
from tifo.delivery.loading.progress import SourceProgress
from tifo.eventlog.ports import Block, EventLog
from tifo.kernel.ids import Position, SourceId

FLUSH_BYTES = 64 << 20
READ_EVENTS = 5_000
LEAST_EVENTS = 1_000


class PieceReader:
    """Reads one flush of the log: at most `flush_events` events and about `FLUSH_BYTES`, of all sources together."""

    def __init__(self, log: EventLog, flush_events: int) -> None:
        self._log = log
        self._flush_events = flush_events

    def read(self, sources: Sequence[SourceProgress], end: Position, *, failures: int = 0) -> list[Piece]:
        """Reads the next piece of each source, those furthest behind first, and moves their `read`.

        Each failure in a row halves the number of events: a smaller load may get through where a larger one does not.
        """
        # A smaller load may get through where a larger one does not, for its time or its memory.
        room = max(LEAST_EVENTS, self._flush_events >> failures)
        room_bytes = FLUSH_BYTES
        pieces = []
        # Sources share the room of one flush: those in front would leave none to those behind, and the log keeps what
        # the last of them has not loaded.
        for progress in sorted(sources, key=lambda each: each.read):
            blocks = self._read_one(progress, end, room, room_bytes)
            piece = Piece(progress, blocks, progress.read)
            room -= piece.events
            room_bytes -= piece.bytes
            pieces.append(piece)
        return pieces

    def _read_one(self, progress: SourceProgress, end: Position, room: int, room_bytes: int) -> list[Block]:
        """Reads one source. The last read may exceed the bytes by its own size, which the number of events bounds."""
        blocks: list[Block] = []
        while room > 0 and room_bytes > 0:
            read = self._log.read(progress.read, max_events=min(room, READ_EVENTS), source_id=progress.source_id)
            if not read:
                # `end` was asked for before this read: what came since lies beyond it, so no event of the source is
                # passed over.
                progress.read = max(progress.read, end)
                break
            blocks += read
            progress.read = read[-1].last
            room -= sum(block.size for block in read)
            room_bytes -= sum(len(block.bodies) for block in read)
        return blocks


class PieceConverter:
    """Converts pieces to rows. `wanted` says what the warehouse wants of a source."""

    def __init__(
        self,
        wanted: Callable[[SourceId], Wanted],
        namings: SourceNamings | None = None,
        earlier: EarlierEvents | None = None,
    ) -> None:
        self._wanted = wanted
        self._namings = namings or SourceNamings()
        self._earlier = earlier

    def convert(self, pieces: Sequence[Piece]) -> list[Prepared]:
        ready = [self._prepared(piece) for piece in pieces]
        for each in ready:
            # Where the tables are not made after all, the load fails, and progress is read anew from the warehouse.
            # Late ones are there once they are committed: until then each load brings their earlier events along.
            each.piece.progress.tables |= each.tables.keys() - set(each.late)
        return ready

    def _prepared(self, piece: Piece) -> Prepared:
        progress, wanted = piece.progress, self._wanted(piece.progress.source_id)
        naming = self._namings.of(progress)
        ready = prepared(piece, wanted, naming)
        if not naming.late or self._earlier is None:
            return ready
        first = piece.blocks[0]
        # A warehouse that reads the log from its start gives the events their table as they come.
        waited = {name: table for name, table in naming.late.items() if table.first_at < first.received_at}
        if not waited:
            return ready
        earlier = self._earlier.find(progress.source_id, waited, first.before)
        return prepared(piece, wanted, naming, earlier) if earlier.counts or not earlier.is_whole else ready


class ReadAhead:
    """Holds the pieces that were read and converted during the commit before."""

    def __init__(self, log: EventLog, reader: PieceReader, converter: PieceConverter) -> None:
        self._log = log
        self._reader = reader
        self._converter = converter
        self._ready: list[Prepared] = []

    def __bool__(self) -> bool:
        return bool(self._ready)

    def prepare(self, sources: Sequence[SourceProgress], *, failures: int = 0) -> None:
        """Prepares the next flush, unless it is ready."""
        if not self._ready:
            pieces = self._reader.read(sources, self._log.end(), failures=failures)
            self._ready = self._converter.convert(pieces)

    def take(self) -> list[Prepared]:
        ready, self._ready = self._ready, []
        return ready

    def drop(self) -> None:
        """Drops what is ready: it will be read again."""
        self._ready = []
