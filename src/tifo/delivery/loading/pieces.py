"""Converts neighbouring events of one source to rows, and halves them to find a culprit. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from tifo.delivery.loading.earlier import Earlier
from tifo.delivery.loading.progress import SourceProgress
from tifo.eventlog.ports import Block
from tifo.kernel.clock import to_iso
from tifo.kernel.ids import Position
from tifo.warehouses.budgets import MAX_TABLES
from tifo.warehouses.logged import discard_message
from tifo.warehouses.messages import Converted, convert
from tifo.warehouses.ports import Discard, Load, Table
from tifo.warehouses.selected import WITHHELD, SyncSelection, admitted, selected
from tifo.warehouses.source_naming import SourceNaming


class Piece(NamedTuple):
    progress: SourceProgress
    blocks: Sequence[Block]
    position: Position
    """The source's position once the piece is loaded."""

    @property
    def events(self) -> int:
        return sum(block.size for block in self.blocks)

    @property
    def bytes(self) -> int:
        return sum(len(block.bodies) for block in self.blocks)


class Wanted(NamedTuple):
    """Says which messages, tables and columns of a source a warehouse gets."""

    names: Collection[str] = ()
    """Names of the warehouse that messages may use in their `integrations`."""
    selection: SyncSelection | None = None
    """None for all tables and columns."""
    max_tables: int = MAX_TABLES


class Prepared(NamedTuple):
    """Holds a piece converted to rows."""

    piece: Piece
    tables: Mapping[str, Table]
    discards: Sequence[Discard]
    left_out: Mapping[str, int]
    notices: Sequence[str] = ()
    """Sentences for people, beside those of the warehouse."""
    late: Collection[str] = ()
    """Tables that the load makes, with events that came before their name got one."""

    @property
    def withheld(self) -> int:
        return self.left_out.get(WITHHELD, 0)

    @property
    def failed(self) -> int:
        """Messages that were discarded whole."""
        return sum(each.table is None for each in self.discards)

    @property
    def load(self) -> Load:
        """The load as the warehouse wants it, which goes on from what the source has committed now."""
        progress = self.piece.progress
        return Load(
            connection=progress.source_id,
            shard=progress.shard,
            schema=progress.schema,
            after=progress.committed,
            position=self.piece.position,
            tables=self.tables,
            discards=self.discards,
        )


ALL = Wanted()


def prepared(
    piece: Piece, wanted: Wanted = ALL, naming: SourceNaming | None = None, earlier: Earlier | None = None
) -> Prepared:
    """Converts the events to rows. Without events the load only moves the position.

    Rows of `earlier` events come into the tables that `naming` calls late, and into no other.
    """
    naming = naming or SourceNaming.alone()
    # All blocks at once: each table becomes one set of columns, however many blocks there are.
    bodies, withheld = admitted(b"".join(block.bodies for block in piece.blocks), wanted.names)
    before = admitted(earlier.bodies, wanted.names)[0] if earlier else b""
    converted = convert(before + bodies, piece.progress.tables, wanted.max_tables, naming)
    if before:
        converted = _without_earlier(converted, before.count(b"\n"), naming.late)
    left_out: Mapping[str, int] = {}
    if wanted.selection is not None:
        converted, left_out = selected(converted, wanted.selection)
    if withheld:
        left_out = {**left_out, WITHHELD: withheld}
    notices = [*naming.notices(), *(_earlier_notices(earlier, naming.late) if earlier else ())]
    return Prepared(piece, converted.tables, converted.discards, left_out, notices, tuple(naming.late))


def _without_earlier(converted: Converted, events: int, late: Collection[str]) -> Converted:
    """Drops what the first events, which are rows of `tracks` since their own load, give beside the late tables."""
    tracks = converted.tables["tracks"]
    ids = set(tracks.rows["id"].slice(0, events).to_pylist())
    discards = [each for each in converted.discards if each.table in late or each.message_id not in ids]
    return Converted({**converted.tables, "tracks": replace(tracks, rows=tracks.rows.slice(events))}, discards)


def _earlier_notices(earlier: Earlier, late: Collection[str]) -> Sequence[str]:
    notices = [f"table {name} gets {earlier.counts.get(name, 0):,} earlier events from the event log" for name in late]
    if not earlier.is_whole:
        notices.append(f"more may be in tracks only: tifo warehouse resync loads what the log has of {', '.join(late)}")
    return notices


def discarded(piece: Piece, reason: str) -> Prepared:
    """Discards the piece's only event whole, instead of making rows of it."""
    (block,) = piece.blocks
    discard = discard_message(block.bodies.rstrip(b"\n"), reason)
    if discard.received_at is None:
        # A message that cannot be read has no `receivedAt`; its block has.
        discard = discard._replace(received_at=to_iso(block.received_at))
    return Prepared(piece, {}, [discard], {})


def halves(piece: Piece) -> tuple[Piece, Piece]:
    """Halves a piece of at least two events."""
    events = [event for block in piece.blocks for event in _single_events(block)]
    middle = len(events) // 2
    first, second = events[:middle], events[middle:]
    # The second half ends where the piece does, which may be beyond its last event: other sources' events follow.
    return Piece(piece.progress, first, first[-1].last), Piece(piece.progress, second, piece.position)


def _single_events(block: Block) -> list[Block]:
    lines = block.bodies.split(b"\n")[: block.size]
    return [
        block._replace(positions=block.positions[number : number + 1], bodies=line + b"\n")
        for number, line in enumerate(lines)
    ]
