"""Stores connected warehouses and their sync history on SQL."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, true, update

from tifo.kernel.clock import Clock
from tifo.kernel.ids import Position, Shard, SourceId
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import upsert_each
from tifo.store.sql.database import Database
from tifo.store.sql.times import from_micros, to_micros
from tifo.workspace.warehouses import (
    MAX_SYNCS,
    ConnectedWarehouse,
    Loads,
    Sync,
    SyncStatus,
    WarehouseKind,
    free_warehouse_name,
    no_warehouse,
)


class SqlWarehouses:
    """Implements `workspace.warehouses.Warehouses`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(
        self, kind: WarehouseKind, url: str, name: str | None, source_ids: Collection[SourceId] | None
    ) -> ConnectedWarehouse:
        with self._database.writing() as connection:
            return insert_warehouse(connection, kind, url, name, source_ids, at=self._clock())

    def connected(self) -> list[ConnectedWarehouse]:
        with self._database.reading() as connection:
            return read_warehouses(connection)

    def enable(self, name: str, *, enabled: bool) -> ConnectedWarehouse:
        with self._database.writing() as connection:
            return change_warehouse(connection, name, enabled=enabled)

    def connect(self, name: str, source_id: SourceId) -> ConnectedWarehouse:
        with self._database.writing() as connection:
            now = read_warehouse(connection, name)
            # None stands for all sources, this one included.
            if now.source_ids is None:
                return now
            return change_warehouse(connection, name, sources=sources_text(now.source_ids | {source_id}))

    def disconnect(self, name: str, source_id: SourceId, everyone: Collection[SourceId]) -> ConnectedWarehouse:
        with self._database.writing() as connection:
            now = read_warehouse(connection, name)
            # "All but one" has no form of its own: sources that are made later are not in the list.
            connected = frozenset(everyone) if now.source_ids is None else now.source_ids
            return change_warehouse(connection, name, sources=sources_text(connected - {source_id}))

    def remove(self, name: str) -> None:
        with self._database.writing() as connection:
            delete_warehouse(connection, name)

    def record(self, syncs: Sequence[Sync]) -> None:
        if not syncs:
            return
        with self._database.writing() as connection:
            connection.execute(insert(t.warehouse_syncs), [_sync_row(sync) for sync in syncs])
            for name in {sync.warehouse for sync in syncs}:
                _trim_history(connection, name)
            _count(connection, [sync for sync in syncs if sync.position is not None])

    def loads(self, warehouse: str, shard: Shard | None = None) -> list[Loads]:
        loads, latencies = t.warehouse_loads, t.warehouse_latencies
        of_log = loads.c.shard == shard if shard is not None else true()
        with self._database.reading() as connection:
            rows = connection.execute(select(loads).where(loads.c.warehouse == warehouse, of_log)).all()
            counted = connection.execute(select(latencies).where(latencies.c.warehouse == warehouse)).all()
        buckets: dict[tuple[str, str], dict[int, int]] = {}
        for row in counted:
            buckets.setdefault((row.source_id, row.shard), {})[row.bucket] = row.total
        return [
            Loads(
                source_id=SourceId(row.source_id),
                shard=Shard(row.shard),
                position=Position(row.position),
                events=row.events,
                withheld=row.withheld,
                failed=row.failed,
                latencies=buckets.get((row.source_id, row.shard), {}),
            )
            for row in rows
        ]

    def begin_anew(self, warehouse: str, source_id: SourceId, shard: Shard | None = None) -> None:
        with self._database.writing() as connection:
            for table in (t.warehouse_loads, t.warehouse_latencies):
                of_it = (table.c.warehouse == warehouse) & (table.c.source_id == source_id)
                of_log = table.c.shard == shard if shard is not None else true()
                connection.execute(delete(table).where(of_it, of_log))

    def syncs(self, warehouse: str | None, *, limit: int) -> list[Sync]:
        table = t.warehouse_syncs
        wanted = select(table).order_by(table.c.number.desc()).limit(limit)
        if warehouse is not None:
            wanted = wanted.where(table.c.warehouse == warehouse)
        with self._database.reading() as connection:
            return [_read_sync(row) for row in connection.execute(wanted)]


def insert_warehouse(
    connection: Connection,
    kind: WarehouseKind,
    url: str,
    name: str | None,
    source_ids: Collection[SourceId] | None,
    *,
    at: datetime,
) -> ConnectedWarehouse:
    made = ConnectedWarehouse(
        name=free_warehouse_name(name, kind, warehouse_names(connection)),
        kind=kind,
        url=url,
        source_ids=None if source_ids is None else frozenset(source_ids),
        created_at=at,
    )
    connection.execute(insert(t.warehouses), _row(made))
    return made


def warehouse_names(connection: Connection) -> set[str]:
    """Returns the names of the connected warehouses; the built-in one has no row."""
    return set(connection.execute(select(t.warehouses.c.name)).scalars())


def read_warehouses(connection: Connection) -> list[ConnectedWarehouse]:
    return [_read(row) for row in connection.execute(select(t.warehouses).order_by(t.warehouses.c.name))]


def change_warehouse(connection: Connection, name: str, **values: object) -> ConnectedWarehouse:
    connection.execute(update(t.warehouses).where(t.warehouses.c.name == name).values(**values))
    return read_warehouse(connection, name)


def read_warehouse(connection: Connection, name: str) -> ConnectedWarehouse:
    found = connection.execute(select(t.warehouses).where(t.warehouses.c.name == name)).first()
    if found is None:
        raise no_warehouse(name)
    return _read(found)


def delete_warehouse(connection: Connection, name: str) -> None:
    gone = connection.execute(delete(t.warehouses).where(t.warehouses.c.name == name)).rowcount
    if not gone:
        raise no_warehouse(name)
    connection.execute(delete(t.warehouse_syncs).where(t.warehouse_syncs.c.warehouse == name))
    # A later warehouse of the same name must not get them.
    connection.execute(delete(t.selections).where(t.selections.c.warehouse == name))
    for table in (t.warehouse_loads, t.warehouse_latencies):
        connection.execute(delete(table).where(table.c.warehouse == name))


def _trim_history(connection: Connection, warehouse: str) -> None:
    table = t.warehouse_syncs
    of_it = table.c.warehouse == warehouse
    newest_first = select(table.c.number).where(of_it).order_by(table.c.number.desc())
    # The newest of those to delete: the one behind the `MAX_SYNCS` newest. None where there are fewer.
    newest_old = newest_first.offset(MAX_SYNCS).limit(1).scalar_subquery()
    connection.execute(delete(table).where(of_it & (table.c.number <= func.coalesce(newest_old, -1))))


def _count(connection: Connection, syncs: Sequence[Sync]) -> None:
    for sync in syncs:
        place = {"warehouse": sync.warehouse, "source_id": sync.source_id, "shard": sync.shard}
        # Counts are added to those of earlier loads; the position takes the place of the earlier one.
        counts = {"events": sync.events, "withheld": sync.withheld, "failed": sync.failed}
        upsert_each(
            connection, t.warehouse_loads, [{**place, "position": sync.position, **counts}], adding=list(counts)
        )
        latencies = [{**place, "bucket": bucket, "total": total} for bucket, total in sync.latencies.items()]
        upsert_each(connection, t.warehouse_latencies, latencies, adding=["total"])


def _row(made: ConnectedWarehouse) -> dict[str, Any]:
    return {
        "name": made.name,
        "kind": made.kind,
        "url": made.url,
        "sources": sources_text(made.source_ids),
        "enabled": made.enabled,
        "created_at": to_micros(made.created_at),
    }


def sources_text(source_ids: Collection[SourceId] | None) -> str | None:
    return None if source_ids is None else msgspec.json.encode(sorted(source_ids)).decode()


def _read(row: Any) -> ConnectedWarehouse:
    sources = None if row.sources is None else frozenset(map(SourceId, msgspec.json.decode(row.sources)))
    return ConnectedWarehouse(
        name=row.name,
        kind=WarehouseKind(row.kind),
        url=row.url,
        source_ids=sources,
        created_at=from_micros(row.created_at),
        enabled=row.enabled,
    )


def _sync_row(sync: Sync) -> dict[str, Any]:
    return {
        "warehouse": sync.warehouse,
        "source_id": sync.source_id,
        "status": sync.status.value,
        "started_at": to_micros(sync.started_at),
        "finished_at": to_micros(sync.finished_at),
        "events": sync.events,
        "rows": msgspec.json.encode(sync.rows).decode(),
        "duplicates": sync.duplicates,
        "discarded": sync.discarded,
        "notices": msgspec.json.encode(list(sync.notices)).decode(),
        "error": sync.error,
        "left_out": msgspec.json.encode(sync.left_out).decode(),
    }


def _read_sync(row: Any) -> Sync:
    return Sync(
        warehouse=row.warehouse,
        source_id=None if row.source_id is None else SourceId(row.source_id),
        status=SyncStatus(row.status),
        started_at=from_micros(row.started_at),
        finished_at=from_micros(row.finished_at),
        events=row.events,
        rows=msgspec.json.decode(row.rows),
        duplicates=row.duplicates,
        discarded=row.discarded,
        notices=tuple(msgspec.json.decode(row.notices)),
        error=row.error,
        left_out=msgspec.json.decode(row.left_out),
    )
