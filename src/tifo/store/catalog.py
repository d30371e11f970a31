"""The workspace's catalog on SQL, and the quick look-up of a write key for the Tracking API."""

import hashlib
import time
from typing import Any

import msgspec
from sqlalchemy import insert, select

from tifo.kernel.clock import Clock
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, NewId, SourceId
from tifo.store import tables as t
from tifo.store.database import Database, from_micros, to_micros
from tifo.workspace.model import Connection, Source, SourceType
from tifo.workspace.rules import checked_endpoint, checked_write_key, new_source
from tifo.workspace.sync import EVERYTHING, Selection

_FRESH_S = 0.5
_AGAIN_S = 0.05
"""A key that is not known may have been made a moment ago: then the catalog is read again, but not for each request."""


class SqlCatalog:
    """Implements `workspace.model.Catalog`."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    def create_source(self, name: str, source_type: SourceType) -> Source:
        with self._database.writing() as connection:
            taken = connection.execute(select(t.sources.c.slug, t.sources.c.schema)).all()
            source = new_source(
                name,
                source_type,
                source_id=SourceId(self._new_id()),
                at=self._clock(),
                slugs={row.slug for row in taken},
                schemas={row.schema for row in taken},
            )
            connection.execute(insert(t.sources), _source_row(source))
        return source

    def sources(self) -> list[Source]:
        with self._database.reading() as connection:
            return [_read_source(row) for row in connection.execute(select(t.sources).order_by(t.sources.c.position))]

    def connect(self, client_id: ClientId, write_key: str, endpoint: str | None) -> Connection:
        endpoint = checked_endpoint(endpoint)
        with self._database.writing() as connection:
            known = set(connection.execute(select(t.sources.c.write_key)).scalars())
            made = Connection(client_id, checked_write_key(write_key, endpoint, known), endpoint)
            if connection.execute(select(t.applications.c.id).where(t.applications.c.id == client_id)).first() is None:
                raise NotFound(
                    f"There is no application {client_id!r:.100}. Make one with `tifo app create`.", field="client_id"
                )
            connection.execute(t.connections.delete().where(t.connections.c.client_id == client_id))
            row = {"client_id": client_id, "write_key": made.write_key, "endpoint": made.endpoint}
            connection.execute(insert(t.connections), row)
        return made

    def connections(self) -> list[Connection]:
        with self._database.reading() as connection:
            return [
                Connection(ClientId(row.client_id), row.write_key, row.endpoint)
                for row in connection.execute(select(t.connections).order_by(t.connections.c.client_id))
            ]

    def selection_of(self, source_id: SourceId, warehouse: str) -> Selection:
        c = t.selections.c
        with self._database.reading() as connection:
            off = connection.execute(select(c.off).where(c.source_id == source_id, c.warehouse == warehouse)).scalar()
        return EVERYTHING if off is None else msgspec.json.decode(off, type=Selection)


class WriteKeys:
    """Sources by write key, at most half a second old. Keys are compared by their digests, which tell nothing by
    the time that it takes.
    """

    def __init__(self, catalog: SqlCatalog) -> None:
        self._catalog = catalog
        self._sources: dict[bytes, Source] = {}
        self._read_at = float("-inf")

    def source_of(self, write_key: str) -> Source | None:
        """Blocks for a moment when it reads the catalog anew."""
        digest = hashlib.sha256(write_key.encode()).digest()
        age_s = time.monotonic() - self._read_at
        if age_s > _FRESH_S or (digest not in self._sources and age_s > _AGAIN_S):
            self._sources = {hashlib.sha256(s.write_key.encode()).digest(): s for s in self._catalog.sources()}
            self._read_at = time.monotonic()
        return self._sources.get(digest)


def _source_row(source: Source) -> dict[str, Any]:
    return {
        "id": source.id,
        "name": source.name,
        "slug": source.slug,
        "schema": source.schema,
        "type": source.type.value,
        "enabled": source.enabled,
        "write_key": source.write_key,
        "created_at": to_micros(source.created_at),
    }


def _read_source(row: Any) -> Source:
    return Source(
        id=SourceId(row.id),
        name=row.name,
        slug=row.slug,
        schema=row.schema,
        type=SourceType(row.type),
        enabled=row.enabled,
        created_at=from_micros(row.created_at),
        write_key=row.write_key,
    )
