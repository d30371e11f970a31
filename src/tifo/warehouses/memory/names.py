"""Settles names in memory: the twin of the store's."""

import threading

from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.ids import SourceId
from tifo.warehouses.budgets import Budgets
from tifo.warehouses.names import NamedColumn, Settled, Wishes
from tifo.warehouses.settling import MAX_WAITING, SourceNames


class InMemorySchemaNames:
    """Implements `warehouses.names.SchemaNames`. Threads may share it."""

    def __init__(self, clock: Clock = system_clock, budgets: Budgets | None = None) -> None:
        self._clock = clock
        self._budgets = budgets or Budgets()
        self._lock = threading.Lock()
        self._sources: dict[SourceId, SourceNames] = {}

    def read(self, source_id: SourceId) -> Settled:
        with self._lock:
            names = self._sources.get(source_id, SourceNames())
            columns = [
                NamedColumn(table, path, name) for table, paths in names.columns.items() for path, name in paths.items()
            ]
            return Settled(tables=dict(names.tables), columns=columns)

    def settle(self, source_id: SourceId, wishes: Wishes) -> Settled:
        with self._lock:
            names = self._sources.setdefault(source_id, SourceNames())
            made = names.settle(wishes, self._budgets, self._clock())
            names.allowances.update(made.allowances)
            _forget(names)
            return names.answer(wishes, made)


def _forget(names: SourceNames) -> None:
    waiting = [name for name, table in names.tables.items() if table.made_at is None]
    for name in waiting[: max(0, len(waiting) - MAX_WAITING)]:
        del names.tables[name]
