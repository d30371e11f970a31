"""Reads and writes counts, latencies and samples of outcomes, by minute, by hour and in total."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, func, select

from tifo.delivery.latency import latency_ms
from tifo.delivery.ports import (
    Checkpoint,
    ConnectionStatus,
    DeliveryProblem,
    Group,
    Numbers,
    Result,
    Sample,
    Series,
    SeriesQuery,
)
from tifo.delivery.series import oldest_hour, oldest_minute, series_of, stored_minutes, window
from tifo.kernel.ids import DestinationId
from tifo.store.delivery.undelivered import exchange_text, read_exchange
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import Row, without_nul
from tifo.store.sql.times import from_micros, to_micros

MINUTE, HOUR, ALL = "minute", "hour", "all"
"""The values of the column `grain`."""
GRAIN_OF_WIDTH = {1: MINUTE, 60: HOUR}


def read_totals(connection: Connection, destination_id: DestinationId, status: ConnectionStatus) -> Numbers:
    c, latencies = t.delivery_counts.c, t.delivery_latencies.c
    of_all = and_(c.destination_id == destination_id, c.grain == ALL)
    summed = select(c.result, func.sum(c.total).label("n")).where(of_all).group_by(c.result)
    by_bucket = select(latencies.bucket, latencies.total).where(
        latencies.destination_id == destination_id, latencies.grain == ALL
    )
    # PostgreSQL's sum of BIGINT is a Decimal.
    totals = {row.result: int(row.n) for row in connection.execute(summed)}
    return Numbers(
        status=status,
        delivered=totals.get(Result.DELIVERED.value, 0),
        filtered=totals.get(Result.FILTERED.value, 0),
        replayed=totals.get(Result.REPLAYED.value, 0),
        latency_ms=latency_ms({row.bucket: int(row.total) for row in connection.execute(by_bucket)}),
    )


def read_problems(connection: Connection, destination_id: DestinationId) -> list[DeliveryProblem]:
    c, s = t.delivery_counts.c, t.delivery_samples.c
    total = func.sum(c.total).label("total")
    same = and_(s.destination_id == c.destination_id, s.result == c.result, s.code == c.code)
    query = (
        select(c.result, c.code, total, s.message_id, s.at, s.detail, s.received, s.exchange)
        .join(t.delivery_samples, same)
        # An outcome without a code is a plain delivery.
        .where(c.destination_id == destination_id, c.grain == ALL, c.code != "")
        # PostgreSQL wants every selected column grouped; there is one sample for each result and code.
        .group_by(c.result, c.code, s.message_id, s.at, s.detail, s.received, s.exchange)
        .order_by(total.desc(), c.result, c.code)
    )
    return [_problem(row) for row in connection.execute(query)]


def read_series(connection: Connection, asked: SeriesQuery) -> list[Series]:
    c = t.delivery_counts.c
    minutes = stored_minutes(asked.grain)
    inside = window(asked.since, asked.until, minutes)
    columns = {Group.EVENT_NAME: c.name, Group.EVENT_TYPE: c.type, Group.DISCARD_REASON: c.code}
    grouped = [columns[group] for group in asked.by]
    query = (
        select(c.at, *grouped, func.sum(c.total).label("n"))
        .where(c.destination_id == asked.destination_id, c.grain == GRAIN_OF_WIDTH[minutes])
        .where(c.at >= inside.start, c.at < inside.stop)
        .where(c.result.in_([result.value for result in asked.results]))
        .where(*(columns[group].in_(list(values)) for group, values in asked.only.items()))
        .group_by(c.at, *grouped)
    )
    return series_of(split_rows(connection.execute(query).all()), asked.by, asked.grain, minutes)


def split_rows(rows: Sequence[Any]) -> list[tuple[int, Sequence[str], int]]:
    """Takes rows of (when, group …, number) apart, as `series_of` wants them."""
    return [(row[0], row[1:-1], int(row[-1])) for row in rows]


def expire(connection: Connection, now: datetime) -> None:
    for table in (t.delivery_counts, t.delivery_latencies):
        for grain, oldest in ((MINUTE, oldest_minute(now)), (HOUR, oldest_hour(now))):
            connection.execute(delete(table).where(table.c.grain == grain, table.c.at < oldest))


def count_rows(change: Checkpoint) -> list[Row]:
    totals: dict[tuple[Any, ...], int] = {}
    for counted, number in change.counts.items():
        for grain, at in _grains(counted.minute):
            key = grain, at, without_nul(counted.type), without_nul(counted.name), counted.result.value, counted.code
            # Added up here: outcomes of several minutes share the rows of their hour and of the total.
            totals[key] = totals.get(key, 0) + number
    names = ("grain", "at", "type", "name", "result", "code")
    return [
        {"destination_id": change.destination_id, **dict(zip(names, key, strict=True)), "total": total}
        for key, total in totals.items()
    ]


def latency_rows(change: Checkpoint) -> list[Row]:
    totals: dict[tuple[str, int, int], int] = {}
    for latency, number in change.latencies.items():
        for grain, at in _grains(latency.minute):
            key = grain, at, latency.bucket
            totals[key] = totals.get(key, 0) + number
    return [
        {"destination_id": change.destination_id, "grain": grain, "at": at, "bucket": bucket, "total": total}
        for (grain, at, bucket), total in totals.items()
    ]


def sample_row(destination_id: DestinationId, sample: Sample) -> Row:
    return {
        "destination_id": destination_id,
        "result": sample.result.value,
        "code": sample.code,
        "message_id": without_nul(sample.message_id),
        "at": to_micros(sample.at),
        "received": sample.received,
        "detail": without_nul(sample.detail),
        "exchange": exchange_text(sample.exchange),
    }


def _grains(minute: int) -> Sequence[tuple[str, int]]:
    # Each outcome is counted three times, because minutes and hours expire and totals do not.
    return (MINUTE, minute), (HOUR, minute // 60), (ALL, 0)


def _problem(row: Any) -> DeliveryProblem:
    return DeliveryProblem(
        result=row.result,
        code=row.code,
        total=int(row.total),
        message_id=row.message_id,
        at=from_micros(row.at),
        detail=row.detail,
        received=bytes(row.received),
        exchange=read_exchange(row.exchange),
    )
