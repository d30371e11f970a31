"""Connected destinations in memory."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.ids import DestinationId, LogPosition, NewId, SourceId, uuid7
from tifo.kernel.json import JsonObject
from tifo.workspace import rules
from tifo.workspace.destinations import (
    ConnectedDestination,
    DestinationChange,
    check_version,
    checked_destination_name,
    destination_name_in_use,
    no_destination,
)
from tifo.workspace.memory.catalog import InMemoryCatalog


class InMemoryDestinations:
    """Implements `workspace.destinations.Destinations`.

    `on_add` and `on_remove` let a twin of the delivery state follow: SQL writes and deletes a destination's cursor and
    deliveries in the same transaction.
    """

    def __init__(
        self,
        catalog: InMemoryCatalog,
        *,
        clock: Clock = system_clock,
        new_id: NewId = uuid7,
        on_add: Callable[[ConnectedDestination, LogPosition], object] = lambda _made, _start: None,
        on_remove: Callable[[DestinationId], object] = lambda _id: None,
    ) -> None:
        self._catalog = catalog
        self._clock = clock
        self._new_id = new_id
        self.lock = threading.RLock()
        self.on_add = on_add
        self.on_remove = on_remove
        self._destinations: dict[DestinationId, ConnectedDestination] = {}

    def add(
        self,
        kind: str,
        name: str,
        source_id: SourceId,
        settings: Mapping[str, Any],
        *,
        start: LogPosition,
        secret: Collection[str] = (),  # noqa: ARG002 (memory encrypts nothing)
        mappings: Sequence[JsonObject] = (),
        enabled: bool = True,
    ) -> ConnectedDestination:
        made = ConnectedDestination(
            id=DestinationId(self._new_id()),
            name=name,
            kind=kind,
            source_id=source_id,
            settings=settings,
            created_at=self._clock(),
            enabled=enabled,
            mappings=mappings,
        )
        with self.lock:
            stored = self.insert(made)
            self.on_add(stored, start)
            return stored

    def all(self) -> list[ConnectedDestination]:
        with self.lock:
            return list(self._destinations.values())

    def change(
        self,
        destination_id: DestinationId,
        change: DestinationChange,
        *,
        secret: Collection[str] = (),  # noqa: ARG002 (memory encrypts nothing)
    ) -> ConnectedDestination:
        with self.lock:
            return self.update(destination_id, change)

    def remove(self, destination_id: DestinationId) -> None:
        with self.lock:
            self.delete(destination_id)
            self.on_remove(destination_id)

    def insert(self, made: ConnectedDestination) -> ConnectedDestination:
        name = checked_destination_name(made.name)
        if made.source_id not in self._catalog.slugs():
            raise rules.no_source(made.source_id)
        self._check_free(made.source_id, name, but=made.id)
        stored = replace(
            made,
            name=name,
            settings=_copied(made.settings),
            mappings=tuple(_copied(made.mappings)),
            filters=tuple(_copied(made.filters)),
            choice=_copied(made.choice),
            # SQL stores whole seconds.
            retry_for_s=float(int(made.retry_for_s)),
            version=1,
        )
        self._destinations[made.id] = stored
        return stored

    def update(self, destination_id: DestinationId, change: DestinationChange) -> ConnectedDestination:
        values: dict[str, Any] = {}
        values |= {} if change.name is None else {"name": checked_destination_name(change.name)}
        values |= {} if change.enabled is None else {"enabled": change.enabled}
        values |= {} if change.settings is None else {"settings": _copied(change.settings)}
        values |= {} if change.mappings is None else {"mappings": tuple(_copied(change.mappings))}
        values |= {} if change.filters is None else {"filters": tuple(_copied(change.filters))}
        values |= {} if change.choice is None else {"choice": _copied(change.choice)}
        values |= {} if change.retry_for_s is None else {"retry_for_s": float(int(change.retry_for_s))}
        now = self._destination(destination_id)
        check_version(change, now.version)
        if "name" in values:
            self._check_free(now.source_id, values["name"], but=destination_id)
        changed = replace(now, version=now.version + 1, **values)
        self._destinations[destination_id] = changed
        return changed

    def delete(self, destination_id: DestinationId) -> None:
        self._destination(destination_id)
        del self._destinations[destination_id]

    def snapshot(self) -> Callable[[], None]:
        """Returns a function that brings back the present state."""
        before = dict(self._destinations)

        def restore() -> None:
            self._destinations = before

        return restore

    def _destination(self, destination_id: DestinationId) -> ConnectedDestination:
        if destination_id not in self._destinations:
            raise no_destination(destination_id)
        return self._destinations[destination_id]

    def _check_free(self, source_id: SourceId, name: str, *, but: DestinationId) -> None:
        others = (each for each in self._destinations.values() if each.id != but)
        if any((each.source_id, each.name) == (source_id, name) for each in others):
            raise destination_name_in_use(name)


def _copied(value: object) -> Any:
    """Returns the value as it comes back from a state: JSON, which the caller cannot change."""
    return msgspec.json.decode(msgspec.json.encode(value))
