"""The catalog's twin in memory: for tests."""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, NewId, SourceId, uuid7
from tifo.workspace import rules
from tifo.workspace.model import Connection, Source, SourceChange, SourceType
from tifo.workspace.sync import EVERYTHING, Override, Selection, with_overrides


class InMemoryCatalog:
    """A `Catalog`. `applications` are the ones that exist; the collection may grow later."""

    def __init__(
        self, applications: Collection[ClientId], *, clock: Clock = system_clock, new_id: NewId = uuid7
    ) -> None:
        self._applications = applications
        self._clock = clock
        self._new_id = new_id
        self._lock = threading.Lock()
        self._sources: dict[SourceId, Source] = {}
        self._deleted: list[Source] = []
        self._connections: dict[ClientId, Connection] = {}
        self._selections: dict[tuple[SourceId, str], Selection] = {}

    def create_source(
        self, name: str, source_type: SourceType, *, enabled: bool = True, slug: str | None = None
    ) -> Source:
        with self._lock:
            source = rules.new_source(
                name,
                source_type,
                source_id=SourceId(self._new_id()),
                at=self._clock(),
                taken=self._taken(None),
                enabled=enabled,
                slug=slug,
            )
            return self._keep(source)

    def sources(self) -> list[Source]:
        with self._lock:
            return list(self._sources.values())

    def deleted_sources(self) -> list[Source]:
        with self._lock:
            return list(self._deleted)

    def change_source(self, source_id: SourceId, change: SourceChange) -> Source:
        with self._lock:
            return self._keep(rules.changed(self._source(source_id), change, self._taken(source_id)))

    def delete_source(self, source_id: SourceId, *, force: bool = False) -> list[Connection]:
        with self._lock:
            source = self._source(source_id)
            connected = rules.connected_to(source, self._connections.values())
            rules.check_unused(source, connected, force=force)
            for each in connected:
                del self._connections[each.client_id]
            self._deleted.append(replace(source, keys=(), slug=source_id, enabled=False))
            del self._sources[source_id]
            return connected

    def add_write_key(self, source_id: SourceId) -> Source:
        with self._lock:
            return self._keep(rules.with_new_key(self._source(source_id), self._clock()))

    def remove_write_key(self, source_id: SourceId, write_key: str) -> Source:
        with self._lock:
            return self._keep(rules.without_key(self._source(source_id), write_key, self._connections.values()))

    def connect(self, client_id: ClientId, write_key: str, endpoint: str | None) -> Connection:
        if client_id not in self._applications:
            raise NotFound(f"There is no application {client_id}. Make one with `tifo app create`.", field="client_id")
        with self._lock:
            endpoint = rules.checked_endpoint(endpoint)
            known = {key for source in self._sources.values() for key in source.write_keys}
            connection = Connection(client_id, rules.checked_write_key(write_key, endpoint, known), endpoint)
            self._connections[client_id] = connection
            return connection

    def connections(self) -> list[Connection]:
        with self._lock:
            return list(self._connections.values())

    def selection_of(self, source_id: SourceId, warehouse: str) -> Selection:
        with self._lock:
            return self._selections.get((source_id, warehouse), EVERYTHING)

    def select(self, warehouse: str, overrides: Mapping[SourceId, Sequence[Override]]) -> dict[SourceId, Selection]:
        with self._lock:
            made = {
                self._source(each).id: with_overrides(self._selections.get((each, warehouse), EVERYTHING), those)
                for each, those in overrides.items()
            }
            self._selections |= {(each, warehouse): selection for each, selection in made.items()}
            return made

    def _source(self, source_id: SourceId) -> Source:
        if source_id not in self._sources:
            raise rules.no_source(source_id)
        return self._sources[source_id]

    def _keep(self, source: Source) -> Source:
        self._sources[source.id] = source
        return source

    def _taken(self, but: SourceId | None) -> rules.UsedNames:
        others = [each for each in (*self._sources.values(), *self._deleted) if each.id != but]
        return rules.UsedNames({each.slug for each in others}, {each.schema for each in others})
