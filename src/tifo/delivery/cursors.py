"""Reads from a warehouse how far it has loaded one log."""

from collections.abc import Callable, Mapping

from tifo.eventlog.ports import EventLog, read_on
from tifo.kernel.ids import NO_SHARD, START, Position, Shard, SourceId
from tifo.warehouses.ports import Cursor


def loaded_cursors(positions: Callable[[Shard], Mapping[str, Cursor]], log: EventLog) -> Mapping[str, Cursor]:
    """Returns each source's cursor in this log, by a warehouse's `positions` or `committed_positions`.

    Raises `Transient` where it cannot be asked.
    """
    unnamed = positions(NO_SHARD) if log.names_old_positions else {}
    return {**unnamed, **positions(log.shard)}


def source_position(log: EventLog, source_id: SourceId | str, cursors: Mapping[str, Cursor]) -> Position:
    """Returns the position to read a source on from; `START` for one that was never loaded."""
    cursor = cursors.get(source_id)
    return START if cursor is None else read_on(log, cursor.position)
