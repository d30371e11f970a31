"""Connected warehouses and their sync history in memory."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.ids import Shard, SourceId
from tifo.workspace.memory.catalog import InMemoryCatalog
from tifo.workspace.warehouses import (
    MAX_SYNCS,
    ConnectedWarehouse,
    Loads,
    Sync,
    WarehouseKind,
    free_warehouse_name,
    no_warehouse,
)


class InMemoryWarehouses:
    """Implements `workspace.warehouses.Warehouses`. Removing a warehouse also removes its selections in `catalog`."""

    def __init__(self, catalog: InMemoryCatalog, *, clock: Clock = system_clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self.lock = threading.RLock()
        self._warehouses: dict[str, ConnectedWarehouse] = {}
        self._syncs: list[Sync] = []
        self._loads: dict[tuple[str, SourceId, Shard], Loads] = {}

    def add(
        self, kind: WarehouseKind, url: str, name: str | None, source_ids: Collection[SourceId] | None
    ) -> ConnectedWarehouse:
        with self.lock:
            made = ConnectedWarehouse(
                name=free_warehouse_name(name, kind, self._warehouses),
                kind=kind,
                url=url,
                source_ids=None if source_ids is None else frozenset(source_ids),
                created_at=self._clock(),
            )
            self._warehouses[made.name] = made
            return made

    def connected(self) -> list[ConnectedWarehouse]:
        with self.lock:
            return sorted(self._warehouses.values(), key=lambda each: each.name)

    def enable(self, name: str, *, enabled: bool) -> ConnectedWarehouse:
        with self.lock:
            return self.put(replace(self.named(name), enabled=enabled))

    def connect(self, name: str, source_id: SourceId) -> ConnectedWarehouse:
        with self.lock:
            now = self.named(name)
            if now.source_ids is None:
                return now
            return self.put(replace(now, source_ids=now.source_ids | {source_id}))

    def disconnect(self, name: str, source_id: SourceId, everyone: Collection[SourceId]) -> ConnectedWarehouse:
        with self.lock:
            now = self.named(name)
            # "All sources" becomes a list: it cannot say "all but one", and sources that are made later are not in it.
            connected = frozenset(everyone) if now.source_ids is None else now.source_ids
            return self.put(replace(now, source_ids=connected - {source_id}))

    def remove(self, name: str) -> None:
        with self.lock:
            self.named(name)
            del self._warehouses[name]
            self._syncs = [each for each in self._syncs if each.warehouse != name]
            self._loads = {place: each for place, each in self._loads.items() if place[0] != name}
            self._catalog.forget_selections(name)

    def record(self, syncs: Sequence[Sync]) -> None:
        with self.lock:
            for sync in syncs:
                # The history holds neither positions nor counts of single events: these are in the loads.
                self._syncs.append(replace(sync, position=None, withheld=0, failed=0, latencies={}))
                self._count(sync)
            newest: dict[str, deque[int]] = {}
            for number, sync in enumerate(self._syncs):
                newest.setdefault(sync.warehouse, deque(maxlen=MAX_SYNCS)).append(number)
            numbers = sorted(number for each in newest.values() for number in each)
            self._syncs = [self._syncs[number] for number in numbers]

    def syncs(self, warehouse: str | None, *, limit: int) -> list[Sync]:
        with self.lock:
            found = [each for each in reversed(self._syncs) if warehouse in {None, each.warehouse}]
        return found[:limit]

    def loads(self, warehouse: str, shard: Shard | None = None) -> list[Loads]:
        with self.lock:
            every = [each for (name, _, _), each in self._loads.items() if name == warehouse]
        return [each for each in every if shard in {None, each.shard}]

    def begin_anew(self, warehouse: str, source_id: SourceId, shard: Shard | None = None) -> None:
        with self.lock:
            for place in [each for each in self._loads if each[:2] == (warehouse, source_id)]:
                if shard in {None, place[2]}:
                    del self._loads[place]

    def change(self, name: str, *, enabled: bool, source_ids: Collection[SourceId] | None) -> ConnectedWarehouse:
        chosen = None if source_ids is None else frozenset(source_ids)
        return self.put(replace(self.named(name), enabled=enabled, source_ids=chosen))

    def put(self, warehouse: ConnectedWarehouse) -> ConnectedWarehouse:
        self._warehouses[warehouse.name] = warehouse
        return warehouse

    def named(self, name: str) -> ConnectedWarehouse:
        if name not in self._warehouses:
            raise no_warehouse(name)
        return self._warehouses[name]

    def snapshot(self) -> Callable[[], None]:
        """Returns a function that brings back the present state."""
        warehouses, syncs, loads = dict(self._warehouses), list(self._syncs), dict(self._loads)

        def restore() -> None:
            self._warehouses, self._syncs, self._loads = warehouses, syncs, loads

        return restore

    def _count(self, sync: Sync) -> None:
        if sync.position is None or sync.source_id is None:
            return
        place = (sync.warehouse, sync.source_id, sync.shard)
        none = Loads(
            source_id=sync.source_id,
            shard=sync.shard,
            position=sync.position,
            events=0,
            withheld=0,
            failed=0,
            latencies={},
        )
        before = self._loads.get(place, none)
        self._loads[place] = Loads(
            source_id=sync.source_id,
            shard=sync.shard,
            position=sync.position,
            events=before.events + sync.events,
            withheld=before.withheld + sync.withheld,
            failed=before.failed + sync.failed,
            latencies=dict(Counter(before.latencies) + Counter(sync.latencies)),
        )
