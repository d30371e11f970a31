"""Event logs: what this node notes of its own, what the other nodes noted of theirs, and how much is behind readers."""

import socket
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tifo.delivery.logs import STALE_S, LogNotice, NotedLog, destination_reader, warehouse_reader
from tifo.eventlog.ports import EventLog, read_on
from tifo.kernel.errors import Conflict, NotFound
from tifo.kernel.ids import NO_SHARD, START, DestinationId, Position, Shard, SourceId
from tifo.operations.backend import Backend
from tifo.workspace.destinations import ConnectedDestination
from tifo.workspace.warehouses import every_warehouse

_BOUNDARY = timedelta(seconds=60)
"""Events received up to so long after the log's oldest one count as incomplete: it may have lost some that came with
them.
"""


def note(backend: Backend, log: EventLog, path: str) -> None:
    """Notes this node's log: what its sources sent, and how much is behind each of its readers."""
    if log.shard == NO_SHARD:
        return
    now = backend.clock()
    backend.ingest_numbers.note(log.shard, log.ingest_counts(), now)
    backend.logs.note(
        NotedLog(
            shard=log.shard,
            host=socket.gethostname(),
            path=path,
            seen_at=now,
            complete_since=complete_since(log, now),
            backlog=backlog(backend, log),
        )
    )


def listed(backend: Backend) -> Sequence[NotedLog]:
    """Returns the logs that are not forgotten, the one that was seen last first."""
    return [each for each in backend.logs.all() if each.path]


def notices(backend: Backend) -> Sequence[LogNotice]:
    """Returns the newest first."""
    return backend.logs.notices()


def is_open(log: NotedLog, now: datetime) -> bool:
    """Says whether a node has noted the log a moment ago."""
    return (now - log.seen_at).total_seconds() < STALE_S


def others(backend: Backend, shard: Shard) -> Sequence[NotedLog]:
    """Returns the logs of other nodes, as those noted them last."""
    return [each for each in backend.logs.all() if each.shard != shard]


def backlog(backend: Backend, log: EventLog) -> Mapping[str, int]:
    """Counts the events of this log that are behind each destination and each warehouse's source."""
    begun = delivered_positions(backend)
    counted = {
        destination_reader(each.id): delivery_backlog(log, each, begun.get(each.id))
        for each in backend.destinations.all()
    }
    known = backend.catalog.sources()
    for warehouse in every_warehouse(backend.warehouses.connected()):
        loaded = {each.source_id: each.position for each in backend.warehouses.loads(warehouse.name, log.shard)}
        for source in known:
            if warehouse.takes(source.id):
                position = read_on(log, loaded.get(source.id, START))
                counted[warehouse_reader(warehouse.name, source.id)] = log.behind(position, source.id)
    return {reader: events for reader, events in counted.items() if events}


def delivered_positions(backend: Backend) -> Mapping[DestinationId, Position]:
    """Returns how far each destination that a deliverer has begun has come in this node's log."""
    return {cursor.destination_id: cursor.position for cursor in backend.deliveries.cursors()}


def delivery_backlog(log: EventLog, destination: ConnectedDestination, position: Position | None) -> int:
    """Counts the events of this log that the destination has not come to. Before its deliverer begins (None), events
    that were received before the destination was added are not meant for it.
    """
    after = log.before(destination.created_at) if position is None else read_on(log, position)
    return log.behind(after, destination.source_id)


def complete_since(log: EventLog, now: datetime, source_id: SourceId | None = None) -> datetime | None:
    """Returns the time since which the log holds every event of the source; None where it holds all there ever were."""
    if log.start() == START:
        return None
    blocks = log.read(log.start(), max_events=1, source_id=source_id)
    return (blocks[0].received_at if blocks else now) + _BOUNDARY


def every_complete_since(backend: Backend, log: EventLog, source_id: SourceId) -> datetime | None:
    """Returns the time since which the logs of all nodes together hold every event of the source.

    None where they hold all there ever were. What a log that is gone has received is in none of them.
    """
    now = backend.clock()
    elsewhere = [
        each.complete_since if is_open(each, now) else each.seen_at + _BOUNDARY for each in others(backend, log.shard)
    ]
    times = [complete_since(log, now, source_id), *elsewhere]
    return max((each for each in times if each is not None), default=None)


def find(backend: Backend, shard: str) -> NotedLog:
    """Finds a log by its id or the start of it. Raises `NotFound`."""
    found = [each for each in listed(backend) if each.shard.startswith(shard)]
    if len(found) != 1:
        known = ", ".join(each.shard for each in listed(backend)) or "none"
        raise NotFound(f"shard {shard!r:.60} names no log, or several. Known are {known}.", field="shard")
    return found[0]


def forget(backend: Backend, shard: str) -> NotedLog:
    """Drops a log that is gone for good: what was behind its readers is lost, and is not shown as waiting any more.

    Raises `NotFound`, and `Conflict` for a log that is open.
    """
    found = find(backend, shard)
    if is_open(found, backend.clock()):
        raise Conflict(f"The log {found.shard} is open on {found.host}. Stop that node first.", field="shard")
    backend.logs.forget(found.shard)
    return found
