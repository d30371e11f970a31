"""Selective sync: which tables and columns of a source are loaded into a warehouse."""

from collections.abc import Mapping, Sequence

from tifo.kernel.ids import SourceId
from tifo.operations import sources, warehouses
from tifo.operations.backend import Backend
from tifo.workspace.sync import Override, Selection


def selection(backend: Backend, source: str, warehouse: str) -> Selection:
    """Returns what is turned off. `source` is a slug or id, `warehouse` a name. Raises `NotFound`."""
    return backend.catalog.selection_of(sources.find(backend, source).id, warehouses.known_name(backend, warehouse))


def select(
    backend: Backend, warehouse: str, overrides: Mapping[str, Sequence[Override]]
) -> Mapping[SourceId, Selection]:
    """Turns tables and columns off or on, by source (slug or id); all of them, or none where one is refused."""
    name = warehouses.known_name(backend, warehouse)
    by_id: dict[SourceId, list[Override]] = {}
    for source, those in overrides.items():
        by_id.setdefault(sources.find(backend, source).id, []).extend(those)
    return backend.catalog.select(name, by_id)


def overrides_of(*, off: Sequence[str], on: Sequence[str]) -> Sequence[Override]:
    """Reads tables (`pages`) and columns (`pages.url`) to turn off and on."""
    return [_override(each, enabled=False) for each in off] + [_override(each, enabled=True) for each in on]


def _override(place: str, *, enabled: bool) -> Override:
    table, _, column = place.partition(".")
    return Override(table, column or None, enabled)
