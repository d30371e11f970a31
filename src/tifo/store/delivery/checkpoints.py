"""Stores checkpoints: the cursor moves in the same transaction as everything that was found on the way."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, insert, select, text, update

from tifo.delivery.ports import Checkpoint, ConnectionStatus, DeliveryCursor, UndeliveredState
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import START, DestinationId, LogPosition, Position, Shard, SourceId
from tifo.store.delivery.numbers import count_rows, latency_rows, sample_row
from tifo.store.delivery.undelivered import undelivered_row
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import upsert_each, without_nul
from tifo.store.sql.times import maybe_micros, maybe_moment

_U, _C = t.undelivered.c, t.delivery_cursors.c


def read_cursors(connection: Connection, shard: Shard) -> list[DeliveryCursor]:
    d = t.destinations.c
    query = select(d.id, d.source_id, _C.position).join(t.destinations, d.id == _C.destination_id)
    query = query.where(_C.shard == shard)
    return [
        DeliveryCursor(DestinationId(row.id), SourceId(row.source_id), Position(row.position))
        for row in connection.execute(query)
    ]


def begin(connection: Connection, destination_id: DestinationId, shard: Shard, start: Position) -> None:
    require_destination(connection, destination_id)
    if not connection.execute(select(_C.position).where(_own(destination_id, shard))).first():
        connection.execute(insert(t.delivery_cursors), cursor_row(destination_id, LogPosition(shard, start)))


def cursor_row(destination_id: DestinationId, start: LogPosition) -> dict[str, Any]:
    """Returns the row of a cursor that has not moved yet."""
    numbers = {"start": start.position, "position": start.position, "received": 0, "forgotten": 0}
    return {"destination_id": destination_id, "shard": start.shard, **numbers, "dead_reason": ""}


def require_destination(connection: Connection, destination_id: DestinationId) -> None:
    """Raises `NotFound`."""
    known = select(t.destinations.c.id).where(t.destinations.c.id == destination_id)
    if connection.execute(known).first() is None:
        raise NotFound(
            f"There is no destination {destination_id!r:.100}. See `tifo destination list`.", field="destination"
        )


def read_status(connection: Connection, destination_id: DestinationId, shard: Shard) -> ConnectionStatus:
    """Raises `NotFound`."""
    require_destination(connection, destination_id)
    row = connection.execute(select(t.delivery_cursors).where(_own(destination_id, shard))).first()
    waiting, failed = _undelivered(connection, _U.destination_id == destination_id, _U.shard == shard)
    return ConnectionStatus(
        start=START if row is None else Position(row.start),
        position=START if row is None else Position(row.position),
        received=0 if row is None else row.received,
        waiting=waiting,
        failed=failed,
        expired=0 if row is None else row.forgotten,
        dead_since=None if row is None else maybe_moment(row.dead_since),
        dead_reason="" if row is None else row.dead_reason,
    )


def read_sum(connection: Connection, destination_id: DestinationId) -> ConnectionStatus:
    """Sums the status over every log. Raises `NotFound`."""
    require_destination(connection, destination_id)
    rows = connection.execute(select(t.delivery_cursors).where(_C.destination_id == destination_id)).all()
    waiting, failed = _undelivered(connection, _U.destination_id == destination_id)
    # Each node has its own view of the destination; the one that has seen it fail for longest tells why.
    dead = min((row for row in rows if row.dead_since is not None), key=lambda row: row.dead_since, default=None)
    return ConnectionStatus(
        start=START,
        position=START,
        received=sum(row.received for row in rows),
        waiting=waiting,
        failed=failed,
        expired=sum(row.forgotten for row in rows),
        dead_since=None if dead is None else maybe_moment(dead.dead_since),
        dead_reason="" if dead is None else dead.dead_reason,
    )


def _undelivered(connection: Connection, *of: ColumnElement[bool]) -> tuple[int, int]:
    """Counts those that wait, and dead letters."""
    # A replay's events were received once already: counted again, the parts would add up to more than was received.
    own = and_(*of, _U.replay == "")
    waiting = func.coalesce(func.sum(case((_U.state == UndeliveredState.WAITING.value, 1), else_=0)), 0)
    failed = func.coalesce(func.sum(case((_U.state == UndeliveredState.FAILED.value, 1), else_=0)), 0)
    counted = connection.execute(select(waiting.label("waiting"), failed.label("failed")).where(own)).one()
    return int(counted.waiting), int(counted.failed)


def store(connection: Connection, shard: Shard, changes: Sequence[Checkpoint]) -> list[bool]:
    """Stores the checkpoints whose destination is there and whose cursor has not moved; says which."""
    cursors = select(_C.destination_id, _C.position).where(_C.shard == shard)
    # Under the write lock: no process moves a cursor between this look and the updates below.
    known = {row.destination_id: row.position for row in connection.execute(cursors)}
    # `previous` is None where a checkpoint moves no cursor.
    holds = [each.destination_id in known and each.previous in {None, known[each.destination_id]} for each in changes]
    valid = [change for change, is_valid in zip(changes, holds, strict=True) if is_valid]
    for change in valid:
        _move_cursor(connection, shard, change)
    _delete_settled(connection, shard, valid)
    rows = [undelivered_row(change.destination_id, shard, each) for change in valid for each in change.undelivered]
    upsert_each(connection, t.undelivered, rows)
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


def _own(destination_id: DestinationId, shard: Shard) -> ColumnElement[bool]:
    return and_(_C.destination_id == destination_id, _C.shard == shard)


def _move_cursor(connection: Connection, shard: Shard, change: Checkpoint) -> None:
    moved: dict[str, Any] = {
        "received": _C.received + change.received,
        # The column has the name of earlier versions; the contract calls it `expired`.
        "forgotten": _C.forgotten + change.expired,
        "dead_since": maybe_micros(change.dead_since),
        "dead_reason": without_nul(change.dead_reason),
    }
    if change.position is not None:
        moved["position"] = change.position
    connection.execute(update(t.delivery_cursors).where(_own(change.destination_id, shard)).values(moved))


def _delete_settled(connection: Connection, shard: Shard, changes: Sequence[Checkpoint]) -> None:
    keys = [{**key, "s": shard} for key in _settled_keys(changes)]
    if keys:
        delete = "DELETE FROM undelivered WHERE destination_id = :d AND shard = :s AND position = :p AND replay = :r"
        connection.execute(text(delete), keys)


def _settled_keys(changes: Sequence[Checkpoint]) -> Iterator[dict[str, Any]]:
    for change in changes:
        for position, replay in change.settled:
            yield {"d": change.destination_id, "p": position, "r": replay}
