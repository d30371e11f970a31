"""What sources sent, over time: the event log has totals only, and what they grew by is noted every few seconds.

The totals that were seen are kept in the same transaction as what they grew by: so nothing is counted twice or left
out, whatever is killed; only the minute may be the next one.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from tifo.delivery.ports import RECEIVED, Grain, IngestSeriesQuery, Series
from tifo.eventlog.ports import IngestCount
from tifo.store.delivery.deliveries import HOUR, KEPT_HOURS, KEPT_MINUTES, MINUTE, series_of
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import Row, upsert_each
from tifo.store.sql.database import Database
from tifo.store.sql.times import to_micros

_BEGUN = ("", "")
"""Stands among what was seen from the first look on."""


class SqlIngestNumbers:
    """Implements `delivery.ports.IngestNumbers`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, counts: Sequence[IngestCount], now: datetime) -> None:
        """At the first look of all, what the log counted before is of an unknown time, and left out."""
        totals = {(str(count.source_id), count.code): count.total for count in counts}
        with self._database.writing() as connection:
            seen = {(row.source_id, row.code): row.total for row in connection.execute(select(t.ingest_seen))}
            grown = {key: total - _before(seen, key, total) for key, total in totals.items()} if _BEGUN in seen else {}
            changed = {key: total for key, total in (totals | {_BEGUN: 0}).items() if seen.get(key) != total}
            upsert_each(connection, t.ingest_seen, [_seen_row(key, total) for key, total in changed.items()])
            rows = [row for key, number in grown.items() if number for row in _rows(key, number, now)]
            upsert_each(connection, t.ingest_counts, rows, adding=["total"])
            _forget(connection, now)

    def ingest_series(self, asked: IngestSeriesQuery) -> list[Series]:
        c = t.ingest_counts.c
        kept, minutes = (MINUTE, 1) if asked.grain is Grain.MINUTE else (HOUR, 60)
        width = minutes * 60_000_000
        since, until = to_micros(asked.since) // width, -(-to_micros(asked.until) // width)
        grouped = [c.code] if asked.by else []
        query = (
            select(c.at, *grouped, func.sum(c.total).label("n"))
            .where(c.source_id == asked.source_id, c.grain == kept, c.at >= since, c.at < until)
            .where(c.code.in_(list(asked.codes)) if asked.codes else c.code.not_in([*asked.but, RECEIVED, "duplicate"]))
            .group_by(c.at, *grouped)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return series_of([tuple(row) for row in rows], asked.by, asked.grain, minutes)


def _before(seen: dict[tuple[str, str], int], key: tuple[str, str], total: int) -> int:
    """A total that has shrunk is of another log: it counts from nothing."""
    before = seen.get(key, 0)
    return before if before <= total else 0


def _seen_row(key: tuple[str, str], total: int) -> Row:
    return {"source_id": key[0], "code": key[1], "total": total}


def _rows(key: tuple[str, str], number: int, now: datetime) -> list[Row]:
    minute = to_micros(now) // 60_000_000
    place = {"source_id": key[0], "code": key[1], "total": number}
    return [{**place, "grain": MINUTE, "at": minute}, {**place, "grain": HOUR, "at": minute // 60}]


def _forget(connection: Connection, now: datetime) -> None:
    c, minute = t.ingest_counts.c, to_micros(now) // 60_000_000
    for grain, oldest in ((MINUTE, minute - KEPT_MINUTES), (HOUR, minute // 60 - KEPT_HOURS)):
        connection.execute(delete(t.ingest_counts).where(c.grain == grain, c.at < oldest))
