"""Neighbouring events of one source on their way into a warehouse, and how they are taken apart to find a culprit."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tifo.eventlog.ports import Block
from tifo.kernel.clock import to_iso
from tifo.kernel.ids import Position, SourceId
from tifo.warehouses.messages import MAX_TABLES, convert, discard_message
from tifo.warehouses.ports import Discard, Load, Table
from tifo.warehouses.selected import WITHHELD, SyncSelection, admitted, selected


@dataclass
class SourceProgress:
    """How far one source has come."""

    source_id: SourceId
    schema: str
    committed: Position
    """What the warehouse holds."""
    read: Position
    """What the loader has read: ahead of `committed` during a load, and where only other sources' events follow."""
    tables: frozenset[str] = frozenset()
    """What the schema has: these go on getting rows when a source sends more names than there is room for."""


class Piece(NamedTuple):
    cursor: SourceProgress
    blocks: Sequence[Block]
    position: Position
    """The cursor's position once the piece is loaded."""

    @property
    def events(self) -> int:
        return sum(block.size for block in self.blocks)


class Wanted(NamedTuple):
    """What a warehouse takes of a source."""

    names: Collection[str] = ()
    """What messages may call the warehouse in their `integrations`."""
    taken: SyncSelection | None = None
    """None for all tables and columns."""
    max_tables: int = MAX_TABLES


class Prepared(NamedTuple):
    """A piece as rows."""

    piece: Piece
    tables: Mapping[str, Table]
    discards: Sequence[Discard]
    left_out: Mapping[str, int]

    @property
    def withheld(self) -> int:
        return self.left_out.get(WITHHELD, 0)

    @property
    def failed(self) -> int:
        """Messages that were set aside whole."""
        return sum(each.table is None for each in self.discards)

    @property
    def load(self) -> Load:
        """To go on from what the cursor has committed now."""
        cursor = self.piece.cursor
        return Load(cursor.source_id, cursor.schema, cursor.committed, self.piece.position, self.tables, self.discards)


ALL = Wanted()


def prepared(piece: Piece, wanted: Wanted = ALL) -> Prepared:
    """The events as rows. Without events the load only moves the cursor."""
    bodies, withheld = admitted(b"".join(block.bodies for block in piece.blocks), wanted.names)
    converted = convert(bodies, piece.cursor.tables, wanted.max_tables)
    left_out: Mapping[str, int] = {}
    if wanted.taken is not None:
        converted, left_out = selected(converted, wanted.taken)
    if withheld:
        left_out = {**left_out, WITHHELD: withheld}
    return Prepared(piece, converted.tables, converted.discards, left_out)


def discarded(piece: Piece, reason: str) -> Prepared:
    """The piece's only event is set aside, whole, instead of making rows of it."""
    (block,) = piece.blocks
    discard = discard_message(block.bodies.rstrip(b"\n"), reason)
    if discard.received_at is None:
        discard = discard._replace(received_at=to_iso(block.received_at))
    return Prepared(piece, {}, [discard], {})


def halves(piece: Piece) -> tuple[Piece, Piece]:
    """Of a piece of at least two events."""
    events = [event for block in piece.blocks for event in _single_events(block)]
    middle = len(events) // 2
    first, second = events[:middle], events[middle:]
    return Piece(piece.cursor, first, first[-1].first), Piece(piece.cursor, second, piece.position)


def _single_events(block: Block) -> list[Block]:
    lines = block.bodies.split(b"\n")[: block.size]
    return [
        Block(Position(block.first + number), 1, block.source_id, block.received_at, line + b"\n")
        for number, line in enumerate(lines)
    ]
