"""Stores checkpoints: the cursor moves in the same transaction as everything that was found on the way."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, and_, case, func, select, text, update

from tifo.delivery.ports import Checkpoint, ConnectionStatus, DeliveryCursor, UndeliveredState
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import DestinationId, Position, SourceId
from tifo.store.delivery.numbers import count_rows, latency_rows, sample_row
from tifo.store.delivery.undelivered import undelivered_row
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import upsert_each, without_nul
from tifo.store.sql.times import maybe_micros, maybe_moment

_U, _C = t.undelivered.c, t.delivery_cursors.c


def read_cursors(connection: Connection) -> list[DeliveryCursor]:
    d = t.destinations.c
    query = select(d.id, d.source_id, _C.position).join(t.destinations, d.id == _C.destination_id)
    return [
        DeliveryCursor(DestinationId(row.id), SourceId(row.source_id), Position(row.position))
        for row in connection.execute(query)
    ]


def require_destination(connection: Connection, destination_id: DestinationId) -> Any:
    """Returns the cursor's row. Raises `NotFound`."""
    row = connection.execute(select(t.delivery_cursors).where(_C.destination_id == destination_id)).first()
    if row is None:
        raise NotFound(
            f"There is no destination {destination_id!r:.100}. See `tifo destination list`.", field="destination"
        )
    return row


def read_status(connection: Connection, destination_id: DestinationId) -> ConnectionStatus:
    """Raises `NotFound`."""
    row = require_destination(connection, destination_id)
    # A replay's events were received once already: counted again, the parts would add up to more than was received.
    own = and_(_U.destination_id == destination_id, _U.replay == "")
    waiting = func.coalesce(func.sum(case((_U.state == UndeliveredState.WAITING.value, 1), else_=0)), 0)
    failed = func.coalesce(func.sum(case((_U.state == UndeliveredState.FAILED.value, 1), else_=0)), 0)
    counted = connection.execute(select(waiting.label("waiting"), failed.label("failed")).where(own)).one()
    return ConnectionStatus(
        start=Position(row.start),
        position=Position(row.position),
        received=row.received,
        waiting=int(counted.waiting),
        failed=int(counted.failed),
        expired=row.forgotten,
        dead_since=maybe_moment(row.dead_since),
        dead_reason=row.dead_reason,
    )


def store(connection: Connection, changes: Sequence[Checkpoint]) -> list[bool]:
    """Stores the checkpoints whose destination is there and whose cursor has not moved; says which."""
    cursors = select(_C.destination_id, _C.position)
    # Under the write lock: no process moves a cursor between this look and the updates below.
    known = {row.destination_id: row.position for row in connection.execute(cursors)}
    # `previous` is None where a checkpoint moves no cursor.
    holds = [each.destination_id in known and each.previous in {None, known[each.destination_id]} for each in changes]
    valid = [change for change, is_valid in zip(changes, holds, strict=True) if is_valid]
    for change in valid:
        _move_cursor(connection, change)
    _delete_settled(connection, valid)
    upsert_each(
        connection, t.undelivered, [undelivered_row(c.destination_id, each) for c in valid for each in c.undelivered]
    )
    upsert_each(
        connection, t.delivery_samples, [sample_row(c.destination_id, each) for c in valid for each in c.samples]
    )
    upsert_each(
        connection, t.delivery_counts, [row for change in valid for row in count_rows(change)], adding=["total"]
    )
    upsert_each(
        connection, t.delivery_latencies, [row for change in valid for row in latency_rows(change)], adding=["total"]
    )
    return holds


def _move_cursor(connection: Connection, change: Checkpoint) -> None:
    moved: dict[str, Any] = {
        "received": _C.received + change.received,
        # The column has the name of earlier versions; the contract calls it `expired`.
        "forgotten": _C.forgotten + change.expired,
        "dead_since": maybe_micros(change.dead_since),
        "dead_reason": without_nul(change.dead_reason),
    }
    if change.position is not None:
        moved["position"] = change.position
    own = _C.destination_id == change.destination_id
    connection.execute(update(t.delivery_cursors).where(own).values(moved))


def _delete_settled(connection: Connection, changes: Sequence[Checkpoint]) -> None:
    keys = list(_settled_keys(changes))
    if keys:
        delete = "DELETE FROM undelivered WHERE destination_id = :d AND position = :p AND replay = :r"
        connection.execute(text(delete), keys)


def _settled_keys(changes: Sequence[Checkpoint]) -> Iterator[dict[str, Any]]:
    for change in changes:
        for position, replay in change.settled:
            yield {"d": change.destination_id, "p": position, "r": replay}
