"""Computes how much of the log is still needed, and counts the events that expire with it."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from tifo.delivery.ports import Checkpoint, DeliveryCursor, DeliveryState, Result
from tifo.delivery.sending.filters import LoggedEvent, event_of, unreadable_event
from tifo.delivery.sending.reading import DecodedBlock, decoded
from tifo.delivery.sending.stats import CountedNames, DeliveryStats, Moment
from tifo.destinations.ports import Event, Fate, Outcome
from tifo.eventlog.ports import EventLog, Lineage, read_on
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import START, Position, SourceId
from tifo.warehouses.ports import Cursor
from tifo.workspace.destinations import ConnectedDestination
from tifo.workspace.model import Source
from tifo.workspace.warehouses import ConnectedWarehouse, Sync, SyncStatus, Warehouses

_AT_ONCE = 5_000
_EXPIRED = Outcome(Fate.FAILED, "EXPIRED", "The event log forgot it before the destination took it (log_waits_days).")


def loaded_through(log: EventLog, cursors: Mapping[str, Cursor], sources: Sequence[Source]) -> Position:
    """Returns the position up to which every source's events are in the warehouse."""
    end = log.end()
    # A source that is gone from the catalog may have events that no warehouse has: its cursor counts like the others.
    known = {source.id for source in sources} | cursors.keys()
    return min((source_loaded_through(log, each, cursors.get(each), end) for each in known), default=end)


def begin_cursors(log: EventLog, state: DeliveryState, destinations: Iterable[ConnectedDestination]) -> None:
    """Begins destinations that no deliverer has begun in this log: it stores what they have not got."""
    begun = {cursor.destination_id for cursor in state.cursors()}
    for each in destinations:
        if each.id not in begun:
            # The destination may be gone by now
            with contextlib.suppress(NotFound):
                state.begin(each.id, log.before(each.created_at))


def delivered_through(log: EventLog, cursors: Iterable[DeliveryCursor]) -> Position:
    """Returns the position up to which every destination's events are settled."""
    end = log.end()
    waiting = (log.read(read_on(log, each.position), max_events=1, source_id=each.source_id) for each in cursors)
    return min((blocks[0].before for blocks in waiting if blocks), default=end)


def expire(log: EventLog, state: DeliveryState, cursors: Iterable[DeliveryCursor], through: Position) -> Position:
    """Counts events that leave the log before destinations have them, as failed with `EXPIRED`, and moves the
    destinations' cursors over them. Each step is one commit.

    Returns the position up to which all is counted: `through`, or less where a destination moved its cursor meanwhile.
    """
    return min((_expire_one(log, state, cursor, through) for cursor in cursors), default=through)


def _expire_one(log: EventLog, state: DeliveryState, cursor: DeliveryCursor, through: Position) -> Position:
    names, after = CountedNames(), cursor.position
    if log.lineage(after) is Lineage.AHEAD:
        return log.start()  # its deliverer has to begin anew, from the start
    while after < through:
        # Step by step: a destination that is far behind would fill the memory, and the state's write lock would be held
        # for long.
        blocks = log.read(after, max_events=_AT_ONCE, source_id=cursor.source_id)
        events = [event for block in blocks if block.before < through for event in _events(decoded(block))]
        events = [event for event in events if event.position <= through]
        if not events:
            break
        # The destination has moved its cursor meanwhile, or is gone: nothing beyond `after` is counted, so the log must
        # not be trimmed there.
        if state.settle([_expiry(state, cursor, names, events, after)]) != [True]:
            return after
        after = events[-1].position
    return through


def _expiry(
    state: DeliveryState, cursor: DeliveryCursor, names: CountedNames, events: Sequence[Event], after: Position
) -> Checkpoint:
    now, stats = Moment(system_clock()), DeliveryStats()
    for event in events:
        stats.count(event, names.name_for(event.name, now.minute), Result.FAILED, _EXPIRED, now)
    # A checkpoint replaces both columns: without them, a dead destination would look alive.
    status = state.status(cursor.destination_id)
    return stats.as_checkpoint(
        cursor.destination_id,
        position=events[-1].position,
        previous=after,
        received=len(events),
        dead_since=status.dead_since,
        dead_reason=status.dead_reason,
        expired=len(events),
    )


def expire_loads(
    log: EventLog,
    warehouses: Warehouses,
    connected: ConnectedWarehouse,
    sources: Sequence[Source],
    through: Position,
) -> None:
    """Counts events that leave the log before a warehouse has them, as a failed sync in its history."""
    # The warehouse may be away, so the positions count that its loader recorded last in the state.
    recorded = {each.source_id: each.position for each in warehouses.loads(connected.name, log.shard)}
    expired = []
    for source in sources:
        after = read_on(log, recorded.get(source.id, START))
        if not connected.takes(source.id) or after >= through:
            continue
        if events := log.behind(after, source.id, through=through):
            sync = _expired_sync(connected.name, source.id, events, through)
            expired.append(replace(sync, shard=log.shard))
    if expired:
        warehouses.record(expired)


def _expired_sync(warehouse: str, source_id: SourceId, events: int, through: Position) -> Sync:
    now = system_clock()
    return Sync(
        warehouse=warehouse,
        source_id=source_id,
        status=SyncStatus.FAILURE,
        started_at=now,
        finished_at=now,
        events=events,
        error=f"EXPIRED: the event log forgot {events:,} events before they were loaded (log_waits_days).",
        position=through,
        failed=events,
    )


def _events(block: DecodedBlock) -> Iterator[Event]:
    for position, line, message in zip(block.positions, block.lines, block.messages, strict=True):
        if message is not None:
            yield event_of(LoggedEvent(position, block.received_at, message, line))
        else:
            yield unreadable_event(position, block.received_at, line)


def source_loaded_through(log: EventLog, source_id: str, cursor: Cursor | None, end: Position) -> Position:
    """Returns the position up to which one source's events are in the warehouse: `end` where none of them waits."""
    after = read_on(log, cursor.position) if cursor else START
    # A quiet source has an old cursor and no events after it: it must hold nothing back.
    waiting = log.read(after, max_events=1, source_id=SourceId(source_id))
    return waiting[0].before if waiting else end
