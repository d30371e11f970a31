"""What delivery keeps, on SQL: see delivery/ports.py."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, case, delete, exists, func, select, text, update

from tifo.delivery.latency import latency_ms
from tifo.delivery.ports import (
    Attempt,
    Checkpoint,
    ConnectionStatus,
    DeliveryCursor,
    DeliveryProblem,
    Due,
    Grain,
    Group,
    Numbers,
    ReplaySelection,
    Result,
    Sample,
    Series,
    SeriesQuery,
    Undelivered,
    UndeliveredState,
)
from tifo.destinations.ports import Event, Exchange
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import DestinationId, Position, SourceId
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import Row
from tifo.store.sql.database import Database, from_micros, to_micros
from tifo.store.sql.upserts import plain, put

MINUTE, HOUR, ALL = "minute", "hour", "all"
KEPT_MINUTES = 48 * 60
KEPT_HOURS = 30 * 24
"""As Segment keeps them: minutes for two days, hours for thirty."""

_U, _C = t.undelivered.c, t.delivery_cursors.c
_exchange = msgspec.json.Decoder(Exchange)
_history = msgspec.json.Decoder(tuple[Attempt, ...])


class SqlDeliveryState:
    """Implements `delivery.ports.DeliveryState` and `DeliveryNumbers`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def standing(self, destination_id: DestinationId) -> ConnectionStatus:
        with self._database.reading() as connection:
            return read_standing(connection, destination_id)

    def cursors(self) -> list[DeliveryCursor]:
        """Of every destination: up to where its events are settled."""
        d = t.destinations.c
        query = select(d.id, d.source_id, _C.position).join(t.destinations, d.id == _C.destination_id)
        with self._database.reading() as connection:
            return [
                DeliveryCursor(DestinationId(row.id), SourceId(row.source_id), Position(row.position))
                for row in connection.execute(query)
            ]

    def settle(self, changes: Sequence[Checkpoint]) -> list[bool]:
        with self._database.writing() as connection:
            cursors = select(_C.destination_id, _C.position)
            known = {row.destination_id: row.position for row in connection.execute(cursors)}
            holds = [
                each.destination_id in known and each.since in {None, known[each.destination_id]} for each in changes
            ]
            kept = [change for change, is_kept in zip(changes, holds, strict=True) if is_kept]
            for change in kept:
                _move(connection, change)
            _leave(connection, kept)
            put(connection, t.undelivered, [_late_row(c.destination_id, each) for c in kept for each in c.undelivered])
            put(connection, t.delivery_samples, [_sample_row(c.destination_id, s) for c in kept for s in c.samples])
            put(
                connection, t.delivery_counts, [row for change in kept for row in _count_rows(change)], adding=["total"]
            )
            put(
                connection,
                t.delivery_latencies,
                [row for change in kept for row in _latency_rows(change)],
                adding=["total"],
            )
            return holds

    def due(self, destination_id: DestinationId, now: float, *, limit: int, in_order: bool) -> Due:
        waits = and_(_U.destination_id == destination_id, _U.state == UndeliveredState.WAITING.value)
        wanted = select(t.undelivered).where(waits, _U.next_at <= _micros(now))
        if in_order:
            earlier = t.undelivered.alias()
            of_user = and_(
                earlier.c.destination_id == destination_id,
                earlier.c.state == UndeliveredState.WAITING.value,
                earlier.c.user == _U.user,
                earlier.c.user != "",
                earlier.c.position < _U.position,
            )
            wanted = wanted.where(~exists().where(of_user))
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(_U.next_at, _U.position).limit(limit)).all()
            total = connection.execute(select(func.count()).where(waits)).scalar_one()
        return Due([read_late(row) for row in rows], total)

    def held_up(self, destination_id: DestinationId) -> Mapping[str, int]:
        waits = and_(_U.destination_id == destination_id, _U.state == UndeliveredState.WAITING.value)
        with self._database.reading() as connection:
            found = connection.execute(select(_U.user, func.count().label("n")).where(waits).group_by(_U.user))
            return {row.user: int(row.n) for row in found}

    def forget(self, before: datetime, *, limit: int) -> int:
        micros = to_micros(before)
        old = select(_U.destination_id, _U.position, _U.replay).where(
            _U.state == UndeliveredState.FAILED.value, _U.tried_at < micros
        )
        with self._database.writing() as connection:
            gone = connection.execute(old.order_by(_U.tried_at).limit(limit)).all()
            for row in gone:
                place = and_(
                    _U.destination_id == row.destination_id, _U.position == row.position, _U.replay == row.replay
                )
                connection.execute(delete(t.undelivered).where(place))
                if not row.replay:
                    of_it = _C.destination_id == row.destination_id
                    connection.execute(update(t.delivery_cursors).where(of_it).values(forgotten=_C.forgotten + 1))
            return len(gone)

    def forget_numbers(self, now: datetime) -> None:
        """Those beyond their time; the totals stay."""
        minute = to_micros(now) // 60_000_000
        oldest = {MINUTE: minute - KEPT_MINUTES, HOUR: minute // 60 - KEPT_HOURS}
        with self._database.writing() as connection:
            for table in (t.delivery_counts, t.delivery_latencies):
                for grain, at in oldest.items():
                    connection.execute(delete(table).where(table.c.grain == grain, table.c.at < at))

    def numbers(self, destination_id: DestinationId) -> Numbers:
        """All that was ever counted. Raises `NotFound`."""
        c, latencies = t.delivery_counts.c, t.delivery_latencies.c
        whole = and_(c.destination_id == destination_id, c.grain == ALL)
        summed = select(c.result, func.sum(c.total).label("n")).where(whole).group_by(c.result)
        taken = select(latencies.bucket, latencies.total).where(
            latencies.destination_id == destination_id, latencies.grain == ALL
        )
        with self._database.reading() as connection:
            standing = read_standing(connection, destination_id)
            totals = {row.result: int(row.n) for row in connection.execute(summed)}
            buckets = {row.bucket: int(row.total) for row in connection.execute(taken)}
        return Numbers(
            standing,
            totals.get(Result.DELIVERED.value, 0),
            totals.get(Result.FILTERED.value, 0),
            totals.get(Result.REPLAYED.value, 0),
            latency_ms(buckets),
        )

    def problems(self, destination_id: DestinationId) -> list[DeliveryProblem]:
        """What was not delivered, by result and code, with the newest of each; the most frequent first."""
        c, s = t.delivery_counts.c, t.delivery_samples.c
        total = func.sum(c.total).label("total")
        same = and_(s.destination_id == c.destination_id, s.result == c.result, s.code == c.code)
        query = (
            select(c.result, c.code, total, s.message_id, s.at, s.detail, s.received, s.exchange)
            .join(t.delivery_samples, same)
            .where(c.destination_id == destination_id, c.grain == ALL, c.code != "")
            .group_by(c.result, c.code, s.message_id, s.at, s.detail, s.received, s.exchange)
            .order_by(total.desc(), c.result, c.code)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [
            DeliveryProblem(
                row.result,
                row.code,
                int(row.total),
                row.message_id,
                from_micros(row.at),
                row.detail,
                bytes(row.received),
                None if row.exchange is None else _exchange.decode(row.exchange),
            )
            for row in rows
        ]

    def series(self, asked: SeriesQuery) -> list[Series]:
        c = t.delivery_counts.c
        kept, minutes = (MINUTE, 1) if asked.grain is Grain.MINUTE else (HOUR, 60)
        width = minutes * 60_000_000
        since, until = to_micros(asked.since) // width, -(-to_micros(asked.until) // width)
        columns = {Group.EVENT_NAME: c.name, Group.EVENT_TYPE: c.type, Group.DISCARD_REASON: c.code}
        grouped = [columns[group] for group in asked.by]
        query = (
            select(c.at, *grouped, func.sum(c.total).label("n"))
            .where(c.destination_id == asked.destination_id, c.grain == kept, c.at >= since, c.at < until)
            .where(c.result.in_([result.value for result in asked.results]))
            .where(*(columns[group].in_(list(values)) for group, values in asked.only.items()))
            .group_by(c.at, *grouped)
        )
        with self._database.reading() as connection:
            read_standing(connection, asked.destination_id)
            rows = connection.execute(query).all()
        return series_of([tuple(row) for row in rows], asked.by, asked.grain, minutes)

    def redrive(self, destination_id: DestinationId, selection: ReplaySelection, now: float) -> int:
        chosen = [_U.destination_id == destination_id, _U.state == UndeliveredState.FAILED.value]
        if selection.since > 0:
            chosen.append(_U.received_at >= _micros(selection.since))
        if selection.until < float("inf"):
            chosen.append(_U.received_at < _micros(selection.until))
        for column, values in (
            (_U.name, selection.names),
            (_U.user, selection.users),
            (_U.message_id, selection.message_ids),
        ):
            if values:
                chosen.append(column.in_([plain(value) for value in values]))
        again = {
            "state": UndeliveredState.WAITING.value,
            "attempts": 0,
            "first_at": _micros(now),
            "next_at": _micros(now),
        }
        with self._database.writing() as connection:
            read_standing(connection, destination_id)
            return connection.execute(update(t.undelivered).where(*chosen).values(again)).rowcount

    def queue(self, destination_id: DestinationId, late: Sequence[Undelivered]) -> int:
        positions = [each.event.position for each in late]
        in_line = select(_U.position).where(
            _U.destination_id == destination_id, _U.state == UndeliveredState.WAITING.value, _U.position.in_(positions)
        )
        with self._database.writing() as connection:
            read_standing(connection, destination_id)
            known = set(connection.execute(in_line).scalars())
            fresh = [each for each in late if each.event.position not in known]
            put(connection, t.undelivered, [_late_row(destination_id, each) for each in fresh])
            return len(fresh)

    def queued(self, destination_id: DestinationId, replay: str) -> int:
        of_it = and_(
            _U.destination_id == destination_id, _U.replay == replay, _U.state == UndeliveredState.WAITING.value
        )
        with self._database.reading() as connection:
            return int(connection.execute(select(func.count()).where(of_it)).scalar_one())

    def of_message(self, message_id: str) -> list[tuple[DestinationId, Undelivered]]:
        query = select(t.undelivered).where(_U.message_id == plain(message_id)).order_by(_U.destination_id, _U.replay)
        with self._database.reading() as connection:
            return [(DestinationId(row.destination_id), read_late(row)) for row in connection.execute(query)]


def series_of(rows: Sequence[tuple[Any, ...]], by: Sequence[Group], grain: Grain, minutes: int) -> list[Series]:
    """Of rows of when (in so many minutes), what they are grouped by, and how many."""
    found: dict[tuple[str, ...], dict[int, int]] = {}
    for when, *group, number in rows:
        points = found.setdefault(tuple(group), {})
        at = when * minutes // grain.minutes
        points[at] = points.get(at, 0) + int(number)
    step = grain.minutes * 60_000_000
    series = [
        Series(
            dict(zip(by, key, strict=True)),
            sum(points.values()),
            [(from_micros(at * step), number) for at, number in sorted(points.items())],
        )
        for key, points in found.items()
    ]
    return sorted(series, key=lambda each: (-each.total, tuple(each.group.values())))


def read_standing(connection: Connection, destination_id: DestinationId) -> ConnectionStatus:
    row = connection.execute(select(t.delivery_cursors).where(_C.destination_id == destination_id)).first()
    if row is None:
        raise NotFound(
            f"There is no destination {destination_id!r:.100}. See `tifo destination list`.", field="destination"
        )
    own = and_(_U.destination_id == destination_id, _U.replay == "")
    waiting = func.coalesce(func.sum(case((_U.state == UndeliveredState.WAITING.value, 1), else_=0)), 0)
    failed = func.coalesce(func.sum(case((_U.state == UndeliveredState.FAILED.value, 1), else_=0)), 0)
    counted = connection.execute(select(waiting.label("waiting"), failed.label("failed")).where(own)).one()
    return ConnectionStatus(
        Position(row.start),
        Position(row.position),
        row.received,
        int(counted.waiting),
        int(counted.failed),
        row.forgotten,
        None if row.dead_since is None else row.dead_since / 1e6,
        row.dead_reason,
    )


def read_late(row: Any) -> Undelivered:
    event = Event(
        Position(row.position),
        row.message_id,
        row.type,
        row.name,
        row.user,
        row.received_at / 1e6,
        bytes(row.body),
        None if row.left is None else bytes(row.left),
    )
    return Undelivered(
        event,
        UndeliveredState(row.state),
        row.first_at / 1e6,
        None if row.next_at is None else row.next_at / 1e6,
        row.attempts,
        _history.decode(row.history),
        row.code,
        row.detail,
        None if row.exchange is None else _exchange.decode(row.exchange),
        row.replay,
    )


def _move(connection: Connection, change: Checkpoint) -> None:
    moved: dict[str, Any] = {
        "received": _C.received + change.received,
        "forgotten": _C.forgotten + change.forgotten,
        "dead_since": None if change.dead_since is None else _micros(change.dead_since),
        "dead_reason": plain(change.dead_reason),
    }
    if change.position is not None:
        moved["position"] = change.position
    of_it = _C.destination_id == change.destination_id
    connection.execute(update(t.delivery_cursors).where(of_it).values(moved))


def _leave(connection: Connection, changes: Sequence[Checkpoint]) -> None:
    places = [
        {"d": change.destination_id, "p": position, "r": replay}
        for change in changes
        for position, replay in change.settled
    ]
    if places:
        gone = "DELETE FROM undelivered WHERE destination_id = :d AND position = :p AND replay = :r"
        connection.execute(text(gone), places)


def _count_rows(change: Checkpoint) -> list[Row]:
    totals: dict[tuple[Any, ...], int] = {}
    for counted, number in change.counts.items():
        for grain, at in _grains(counted.minute):
            key = grain, at, plain(counted.type), plain(counted.name), counted.result.value, counted.code
            totals[key] = totals.get(key, 0) + number
    names = ("grain", "at", "type", "name", "result", "code")
    return [
        {"destination_id": change.destination_id, **dict(zip(names, key, strict=True)), "total": total}
        for key, total in totals.items()
    ]


def _latency_rows(change: Checkpoint) -> list[Row]:
    totals: dict[tuple[str, int, int], int] = {}
    for taken, number in change.latencies.items():
        for grain, at in _grains(taken.minute):
            key = grain, at, taken.bucket
            totals[key] = totals.get(key, 0) + number
    return [
        {"destination_id": change.destination_id, "grain": grain, "at": at, "bucket": bucket, "total": total}
        for (grain, at, bucket), total in totals.items()
    ]


def _grains(minute: int) -> Sequence[tuple[str, int]]:
    return (MINUTE, minute), (HOUR, minute // 60), (ALL, 0)


def _late_row(destination_id: DestinationId, late: Undelivered) -> Row:
    event = late.event
    return {
        "destination_id": destination_id,
        "position": event.position,
        "replay": late.replay,
        "state": late.state.value,
        "message_id": plain(event.message_id),
        "type": plain(event.type),
        "name": plain(event.name),
        "user": plain(event.user),
        "received_at": _micros(event.received_at),
        "body": event.body,
        "left": event.left,
        "first_at": _micros(late.first_at),
        "tried_at": _micros(late.history[-1].at if late.history else late.first_at),
        "next_at": None if late.next_at is None else _micros(late.next_at),
        "attempts": late.attempts,
        "history": msgspec.json.encode(late.history).decode(),
        "code": late.code,
        "detail": plain(late.detail),
        "exchange": _text(late.exchange),
    }


def _sample_row(destination_id: DestinationId, sample: Sample) -> Row:
    return {
        "destination_id": destination_id,
        "result": sample.result.value,
        "code": sample.code,
        "message_id": plain(sample.message_id),
        "at": _micros(sample.at),
        "received": sample.received,
        "detail": plain(sample.detail),
        "exchange": _text(sample.exchange),
    }


def _text(exchange: Exchange | None) -> str | None:
    return None if exchange is None else msgspec.json.encode(exchange).decode()


def _micros(seconds: float) -> int:
    return int(seconds * 1_000_000 + 0.5)
