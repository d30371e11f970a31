"""The catalog's twin in memory: for tests."""

import threading
from collections.abc import Collection

from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, NewId, SourceId, uuid7
from tifo.workspace.model import Connection, Source, SourceType
from tifo.workspace.sync import EVERYTHING, Selection
from tifo.workspace.rules import checked_endpoint, checked_write_key, new_source


class InMemoryCatalog:
    """A `Catalog`. `applications` are the ones that exist; the collection may grow later."""

    def __init__(
        self, applications: Collection[ClientId], *, clock: Clock = system_clock, new_id: NewId = uuid7
    ) -> None:
        self._applications = applications
        self._clock = clock
        self._new_id = new_id
        self._lock = threading.Lock()
        self._sources: list[Source] = []
        self._connections: dict[ClientId, Connection] = {}
        self._selections: dict[tuple[SourceId, str], Selection] = {}

    def create_source(self, name: str, source_type: SourceType) -> Source:
        with self._lock:
            source = new_source(
                name,
                source_type,
                source_id=SourceId(self._new_id()),
                at=self._clock(),
                slugs={source.slug for source in self._sources},
                schemas={source.schema for source in self._sources},
            )
            self._sources.append(source)
            return source

    def sources(self) -> list[Source]:
        with self._lock:
            return list(self._sources)

    def connect(self, client_id: ClientId, write_key: str, endpoint: str | None) -> Connection:
        if client_id not in self._applications:
            raise NotFound(f"There is no application {client_id}. Make one with `tifo app create`.", field="client_id")
        with self._lock:
            endpoint = checked_endpoint(endpoint)
            known = {source.write_key for source in self._sources}
            connection = Connection(client_id, checked_write_key(write_key, endpoint, known), endpoint)
            self._connections[client_id] = connection
            return connection

    def connections(self) -> list[Connection]:
        with self._lock:
            return list(self._connections.values())

    def selection_of(self, source_id: SourceId, warehouse: str) -> Selection:
        with self._lock:
            return self._selections.get((source_id, warehouse), EVERYTHING)
