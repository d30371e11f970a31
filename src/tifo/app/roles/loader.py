"""The role that fills the warehouses."""

import signal
import sys
import threading
import time

from tifo.app import compose
from tifo.app.compose import OpenedBackend
from tifo.app.roles.held import released_in_thread
from tifo.app.roles.presence import Presence, present
from tifo.app.roles.signals import when_parent_ends
from tifo.app.settings import Settings
from tifo.delivery.loading.loader import Loader
from tifo.delivery.loading.supervisor import LoaderSupervisor
from tifo.delivery.logs import LogNotice
from tifo.kernel.ids import SourceId
from tifo.kernel.memory import collect_seldom
from tifo.operations import warehouse_names
from tifo.workspace.sync import Selection
from tifo.workspace.warehouses import ConnectedWarehouse, Warehouses, every_warehouse

_FRESH_S = 1.0


def run(settings: Settings, supervised: bool) -> int:
    stop = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    if supervised:
        when_parent_ends(sys.stdin.fileno(), stop.set)
    with present(settings.data, "loader") as presence:
        if released_in_thread(settings, stop):
            _load(settings, stop, presence)
    return 0


def _load(settings: Settings, stop: threading.Event, presence: Presence) -> None:
    with compose.opened_by_role(settings) as backend:

        def wanted() -> list[str]:
            return [each.name for each in every_warehouse(backend.warehouses.connected()) if each.enabled]

        collect_seldom()
        wanted()  # opens the state before the loaders' threads do
        presence.up()
        LoaderSupervisor(wanted, lambda name: _loader(settings, backend, name)).run(stop)


def _loader(settings: Settings, backend: OpenedBackend, name: str) -> Loader:
    warehouses, catalog = backend.warehouses, backend.catalog

    def selected(source_id: SourceId) -> Selection | None:
        selection = catalog.selection_of(source_id, name)
        return None if selection.is_everything else selection

    log = compose.open_log_reader(settings)
    return Loader(
        log,
        backend.open_warehouse(name),
        lambda: [*catalog.sources(), *catalog.deleted_sources()],
        name=name,
        takes=_ConnectedSources(warehouses, name).takes,
        selection_of=selected,
        on_syncs=warehouses.record,
        recorded=lambda: {each.source_id: each.position for each in warehouses.loads(name, log.shard)},
        begin_anew=lambda source_id: warehouses.begin_anew(name, source_id, log.shard),
        on_notice=lambda text: backend.logs.notify(LogNotice(log.shard, backend.clock(), text)),
        flush_s=settings.flush_s,
        flush_events=settings.flush_events,
        max_tables=settings.max_event_tables,
        names=backend.schema_names,
        planned=lambda source_id: warehouse_names.planned(backend, source_id),
    )


class _ConnectedSources:
    """Tells which sources a warehouse is loaded with; the answer is at most a second old."""

    def __init__(self, warehouses: Warehouses, name: str) -> None:
        self._warehouses = warehouses
        self._name = name
        self._read_at = float("-inf")
        self._now: ConnectedWarehouse | None = None

    def takes(self, source_id: SourceId) -> bool:
        if time.monotonic() - self._read_at > _FRESH_S:
            every = every_warehouse(self._warehouses.connected())
            self._now = next((each for each in every if each.name == self._name), None)
            self._read_at = time.monotonic()
        return self._now is not None and self._now.takes(source_id)
