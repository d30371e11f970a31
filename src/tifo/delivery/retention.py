"""How much of the log nobody needs any more."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from tifo.delivery.ports import DeliveryCursor, DeliveryState, Result
from tifo.delivery.sending.filters import LoggedEvent, event_of
from tifo.delivery.sending.reading import DecodedBlock, decoded
from tifo.delivery.sending.stats import DeliveryStats, Names
from tifo.destinations.ports import Event, Fate, Outcome
from tifo.eventlog.ports import EventLog
from tifo.kernel.clock import system_clock
from tifo.kernel.ids import Position, SourceId
from tifo.warehouses.ports import Cursor
from tifo.workspace.model import Source
from tifo.workspace.warehouses import ConnectedWarehouse, Sync, SyncStatus, Warehouses

_AT_ONCE = 5_000
_EXPIRED = Outcome(Fate.FAILED, "EXPIRED", "The event log forgot it before the destination took it (log_waits_days).")


def loaded_through(log: EventLog, cursors: Mapping[str, Cursor], sources: Sequence[Source]) -> Position:
    """The position up to which every source's events are in the warehouse.

    A source that is quiet has an old cursor and nothing after it: it holds nothing back. A source that is gone from the
    catalog holds back what its cursor does not cover.
    """
    end = log.end()
    known = {source.id for source in sources} | cursors.keys()
    return min((_through(log, source_id, cursors.get(source_id), end) for source_id in known), default=end)


def delivered_through(log: EventLog, cursors: Iterable[DeliveryCursor]) -> Position:
    """The position up to which every destination's events are settled."""
    end = log.end()
    waiting = (log.read(each.position, max_events=1, source_id=each.source_id) for each in cursors)
    return min((Position(blocks[0].first - 1) for blocks in waiting if blocks), default=end)


def expire(log: EventLog, state: DeliveryState, cursors: Iterable[DeliveryCursor], through: Position) -> Position:
    """Count what the log forgets before destinations have it: as failed, `EXPIRED`. Their cursors move along, in steps
    of which each is complete.

    Returns the position up to which all is counted: `through`, or less where a destination came to move meanwhile.
    """
    return min((_given_up(log, state, cursor, through) for cursor in cursors), default=through)


def _given_up(log: EventLog, state: DeliveryState, cursor: DeliveryCursor, through: Position) -> Position:
    names, after = Names(), cursor.position
    while after < through:
        found = log.read(after, max_events=min(_AT_ONCE, through - after), source_id=cursor.source_id)
        blocks = [block for block in found if block.first <= through]
        events = [event for block in blocks for event in _events(decoded(block)) if event.position <= through]
        if not events:
            break
        now, findings = system_clock().timestamp(), DeliveryStats()
        for event in events:
            findings.count(event, names.of(event.name, int(now // 60)), Result.FAILED, _EXPIRED, now)
        standing = state.standing(cursor.destination_id)
        change = findings.as_change(
            cursor.destination_id,
            position=events[-1].position,
            received=len(events),
            dead_since=standing.dead_since,
            dead_reason=standing.dead_reason,
            since=after,
        )
        if state.settle([replace(change, forgotten=len(events))]) != [True]:
            return after
        after = events[-1].position
    return through


def expire_loads(
    log: EventLog,
    warehouses: Warehouses,
    connected: ConnectedWarehouse,
    sources: Sequence[Source],
    through: Position,
) -> None:
    """The same for a warehouse, by what its loader noted last: it may be away. It stands in the history of syncs."""
    noted = {each.source_id: each.position for each in warehouses.loads(connected.name)}
    missed, now = [], system_clock()
    for source in sources:
        after = noted.get(source.id, Position(0))
        if connected.takes(source.id) and (events := log.count(after, source.id, through=through)):
            missed.append(
                Sync(
                    warehouse=connected.name,
                    source_id=source.id,
                    status=SyncStatus.FAILURE,
                    started_at=now,
                    finished_at=now,
                    events=events,
                    error=f"EXPIRED: the event log forgot {events:,} events before they were loaded (log_waits_days).",
                    position=through,
                    failed=events,
                )
            )
    if missed:
        warehouses.record(missed)


def _events(block: DecodedBlock) -> Iterator[Event]:
    for number, (line, message) in enumerate(zip(block.lines, block.messages, strict=True)):
        position = Position(block.first + number)
        if message is None:
            yield Event(position, "", "", "", "", block.received_at, line)
        else:
            yield event_of(LoggedEvent(position, block.received_at, message, line))


def _through(log: EventLog, source_id: str, cursor: Cursor | None, end: Position) -> Position:
    after = cursor.position if cursor else Position(0)
    waiting = log.read(after, max_events=1, source_id=SourceId(source_id))
    return Position(waiting[0].first - 1) if waiting else end
