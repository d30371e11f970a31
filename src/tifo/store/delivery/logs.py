"""Stores what nodes note of their logs, on SQL."""

from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from tifo.delivery.logs import MAX_NOTICES, LogNotice, NotedLog
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import NO_SHARD, Shard
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import upsert_each
from tifo.store.sql.database import Database
from tifo.store.sql.times import from_micros, maybe_micros, maybe_moment, to_micros

_OF_A_LOG = (
    t.delivery_cursors,
    t.undelivered,
    t.action_cursor,
    t.ingest_seen,
    t.warehouse_loads,
    t.warehouse_latencies,
)
"""The tables whose rows are of one log."""


class SqlKnownLogs:
    """Implements `delivery.logs.KnownLogs`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, shard: Shard) -> None:
        with self._database.writing() as connection:
            for table in _OF_A_LOG:
                connection.execute(update(table).where(table.c.shard == NO_SHARD).values(shard=shard))

    def note(self, seen: NotedLog) -> None:
        row = {
            "shard": seen.shard,
            "host": seen.host,
            "path": seen.path,
            "seen_at": to_micros(seen.seen_at),
            "complete_since": maybe_micros(seen.complete_since),
            "backlog": msgspec.json.encode(seen.backlog).decode(),
        }
        with self._database.writing() as connection:
            upsert_each(connection, t.logs, [row])

    def all(self) -> list[NotedLog]:
        with self._database.reading() as connection:
            return [_read(row) for row in connection.execute(select(t.logs).order_by(t.logs.c.seen_at.desc()))]

    def notify(self, notice: LogNotice) -> None:
        n = t.log_notices.c
        row = {"shard": notice.shard, "at": to_micros(notice.at), "text": notice.text}
        with self._database.writing() as connection:
            newest = select(n.text).where(n.shard == notice.shard).order_by(n.number.desc()).limit(1)
            if connection.execute(newest).scalar() != notice.text:
                connection.execute(insert(t.log_notices), row)
                _trim(connection)

    def notices(self) -> list[LogNotice]:
        query = select(t.log_notices).order_by(t.log_notices.c.number.desc())
        with self._database.reading() as connection:
            return [LogNotice(Shard(row.shard), from_micros(row.at), row.text) for row in connection.execute(query)]

    def forget(self, shard: Shard) -> None:
        with self._database.writing() as connection:
            gone = update(t.logs).where(t.logs.c.shard == shard).values(path="", backlog="{}")
            if not connection.execute(gone).rowcount:
                raise NotFound(f"There is no log {shard!r:.100}. See `tifo log list`.", field="shard")
            for table in (t.undelivered, t.action_cursor):
                connection.execute(delete(table).where(table.c.shard == shard))


def _trim(connection: Connection) -> None:
    n = t.log_notices.c
    newest = select(func.max(n.number)).scalar_subquery()
    connection.execute(delete(t.log_notices).where(n.number <= newest - MAX_NOTICES))


def _read(row: Any) -> NotedLog:
    return NotedLog(
        shard=Shard(row.shard),
        host=row.host,
        path=row.path,
        seen_at=from_micros(row.seen_at),
        complete_since=maybe_moment(row.complete_since),
        backlog=msgspec.json.decode(row.backlog),
    )
