"""Counts what sources sent over time: the event log has totals only, and their growth is noted every few seconds."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from tifo.delivery.ports import IngestSeriesQuery, Series
from tifo.delivery.series import minute_of, oldest_hour, oldest_minute, series_of, stored_minutes, window
from tifo.eventlog.ports import DUPLICATE, RECEIVED, IngestCount
from tifo.kernel.ids import Shard, SourceId
from tifo.store.delivery.numbers import GRAIN_OF_WIDTH, HOUR, MINUTE, split_rows
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import Row, upsert_each
from tifo.store.sql.database import Database

_BEGUN = ("", "")
"""The key of a row that `ingest_seen` holds from the first note on: before it, nobody knows when events came."""


class SqlIngestNumbers:
    """Implements `delivery.ports.IngestNumbers`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, shard: Shard, counts: Sequence[IngestCount], now: datetime) -> None:
        totals = {(str(count.source_id), count.code): count.total for count in counts}
        # One transaction for the totals that were seen and their growth: nothing is counted twice or left out, whatever
        # is killed. Only the minute may be the next one.
        with self._database.writing() as connection:
            own = select(t.ingest_seen).where(t.ingest_seen.c.shard == shard)
            seen = {(row.source_id, row.code): row.total for row in connection.execute(own)}
            grown = {key: total - _before(seen, key, total) for key, total in totals.items()} if _BEGUN in seen else {}
            # Only what changed is written: most sources send nothing between two notes.
            changed = {key: total for key, total in (totals | {_BEGUN: 0}).items() if seen.get(key) != total}
            upsert_each(connection, t.ingest_seen, [_seen_row(shard, key, total) for key, total in changed.items()])
            rows = [row for key, number in grown.items() if number for row in _rows(key, number, now)]
            upsert_each(connection, t.ingest_counts, rows, adding=["total"])
            _expire(connection, now)

    def totals(self) -> dict[Shard, dict[tuple[SourceId, str], int]]:
        found: dict[Shard, dict[tuple[SourceId, str], int]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(select(t.ingest_seen)):
                if (row.source_id, row.code) != _BEGUN:
                    found.setdefault(Shard(row.shard), {})[SourceId(row.source_id), row.code] = row.total
        return found

    def ingest_series(self, asked: IngestSeriesQuery) -> list[Series]:
        c = t.ingest_counts.c
        minutes = stored_minutes(asked.grain)
        inside = window(asked.since, asked.until, minutes)
        refusals = c.code.not_in([*asked.excluded_codes, RECEIVED, DUPLICATE])
        grouped = [c.code] if asked.by else []
        query = (
            select(c.at, *grouped, func.sum(c.total).label("n"))
            .where(c.source_id == asked.source_id, c.grain == GRAIN_OF_WIDTH[minutes])
            .where(c.at >= inside.start, c.at < inside.stop)
            .where(c.code.in_(list(asked.codes)) if asked.codes else refusals)
            .group_by(c.at, *grouped)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return series_of(split_rows(rows), asked.by, asked.grain, minutes)


def _before(seen: dict[tuple[str, str], int], key: tuple[str, str], total: int) -> int:
    # A log that was restored from a backup has smaller totals than it had: it counts on from them.
    return min(seen.get(key, 0), total)


def _seen_row(shard: Shard, key: tuple[str, str], total: int) -> Row:
    return {"shard": shard, "source_id": key[0], "code": key[1], "total": total}


def _rows(key: tuple[str, str], number: int, now: datetime) -> list[Row]:
    minute = minute_of(now)
    count = {"source_id": key[0], "code": key[1], "total": number}
    return [{**count, "grain": MINUTE, "at": minute}, {**count, "grain": HOUR, "at": minute // 60}]


def _expire(connection: Connection, now: datetime) -> None:
    c = t.ingest_counts.c
    for grain, oldest in ((MINUTE, oldest_minute(now)), (HOUR, oldest_hour(now))):
        connection.execute(delete(t.ingest_counts).where(c.grain == grain, c.at < oldest))
