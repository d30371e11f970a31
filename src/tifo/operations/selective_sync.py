"""Selects which tables and columns of a source are loaded into a warehouse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tifo.kernel.ids import SourceId
from tifo.operations import sources, warehouses
from tifo.operations.backend import Backend
from tifo.workspace.sync import Override, Selection

_NEWEST_LOADS = 1_000
"""Tables are known from so many loads of a warehouse, of all its sources: the history is long, and one load names all
that it had rows for."""


@dataclass(frozen=True)
class SyncedTable:
    """A table of a source in a warehouse, with its settings."""

    name: str
    is_loaded: bool
    columns_off: Sequence[str]
    """The columns that are turned off. A table that is off keeps them for when it is on again."""


def selection(backend: Backend, source: str, warehouse: str) -> Selection:
    """Returns the tables and columns that are off. `source` is a slug or id, `warehouse` a name. Raises `NotFound`."""
    return backend.catalog.selection_of(sources.find(backend, source).id, warehouses.known_name(backend, warehouse))


def tables(backend: Backend, source: str, warehouse: str) -> Sequence[SyncedTable]:
    """Lists each table that was loaded lately or has a setting, by name. Raises `NotFound`."""
    chosen = selection(backend, source, warehouse)
    newest = warehouses.syncs(backend, warehouse, source=source, limit=_NEWEST_LOADS)
    loaded = {table for sync in newest for table in sync.rows}
    return [
        SyncedTable(table, table not in chosen.tables_off, tuple(sorted(chosen.columns_off.get(table, ()))))
        for table in sorted(loaded | chosen.tables_off | chosen.columns_off.keys())
    ]


def select(backend: Backend, warehouse: str, overrides: Mapping[str, Sequence[Override]]) -> bool:
    """Turns tables and columns off or on, by source (slug or id); all of them, or none where one is refused.

    Returns whether anything is other than it was.
    """
    name = warehouses.known_name(backend, warehouse)
    by_id: dict[SourceId, list[Override]] = {}
    for source, those in overrides.items():
        by_id.setdefault(sources.find(backend, source).id, []).extend(those)
    before = {source_id: backend.catalog.selection_of(source_id, name) for source_id in by_id}
    return backend.catalog.select(name, by_id) != before


def overrides_of(*, off: Sequence[str], on: Sequence[str]) -> Sequence[Override]:
    """Reads tables (`pages`) and columns (`pages.url`) to turn off and on."""
    return [_override(each, enabled=False) for each in off] + [_override(each, enabled=True) for each in on]


def _override(place: str, *, enabled: bool) -> Override:
    table, _, column = place.partition(".")
    return Override(table, column or None, enabled)
