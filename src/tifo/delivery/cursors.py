"""Reads from a warehouse how far it has loaded one log."""

from collections.abc import Mapping

from tifo.eventlog.ports import EventLog, read_on
from tifo.kernel.ids import NO_SHARD, START, Position, SourceId
from tifo.warehouses.ports import Cursor, Warehouse


def loaded_cursors(warehouse: Warehouse, log: EventLog) -> Mapping[str, Cursor]:
    """Returns the warehouse's cursor of each source in this log. Raises `Transient` where it cannot be asked."""
    unnamed = warehouse.positions(NO_SHARD) if log.names_old_positions else {}
    return {**unnamed, **warehouse.positions(log.shard)}


def source_position(log: EventLog, source_id: SourceId | str, cursors: Mapping[str, Cursor]) -> Position:
    """Returns the position to read a source on from; `START` for one that was never loaded."""
    cursor = cursors.get(source_id)
    return START if cursor is None else read_on(log, cursor.position)
