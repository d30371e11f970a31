"""How much of the log nobody needs any more."""

from collections.abc import Iterable, Mapping, Sequence

from tifo.eventlog.ports import EventLog
from tifo.kernel.ids import Position, SourceId
from tifo.warehouses.ports import Cursor
from tifo.workspace.model import Source


def loaded_through(log: EventLog, cursors: Mapping[str, Cursor], sources: Sequence[Source]) -> Position:
    """The position up to which every source's events are in the warehouse.

    A source that is quiet has an old cursor and nothing after it: it holds nothing back. A source that is gone from the
    catalog holds back what its cursor does not cover.
    """
    end = log.end()
    known = {source.id for source in sources} | cursors.keys()
    return min((_through(log, source_id, cursors.get(source_id), end) for source_id in known), default=end)


def delivered_through(log: EventLog, cursors: Iterable[tuple[SourceId, Position]]) -> Position:
    """The position up to which every destination's events are settled; each names its source and its cursor."""
    end = log.end()
    waiting = (log.read(after, max_events=1, source_id=source_id) for source_id, after in cursors)
    return min((Position(blocks[0].first - 1) for blocks in waiting if blocks), default=end)


def _through(log: EventLog, source_id: str, cursor: Cursor | None, end: Position) -> Position:
    after = cursor.position if cursor else Position(0)
    waiting = log.read(after, max_events=1, source_id=SourceId(source_id))
    return Position(waiting[0].first - 1) if waiting else end
