"""Reads and writes undelivered events: those that wait for an attempt, and dead letters."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, select, update

from tifo.delivery.ports import Attempt, Due, ReplaySelection, Undelivered, UndeliveredState
from tifo.destinations.ports import Event, Exchange
from tifo.kernel.ids import DestinationId, Position, Shard
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import Row, upsert_each, without_nul
from tifo.store.sql.times import from_micros, maybe_micros, maybe_moment, to_micros

_U, _C = t.undelivered.c, t.delivery_cursors.c
_WAITING, _FAILED = UndeliveredState.WAITING.value, UndeliveredState.FAILED.value


class _StoredAttempt(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An attempt as the column `history` holds it: a JSON array, `at` in seconds since 1970."""

    at: float
    code: str
    detail: str
    took_s: float


_exchange = msgspec.json.Decoder(Exchange)
_history = msgspec.json.Decoder(tuple[_StoredAttempt, ...])


def read_due(
    connection: Connection, destination_id: DestinationId, shard: Shard, now: datetime, *, limit: int, in_order: bool
) -> Due:
    waiting = _waiting(destination_id, shard)
    due = select(t.undelivered).where(waiting, _U.next_at <= to_micros(now))
    if in_order:
        due = due.where(~_earlier_of_user(destination_id, shard))
    rows = connection.execute(due.order_by(_U.next_at, _U.position).limit(limit)).all()
    total = connection.execute(select(func.count()).where(waiting)).scalar_one()
    return Due([read_undelivered(row) for row in rows], total)


def _waiting(destination_id: DestinationId, shard: Shard) -> ColumnElement[bool]:
    return and_(_U.destination_id == destination_id, _U.shard == shard, _U.state == _WAITING)


def _earlier_of_user(destination_id: DestinationId, shard: Shard) -> Any:
    earlier = t.undelivered.alias()
    return exists().where(
        earlier.c.destination_id == destination_id,
        earlier.c.shard == shard,
        earlier.c.state == _WAITING,
        earlier.c.user == _U.user,
        # Events without a user have no order among them.
        earlier.c.user != "",
        earlier.c.position < _U.position,
    )


def waiting_by_user(connection: Connection, destination_id: DestinationId, shard: Shard) -> Mapping[str, int]:
    waiting = _waiting(destination_id, shard)
    rows = connection.execute(select(_U.user, func.count().label("n")).where(waiting).group_by(_U.user))
    return {row.user: int(row.n) for row in rows}


def read_of_message(connection: Connection, message_id: str) -> list[tuple[DestinationId, Undelivered]]:
    query = select(t.undelivered).where(_U.message_id == without_nul(message_id)).order_by(_U.destination_id, _U.replay)
    return [(DestinationId(row.destination_id), read_undelivered(row)) for row in connection.execute(query)]


def redrive(connection: Connection, destination_id: DestinationId, selection: ReplaySelection, now: datetime) -> int:
    chosen = [_U.destination_id == destination_id, _U.state == _FAILED, *_conditions(selection)]
    # Zero attempts let the time that the event is retried for begin anew (see the settler).
    again = {"state": _WAITING, "attempts": 0, "first_at": to_micros(now), "next_at": to_micros(now)}
    return connection.execute(update(t.undelivered).where(*chosen).values(again)).rowcount


def _conditions(selection: ReplaySelection) -> list[Any]:
    conditions: list[Any] = []
    if selection.since is not None:
        conditions.append(_U.received_at >= to_micros(selection.since))
    if selection.until is not None:
        conditions.append(_U.received_at < to_micros(selection.until))
    for column, values in (
        (_U.name, selection.names),
        (_U.user, selection.users),
        (_U.message_id, selection.message_ids),
    ):
        if values:
            conditions.append(column.in_([without_nul(value) for value in values]))
    return conditions


def queue(
    connection: Connection, destination_id: DestinationId, shard: Shard, undelivered: Sequence[Undelivered]
) -> int:
    positions = [each.event.position for each in undelivered]
    waiting = select(_U.position).where(_waiting(destination_id, shard), _U.position.in_(positions))
    known = set(connection.execute(waiting).scalars())
    fresh = [each for each in undelivered if each.event.position not in known]
    upsert_each(connection, t.undelivered, [undelivered_row(destination_id, shard, each) for each in fresh])
    return len(fresh)


def count_queued(connection: Connection, destination_id: DestinationId, shard: Shard, replay: str) -> int:
    own = and_(_waiting(destination_id, shard), _U.replay == replay)
    return int(connection.execute(select(func.count()).where(own)).scalar_one())


def expire(connection: Connection, before: datetime, limit: int) -> int:
    key = (_U.destination_id, _U.shard, _U.position, _U.replay)
    old = select(*key).where(_U.state == _FAILED, _U.tried_at < to_micros(before))
    rows = connection.execute(old.order_by(_U.tried_at).limit(limit)).all()
    # Row by row, as each is counted at its own destination's cursor.
    for row in rows:
        connection.execute(delete(t.undelivered).where(*(column == row[n] for n, column in enumerate(key))))
        # A replay's event was received once already.
        if not row.replay:
            cursor = and_(_C.destination_id == row.destination_id, _C.shard == row.shard)
            connection.execute(update(t.delivery_cursors).where(cursor).values(forgotten=_C.forgotten + 1))
    return len(rows)


def undelivered_row(destination_id: DestinationId, shard: Shard, undelivered: Undelivered) -> Row:
    event = undelivered.event
    tried_at = undelivered.history[-1].at if undelivered.history else undelivered.first_at
    return {
        "destination_id": destination_id,
        "shard": shard,
        "position": event.position,
        "replay": undelivered.replay,
        "state": undelivered.state.value,
        "message_id": without_nul(event.message_id),
        "type": without_nul(event.type),
        "name": without_nul(event.name),
        "user": without_nul(event.user),
        # Rounded: cutting off would move the time by a microsecond with each attempt that is stored.
        "received_at": int(event.received_at * 1_000_000 + 0.5),
        "body": event.body,
        "left": event.left,
        "first_at": to_micros(undelivered.first_at),
        "tried_at": to_micros(tried_at),
        "next_at": maybe_micros(undelivered.next_at),
        "attempts": undelivered.attempts,
        "history": _history_text(undelivered.history),
        "code": undelivered.code,
        "detail": without_nul(undelivered.detail),
        "exchange": exchange_text(undelivered.exchange),
    }


def read_undelivered(row: Any) -> Undelivered:
    event = Event(
        position=Position(row.position),
        message_id=row.message_id,
        type=row.type,
        name=row.name,
        user=row.user,
        received_at=row.received_at / 1e6,
        body=bytes(row.body),
        left=None if row.left is None else bytes(row.left),
    )
    return Undelivered(
        event=event,
        state=UndeliveredState(row.state),
        first_at=from_micros(row.first_at),
        next_at=maybe_moment(row.next_at),
        attempts=row.attempts,
        history=_read_history(row.history),
        code=row.code,
        detail=row.detail,
        exchange=read_exchange(row.exchange),
        replay=row.replay,
    )


def exchange_text(exchange: Exchange | None) -> str | None:
    return None if exchange is None else msgspec.json.encode(exchange).decode()


def read_exchange(text: str | None) -> Exchange | None:
    return None if text is None else _exchange.decode(text)


def _history_text(history: Sequence[Attempt]) -> str:
    stored = [_StoredAttempt(each.at.timestamp(), each.code, each.detail, each.took_s) for each in history]
    return msgspec.json.encode(stored).decode()


def _read_history(text: str) -> tuple[Attempt, ...]:
    return tuple(
        Attempt(datetime.fromtimestamp(each.at, UTC), each.code, each.detail, each.took_s)
        for each in _history.decode(text)
    )
