"""Stores the catalog on SQL: sources, their write keys and selections, and the applications' connections."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection as Sql
from sqlalchemy import delete, insert, select, update

from tifo.kernel.clock import Clock
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, NewId, SourceId
from tifo.store.sql import tables as t
from tifo.store.sql.database import Database
from tifo.store.sql.times import from_micros, to_micros
from tifo.workspace import rules
from tifo.workspace.model import Connection, Source, SourceChange, SourceType, WriteKey
from tifo.workspace.sync import EVERYTHING, Override, Selection, with_overrides


class SqlCatalog:
    """Implements `workspace.model.Catalog`."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    def create_source(
        self, name: str, source_type: SourceType, *, enabled: bool = True, slug: str | None = None
    ) -> Source:
        with self._database.writing() as connection:
            return insert_source(
                connection,
                rules.new_source(
                    name,
                    source_type,
                    source_id=SourceId(self._new_id()),
                    at=self._clock(),
                    used=used_names(connection),
                    enabled=enabled,
                    slug=slug,
                ),
            )

    def sources(self) -> list[Source]:
        with self._database.reading() as connection:
            return read_sources(connection)

    def deleted_sources(self) -> list[Source]:
        with self._database.reading() as connection:
            return read_sources(connection, deleted=True)

    def change_source(self, source_id: SourceId, change: SourceChange) -> Source:
        with self._database.writing() as connection:
            return change_source(connection, source_id, change)

    def delete_source(self, source_id: SourceId, *, force: bool = False) -> list[Connection]:
        with self._database.writing() as connection:
            return delete_source(connection, source_id, at=self._clock(), force=force)

    def add_write_key(self, source_id: SourceId) -> Source:
        with self._database.writing() as connection:
            source = rules.with_new_key(read_source(connection, source_id), self._clock())
            add_keys(connection, source_id, source.keys[-1:])
        return source

    def remove_write_key(self, source_id: SourceId, write_key: str) -> Source:
        with self._database.writing() as connection:
            source = rules.without_key(read_source(connection, source_id), write_key, read_connections(connection))
            connection.execute(delete(t.write_keys).where(t.write_keys.c.key == write_key))
        return source

    def connect(self, client_id: ClientId, write_key: str, endpoint: str | None) -> Connection:
        with self._database.writing() as connection:
            return connect(connection, client_id, write_key, endpoint)

    def connections(self) -> list[Connection]:
        with self._database.reading() as connection:
            return read_connections(connection)

    def selection_of(self, source_id: SourceId, warehouse: str) -> Selection:
        with self._database.reading() as connection:
            return read_selection(connection, source_id, warehouse)

    def select(self, warehouse: str, overrides: Mapping[SourceId, Sequence[Override]]) -> dict[SourceId, Selection]:
        made: dict[SourceId, Selection] = {}
        with self._database.writing() as connection:
            for source_id, source_overrides in overrides.items():
                read_source(connection, source_id)
                made[source_id] = with_overrides(read_selection(connection, source_id, warehouse), source_overrides)
                put_selection(connection, source_id, warehouse, made[source_id])
        return made


def connect(connection: Sql, client_id: ClientId, write_key: str, endpoint: str | None) -> Connection:
    endpoint = rules.checked_endpoint(endpoint)
    known = set(connection.execute(select(t.write_keys.c.key)).scalars())
    made = Connection(client_id, rules.checked_write_key(write_key, endpoint, known), endpoint)
    if connection.execute(select(t.applications.c.id).where(t.applications.c.id == client_id)).first() is None:
        raise NotFound(
            f"There is no application {client_id!r:.100}. Make one with `tifo app create`.", field="client_id"
        )
    connection.execute(t.connections.delete().where(t.connections.c.client_id == client_id))
    row = {"client_id": client_id, "write_key": made.write_key, "endpoint": made.endpoint}
    connection.execute(insert(t.connections), row)
    return made


def insert_source(connection: Sql, source: Source) -> Source:
    connection.execute(insert(t.sources), [_source_row(source)])
    add_keys(connection, source.id, source.keys)
    return source


def add_keys(connection: Sql, source_id: SourceId, keys: Sequence[WriteKey]) -> None:
    """Adds write keys. Raises `Conflict` for a key that a source has already."""
    if not keys:
        return
    wanted = [each.key for each in keys]
    # A write key is a secret, so the refusal does not repeat it.
    if connection.execute(select(t.write_keys.c.key).where(t.write_keys.c.key.in_(wanted))).first() is not None:
        raise rules.write_key_in_use()
    connection.execute(insert(t.write_keys), [_key_row(source_id, key) for key in keys])


def change_source(connection: Sql, source_id: SourceId, change: SourceChange) -> Source:
    source = rules.changed(read_source(connection, source_id), change, used_names(connection, but=source_id))
    connection.execute(update(t.sources).where(t.sources.c.id == source_id).values(_source_row(source)))
    return source


def delete_source(connection: Sql, source_id: SourceId, *, at: datetime, force: bool) -> list[Connection]:
    """Marks the source as deleted, frees its slug, and deletes its keys and connections."""
    source = read_source(connection, source_id)
    connected = rules.connected_to(source, read_connections(connection))
    rules.check_unused(source, connected, force=force)
    c = t.connections.c
    connection.execute(delete(t.connections).where(c.client_id.in_([each.client_id for each in connected])))
    connection.execute(delete(t.write_keys).where(t.write_keys.c.source_id == source_id))
    # The schema stays in use: rows of the deleted source are in it. The id as slug frees the slug, whose column is
    # unique.
    gone = {"deleted_at": to_micros(at), "slug": source_id, "enabled": False}
    connection.execute(update(t.sources).where(t.sources.c.id == source_id).values(gone))
    return connected


def used_names(connection: Sql, *, but: SourceId | None = None) -> rules.UsedNames:
    c = t.sources.c
    # Deleted sources count too: no other source may get a schema that holds their rows.
    others = connection.execute(select(c.slug, c.schema).where(c.id != (but or ""))).all()
    return rules.UsedNames({row.slug for row in others}, {row.schema for row in others})


def read_sources(connection: Sql, *, deleted: bool = False) -> list[Source]:
    keys: dict[str, list[WriteKey]] = {}
    for row in connection.execute(select(t.write_keys).order_by(t.write_keys.c.number)):
        keys.setdefault(row.source_id, []).append(WriteKey(row.key, from_micros(row.created_at)))
    gone = t.sources.c.deleted_at
    wanted = select(t.sources).where(gone.is_not(None) if deleted else gone.is_(None)).order_by(t.sources.c.position)
    return [_read_source(row, tuple(keys.get(row.id, ()))) for row in connection.execute(wanted)]


def read_source(connection: Sql, source_id: SourceId) -> Source:
    for source in read_sources(connection):
        if source.id == source_id:
            return source
    raise rules.no_source(source_id)


def has_source(connection: Sql, source_id: SourceId) -> bool:
    """Says whether the source exists and is not deleted."""
    c = t.sources.c
    known = select(c.id).where(c.id == source_id, c.deleted_at.is_(None))
    return connection.execute(known).first() is not None


def read_connections(connection: Sql) -> list[Connection]:
    return [
        Connection(ClientId(row.client_id), row.write_key, row.endpoint)
        for row in connection.execute(select(t.connections).order_by(t.connections.c.client_id))
    ]


def read_selection(connection: Sql, source_id: SourceId, warehouse: str) -> Selection:
    c = t.selections.c
    off = connection.execute(select(c.off).where(c.source_id == source_id, c.warehouse == warehouse)).scalar()
    return EVERYTHING if off is None else msgspec.json.decode(off, type=Selection)


def put_selection(connection: Sql, source_id: SourceId, warehouse: str, selection: Selection) -> None:
    c = t.selections.c
    connection.execute(delete(t.selections).where(c.source_id == source_id, c.warehouse == warehouse))
    # Everything is the default, and has no row.
    if not selection.is_everything:
        row = {"source_id": source_id, "warehouse": warehouse, "off": msgspec.json.encode(selection).decode()}
        connection.execute(insert(t.selections), row)


def _source_row(source: Source) -> dict[str, Any]:
    return {
        "id": source.id,
        "name": source.name,
        "slug": source.slug,
        "schema": source.schema,
        "type": source.type.value,
        "enabled": source.enabled,
        "created_at": to_micros(source.created_at),
    }


def _key_row(source_id: SourceId, key: WriteKey) -> dict[str, Any]:
    return {"key": key.key, "source_id": source_id, "created_at": to_micros(key.created_at)}


def _read_source(row: Any, keys: tuple[WriteKey, ...]) -> Source:
    return Source(
        id=SourceId(row.id),
        name=row.name,
        slug=row.slug,
        schema=row.schema,
        type=SourceType(row.type),
        enabled=row.enabled,
        created_at=from_micros(row.created_at),
        keys=keys,
    )
