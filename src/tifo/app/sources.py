"""What `tifo source …` does. Works whether or not `tifo up` runs; it sees a change within a second."""

from collections.abc import Sequence
from typing import Any

from tifo.app import compose
from tifo.app.settings import Settings
from tifo.kernel.clock import to_iso
from tifo.kernel.errors import Rejected
from tifo.store.workspace.catalog import SqlCatalog
from tifo.workspace import rules
from tifo.workspace.kinds import KINDS, kind_of
from tifo.workspace.model import Source, SourceChange, SourceType
from tifo.workspace.sync import Override, Selection
from tifo.workspace.warehouses import BUILT_IN


def kinds() -> list[dict[str, Any]]:
    return [{"type": kind.id, "name": kind.name, "description": kind.description} for kind in KINDS]


def create(settings: Settings, name: str, source_type: str) -> dict[str, Any]:
    source = _catalog(settings).create_source(name, SourceType(source_type))
    return {"id": source.id, "slug": source.slug, "schema": source.schema, "write_key": source.write_key}


def listed(settings: Settings) -> list[dict[str, Any]]:
    return [_shown(source) for source in _catalog(settings).sources()]


def setup(settings: Settings, name: str) -> dict[str, Any]:
    """How to send events to the source, ready to be pasted."""
    source = rules.named(_catalog(settings).sources(), name)
    if not source.keys:
        raise Rejected(f"The source {source.slug} has no write key. Make one: tifo source key create {source.slug}.")
    endpoint = (settings.public_url or compose.own_address(settings)).rstrip("/")
    return {"source": source.slug, "setup": kind_of(source.type).instructions(source.write_key, endpoint)}


def change(settings: Settings, name: str, change: SourceChange) -> dict[str, Any]:
    catalog = _catalog(settings)
    return _shown(catalog.change_source(rules.named(catalog.sources(), name).id, change))


def delete(settings: Settings, name: str, *, force: bool) -> dict[str, Any]:
    catalog = _catalog(settings)
    source = rules.named(catalog.sources(), name)
    disconnected = catalog.delete_source(source.id, force=force)
    return {
        "deleted": source.slug,
        "write_keys_stopped": len(source.keys),
        "applications_disconnected": [each.client_id for each in disconnected],
        "schema_kept": source.schema,
    }


def keys(settings: Settings, name: str) -> list[dict[str, Any]]:
    source = rules.named(_catalog(settings).sources(), name)
    return [{"write_key": each.key, "created_at": to_iso(each.created_at)} for each in source.keys]


def create_key(settings: Settings, name: str) -> dict[str, Any]:
    catalog = _catalog(settings)
    source = catalog.add_write_key(rules.named(catalog.sources(), name).id)
    return {"source": source.slug, "write_key": source.write_keys[-1], "write_keys": len(source.keys)}


def remove_key(settings: Settings, name: str, write_key: str) -> dict[str, Any]:
    catalog = _catalog(settings)
    source = catalog.remove_write_key(rules.named(catalog.sources(), name).id, write_key)
    return {"source": source.slug, "write_keys": len(source.keys)}


def selection(settings: Settings, name: str, warehouse: str) -> list[dict[str, Any]]:
    catalog = _catalog(settings)
    return _rows(catalog.selection_of(rules.named(catalog.sources(), name).id, _known(settings, warehouse)))


def select(
    settings: Settings, name: str, warehouse: str, *, off: Sequence[str], on: Sequence[str]
) -> list[dict[str, Any]]:
    """`off` and `on` name tables (`pages`) and columns (`pages.url`)."""
    catalog = _catalog(settings)
    source = rules.named(catalog.sources(), name)
    overrides = [_override(each, enabled=False) for each in off] + [_override(each, enabled=True) for each in on]
    return _rows(catalog.select(_known(settings, warehouse), {source.id: overrides})[source.id])


def _override(place: str, *, enabled: bool) -> Override:
    table, _, column = place.partition(".")
    return Override(table, column or None, enabled)


def _rows(selection: Selection) -> list[dict[str, Any]]:
    tables = [{"table": table, "column": None, "loaded": False} for table in sorted(selection.tables_off)]
    columns = [
        {"table": table, "column": column, "loaded": False}
        for table, off in sorted(selection.columns_off.items())
        for column in sorted(off)
    ]
    return [*tables, *columns]


def _known(settings: Settings, warehouse: str) -> str:
    connected = compose.warehouses_of(compose.open_state(settings)).connected()
    names = [BUILT_IN, *(each.name for each in connected)]
    if warehouse not in names:
        raise Rejected(f"There is no warehouse {warehouse!r:.100}. Known are {', '.join(names)}.", field="warehouse")
    return warehouse


def _shown(source: Source) -> dict[str, Any]:
    return {
        "id": source.id,
        "name": source.name,
        "slug": source.slug,
        "schema": source.schema,
        "type": source.type.value,
        "enabled": source.enabled,
        "write_key": source.write_key,
        "write_keys": len(source.keys),
    }


def _catalog(settings: Settings) -> SqlCatalog:
    return compose.catalog_of(compose.open_state(settings))
