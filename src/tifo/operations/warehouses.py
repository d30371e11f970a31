"""Warehouses: the built-in file and those that are connected beside it, which sources each loads, and its loads."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from tifo.delivery.cursors import loaded_cursors, source_position
from tifo.delivery.logs import warehouse_reader
from tifo.kernel.errors import Conflict, Rejected, Transient
from tifo.kernel.json import JsonObject
from tifo.operations import logs, sources
from tifo.operations.backend import Backend
from tifo.warehouses.catalog import connectable_kind, kind_of
from tifo.workspace.model import Source
from tifo.workspace.warehouses import (
    BUILT_IN,
    ConnectedWarehouse,
    Sync,
    WarehouseKind,
    every_warehouse,
    named_warehouse,
)

WarehouseSettings = Mapping[str, object]
"""Settings by name, as someone gave them: either `url`, or the parts of an address."""


_POLL_S = 0.5


@dataclass(frozen=True)
class WarehouseChange:
    """None leaves a field as it is. Name and settings may repeat what the warehouse has, and never change."""

    name: str | None = None
    enabled: bool | None = None
    settings: WarehouseSettings | None = field(default=None, repr=False)


class WarehouseBacklog(NamedTuple):
    """The events of the log that a warehouse has not loaded; None where it cannot be asked, for the reason `error`."""

    waiting: int | None
    error: str | None = None


class WarehouseProgress(NamedTuple):
    """Counts events of the log."""

    loaded: int
    total: int


class RewoundSource(NamedTuple):
    """A source that a warehouse loads anew. Its rows received after `since` were deleted; None: all of its rows."""

    source: Source
    since: datetime | None


def listed(backend: Backend) -> Sequence[ConnectedWarehouse]:
    """Returns the built-in warehouse first, then the connected ones by name."""
    return every_warehouse(backend.warehouses.connected())


def find(backend: Backend, name: str) -> ConnectedWarehouse:
    """Raises `NotFound`, naming the warehouses that there are."""
    return named_warehouse(listed(backend), name)


def known_name(backend: Backend, name: str) -> str:
    """Returns the name of a warehouse that there is. Raises `NotFound`."""
    return find(backend, name).name


def query(backend: Backend, sql: str, warehouse: str = BUILT_IN) -> Sequence[JsonObject]:
    """Runs SQL that cannot change anything. Raises as `Warehouse.query` does, and `NotFound`."""
    return backend.open_warehouse(warehouse).query(sql)


def add(
    backend: Backend,
    kind: str,
    url: str,
    *,
    name: str | None = None,
    sources_to_load: Sequence[str] | None = None,
    enabled: bool = True,
) -> ConnectedWarehouse:
    """Connects a warehouse after reaching it once. It loads all that the log holds of its sources, then what comes.

    `sources_to_load` names them by slug or id; None loads every source, later ones included. Raises `Transient` where
    the warehouse cannot be reached, `Rejected` for a bad address or name: nothing is connected then.
    """
    known_kind = WarehouseKind(connectable_kind(kind).id)
    ids = None if sources_to_load is None else [sources.find(backend, each).id for each in sources_to_load]
    backend.check_warehouse(known_kind, url)
    made = backend.warehouses.add(known_kind, url, name, ids)
    return made if enabled else backend.warehouses.enable(made.name, enabled=False)


def change(backend: Backend, name: str, asked: WarehouseChange) -> ConnectedWarehouse:
    """Enables or disables a warehouse. Raises `Conflict` for the built-in one, `Rejected` for another name or setting.

    A disabled warehouse is not loaded; the log waits for it.
    """
    warehouse = _changeable(backend, name)
    if asked.name is not None and asked.name != warehouse.name:
        raise Rejected("A warehouse's name is its id, and stays.", field="name")
    _refuse_other_settings(warehouse, asked.settings or {})
    if asked.enabled is None:
        return warehouse
    return backend.warehouses.enable(warehouse.name, enabled=asked.enabled)


def remove(backend: Backend, name: str) -> ConnectedWarehouse:
    """Stops loading into the warehouse; its rows stay. Raises `Conflict` for the built-in one. Returns what it was."""
    warehouse = _changeable(backend, name)
    backend.warehouses.remove(warehouse.name)
    return warehouse


def can_connect(backend: Backend, kind: str, settings: WarehouseSettings) -> bool:
    """Raises `Rejected` for settings that are no address."""
    known = connectable_kind(kind)
    return _reaches(backend, known.id, known.url_of(settings))


def is_reachable(backend: Backend, name: str) -> bool:
    """The built-in warehouse always is. Raises `NotFound`."""
    warehouse = find(backend, name)
    return warehouse.is_built_in or _reaches(backend, warehouse.kind, warehouse.url)


def loaded_sources(backend: Backend, name: str) -> Sequence[Source]:
    """Returns the sources that the warehouse loads."""
    warehouse = find(backend, name)
    return [source for source in backend.catalog.sources() if warehouse.takes(source.id)]


def loading(backend: Backend, source: str) -> Sequence[ConnectedWarehouse]:
    """Returns the warehouses that load the source, given by slug or id."""
    source_id = sources.find(backend, source).id
    return [warehouse for warehouse in listed(backend) if warehouse.takes(source_id)]


def connect_source(backend: Backend, name: str, source: str) -> ConnectedWarehouse:
    """Loads the source too, from the start of the log. The built-in warehouse loads every source already."""
    warehouse, source_id = find(backend, name), sources.find(backend, source).id
    if warehouse.is_built_in:
        return warehouse
    return backend.warehouses.connect(warehouse.name, source_id)


def disconnect_source(backend: Backend, name: str, source: str) -> ConnectedWarehouse:
    """Stops loading the source; its rows stay. A warehouse that loads every source keeps the others that there are now.

    Raises `Conflict` for the built-in warehouse.
    """
    warehouse, source_id = _changeable(backend, name), sources.find(backend, source).id
    everyone = [each.id for each in backend.catalog.sources()]
    return backend.warehouses.disconnect(warehouse.name, source_id, everyone)


def syncs(
    backend: Backend, name: str | None = None, *, source: str | None = None, limit: int = 1_000
) -> Sequence[Sync]:
    """Returns the newest loads first, of one warehouse or of all. `source` then chooses among those `limit` loads.

    Raises `NotFound`.
    """
    warehouse = None if name is None else known_name(backend, name)
    newest = backend.warehouses.syncs(warehouse, limit=limit)
    if source is None:
        return newest
    source_id = sources.find(backend, source).id
    return [sync for sync in newest if sync.source_id == source_id]


def backlog(backend: Backend, name: str) -> WarehouseBacklog:
    """Raises `NotFound`. A warehouse that is away is no error: the reason is in what is returned."""
    loaded = loaded_sources(backend, name)
    with backend.read_log() as log:
        try:
            cursors = loaded_cursors(backend.open_warehouse(name).positions, log)
        except Transient as error:
            return WarehouseBacklog(None, error.message)
        own = sum(log.behind(source_position(log, each.id, cursors), each.id) for each in loaded)
        elsewhere = logs.others(backend, log.shard)
    readers = [warehouse_reader(name, each.id) for each in loaded]
    return WarehouseBacklog(own + sum(each.backlog.get(reader, 0) for each in elsewhere for reader in readers))


def progress(
    backend: Backend, name: str, *, sleep: Callable[[float], None] = time.sleep
) -> Iterator[WarehouseProgress]:
    """Yields the progress until the warehouse has all that this node's log holds now. Blocks between two values.

    A loader must run, or this never ends. Nothing is yielded while the warehouse is away or locked by a load.
    """
    with backend.read_log() as log:
        start, end = log.start(), log.end()
        while True:
            with contextlib.suppress(Transient):
                cursors = loaded_cursors(backend.open_warehouse(name).positions, log)
                loaded = loaded_sources(backend, name)
                positions = {each.id: source_position(log, each.id, cursors) for each in loaded}
                left = sum(log.behind(position, each, through=end) for each, position in positions.items())
                total = sum(log.behind(start, each, through=end) for each in positions)
                yield WarehouseProgress(max(0, total - left), total)
                if not left:
                    return
            sleep(_POLL_S)


def resync(backend: Backend, name: str, source: str | None = None) -> Sequence[RewoundSource]:
    """Loads anew what the logs hold: of one source (slug or id), or of every source that was ever loaded.

    Rows that are older than the logs stay. Raises `NotFound`, also for a named source that was never loaded.
    """
    warehouse = backend.open_warehouse(known_name(backend, name))
    chosen = backend.catalog.sources() if source is None else [sources.find(backend, source)]
    rewound = []
    with backend.read_log() as log:
        known = loaded_cursors(warehouse.positions, log)
        for each in chosen:
            if source is None and each.id not in known:
                continue
            since = logs.every_complete_since(backend, log, each.id)
            # First the rows, then the counts: counts that are reset without rows being deleted would never add up.
            warehouse.rewind(each.id, since)
            backend.warehouses.begin_anew(name, each.id)
            rewound.append(RewoundSource(each, since))
    return rewound


def _changeable(backend: Backend, name: str) -> ConnectedWarehouse:
    warehouse = find(backend, name)
    if warehouse.is_built_in:
        raise Conflict(
            f"{BUILT_IN} is built in: it stays, and takes every source. Turn tables off by selective sync.",
            field="warehouse",
        )
    return warehouse


def _refuse_other_settings(warehouse: ConnectedWarehouse, asked: WarehouseSettings) -> None:
    same: Mapping[str, object] = {"name": warehouse.name, **kind_of(warehouse.kind).settings_of(warehouse.url)}
    changed = [name for name, value in asked.items() if same.get(name) != value]
    if changed:
        raise Rejected(
            f"settings.{changed[0]:.100} cannot be changed. Make another warehouse, and delete this one.",
            field=f"settings.{changed[0]:.100}",
        )


def _reaches(backend: Backend, kind: str, url: str) -> bool:
    try:
        backend.check_warehouse(kind, url)
    except Transient:
        return False
    return True
