"""The catalog in memory."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, NewId, SourceId, uuid7
from tifo.workspace import rules
from tifo.workspace.model import Connection, Source, SourceChange, SourceType, WriteKey
from tifo.workspace.sync import EVERYTHING, Override, Selection, with_overrides


class InMemoryCatalog:
    """Implements `workspace.model.Catalog`. `applications` are the ones that exist; the collection may grow later."""

    def __init__(
        self, applications: Collection[ClientId], *, clock: Clock = system_clock, new_id: NewId = uuid7
    ) -> None:
        self._applications = applications
        self._clock = clock
        self._new_id = new_id
        self.lock = threading.RLock()
        self._sources: dict[SourceId, Source] = {}
        self._deleted: list[Source] = []
        self._connections: dict[ClientId, Connection] = {}
        self._selections: dict[tuple[SourceId, str], Selection] = {}

    def create_source(
        self, name: str, source_type: SourceType, *, enabled: bool = True, slug: str | None = None
    ) -> Source:
        with self.lock:
            source = rules.new_source(
                name,
                source_type,
                source_id=SourceId(self._new_id()),
                at=self._clock(),
                used=self.used_names(),
                enabled=enabled,
                slug=slug,
            )
            return self.put(source)

    def sources(self) -> list[Source]:
        with self.lock:
            return list(self._sources.values())

    def deleted_sources(self) -> list[Source]:
        with self.lock:
            return list(self._deleted)

    def change_source(self, source_id: SourceId, change: SourceChange) -> Source:
        with self.lock:
            return self.put(rules.changed(self._source(source_id), change, self.used_names(but=source_id)))

    def delete_source(self, source_id: SourceId, *, force: bool = False) -> list[Connection]:
        with self.lock:
            source = self._source(source_id)
            connected = rules.connected_to(source, self._connections.values())
            rules.check_unused(source, connected, force=force)
            for each in connected:
                del self._connections[each.client_id]
            # The loader still needs its schema for events that wait in the log. Its slug is free again.
            self._deleted.append(replace(source, keys=(), slug=source_id, enabled=False))
            del self._sources[source_id]
            return connected

    def add_write_key(self, source_id: SourceId) -> Source:
        with self.lock:
            return self.put(rules.with_new_key(self._source(source_id), self._clock()))

    def remove_write_key(self, source_id: SourceId, write_key: str) -> Source:
        with self.lock:
            return self.put(rules.without_key(self._source(source_id), write_key, self._connections.values()))

    def connect(self, client_id: ClientId, write_key: str, endpoint: str | None) -> Connection:
        if client_id not in self._applications:
            raise NotFound(f"There is no application {client_id}. Make one with `tifo app create`.", field="client_id")
        with self.lock:
            endpoint = rules.checked_endpoint(endpoint)
            known = {key for source in self._sources.values() for key in source.write_keys}
            connection = Connection(client_id, rules.checked_write_key(write_key, endpoint, known), endpoint)
            self._connections[client_id] = connection
            return connection

    def connections(self) -> list[Connection]:
        with self.lock:
            return sorted(self._connections.values(), key=lambda each: each.client_id)

    def selection_of(self, source_id: SourceId, warehouse: str) -> Selection:
        with self.lock:
            return self._selections.get((source_id, warehouse), EVERYTHING)

    def select(self, warehouse: str, overrides: Mapping[SourceId, Sequence[Override]]) -> dict[SourceId, Selection]:
        with self.lock:
            # All are computed before any is stored: an unknown source refuses the whole request.
            made = {
                self._source(each).id: with_overrides(self._selections.get((each, warehouse), EVERYTHING), those)
                for each, those in overrides.items()
            }
            for source_id, selection in made.items():
                self.put_selection(source_id, warehouse, selection)
            return made

    def slugs(self) -> dict[SourceId, str]:
        """Returns the slugs of the sources that are not deleted, by id."""
        with self.lock:
            return {each.id: each.slug for each in self._sources.values()}

    def used_names(self, *, but: SourceId | None = None) -> rules.UsedNames:
        others = [each for each in (*self._sources.values(), *self._deleted) if each.id != but]
        return rules.UsedNames({each.slug for each in others}, {each.schema for each in others})

    def put(self, source: Source) -> Source:
        self._sources[source.id] = source
        return source

    def add_keys(self, source_id: SourceId, keys: Sequence[WriteKey]) -> None:
        """Raises `Conflict` for a key that a source has already."""
        known = {key for source in self._sources.values() for key in source.write_keys}
        if any(each.key in known for each in keys):
            raise rules.write_key_in_use()
        source = self._source(source_id)
        self.put(replace(source, keys=(*source.keys, *keys)))

    def selections(self) -> dict[tuple[SourceId, str], Selection]:
        return dict(self._selections)

    def put_selection(self, source_id: SourceId, warehouse: str, selection: Selection) -> None:
        self._selections.pop((source_id, warehouse), None)
        if not selection.is_everything:
            self._selections[source_id, warehouse] = selection

    def forget_selections(self, warehouse: str) -> None:
        with self.lock:
            left = {place: each for place, each in self._selections.items() if place[1] != warehouse}
            self._selections = left

    def snapshot(self) -> Callable[[], None]:
        """Returns a function that brings back the present state."""
        sources, deleted = dict(self._sources), list(self._deleted)
        connections, selections = dict(self._connections), dict(self._selections)

        def restore() -> None:
            self._sources, self._deleted = sources, deleted
            self._connections, self._selections = connections, selections

        return restore

    def _source(self, source_id: SourceId) -> Source:
        if source_id not in self._sources:
            raise rules.no_source(source_id)
        return self._sources[source_id]
