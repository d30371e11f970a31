"""Track events for tests of operations: appended to a log, and loaded from it into a warehouse."""

import json
from collections.abc import Collection
from datetime import UTC, datetime

from tifo.eventlog.ports import Append, EventLog
from tifo.kernel.clock import to_iso
from tifo.kernel.ids import MessageId, Position, SourceId
from tifo.tracking.envelope import Message
from tifo.warehouses.messages import convert
from tifo.warehouses.ports import Load, Warehouse
from tifo.workspace.model import Source
from tifo.workspace.warehouses import Sync, SyncStatus

AT = datetime(2026, 11, 24, 10, tzinfo=UTC)


def track(message_id: str, event: str = "Goal", **properties: object) -> Message:
    at = to_iso(AT)
    body = {
        "type": "track",
        "event": event,
        "messageId": message_id,
        "userId": "fan-1",
        "context": {},
        "properties": properties,
        "timestamp": at,
        "originalTimestamp": at,
        "receivedAt": at,
    }
    return Message(MessageId(message_id), json.dumps(body).encode())


def append(log: EventLog, source_id: SourceId, *messages: Message, at: datetime = AT) -> None:
    log.append([Append(source_id, at, messages)])


def load(log: EventLog, warehouse: Warehouse, source: Source, only: Collection[str] | None = None) -> None:
    """Loads all that the log holds of the source and the warehouse does not; with `only`, rows of these tables."""
    held = warehouse.positions(log.shard).get(source.id)
    after = held.position if held else Position(0)
    blocks = log.read(after, max_events=10_000, source_id=source.id)
    converted = convert(b"".join(block.bodies for block in blocks))
    tables = {name: rows for name, rows in converted.tables.items() if only is None or name in only}
    rows = Load(source.id, source.schema, after, log.end(), tables=tables, discards=converted.discards, shard=log.shard)
    warehouse.load([rows])


def sync(source_id: SourceId | None, *, events: int = 1, error: str | None = None) -> Sync:
    """A load of the built-in warehouse, or its failure where there is an error."""
    return Sync(
        warehouse="duckdb",
        source_id=source_id,
        status=SyncStatus.SUCCESS if error is None else SyncStatus.FAILURE,
        started_at=AT,
        finished_at=AT,
        events=events,
        rows={"goal": events} if error is None else {},
        error=error,
    )
