"""`/warehouses/…/selective-sync` and `/warehouses/…/syncs`: what is loaded, and what was."""

from collections.abc import Sequence

from tifo.api.management.paging import page
from tifo.api.management.request import Input, ManagementRoute, Request
from tifo.api.management.sources import named_source
from tifo.api.management.warehouses import named_warehouse
from tifo.kernel.clock import to_iso
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import SourceId
from tifo.kernel.json import JsonObject
from tifo.workspace import rules
from tifo.workspace.sync import Override
from tifo.workspace.tokens import Role
from tifo.workspace.warehouses import BUILT_IN, Sync, SyncStatus

_LOOKED_AT = 1_000
"""The newest loads, of all sources of the warehouse."""


class _OneOverride(Input, frozen=True, kw_only=True):
    source_id: str
    enabled: bool
    collection: str | None = None
    property: str | None = None


class _Overrides(Input, frozen=True, kw_only=True):
    sync_overrides: list[_OneOverride]


def _selective_syncs(call: Request) -> JsonObject:
    """Each table that was loaded lately or has a setting. `properties` holds the columns that are off."""
    name, source = _warehouse_name(call), named_source(call)
    selection = call.desk.catalog.selection_of(source.id, name)
    loaded = {table for sync in _of(call, name, source.id) for table in sync.rows}
    tables = sorted(loaded | selection.tables_off | selection.columns_off.keys())

    def shown(table: str) -> JsonObject:
        return {
            "sourceId": source.id,
            "warehouseId": name,
            "collection": table,
            "enabled": selection.takes_table(table),
            "properties": dict.fromkeys(sorted(selection.columns_off.get(table, ())), False),
        }

    return page(call, "items", tables, str, shown)


def _select(call: Request) -> JsonObject:
    name, asked = _warehouse_name(call), call.read(_Overrides).sync_overrides
    catalog = call.desk.catalog
    sources = catalog.sources()
    overrides: dict[SourceId, list[Override]] = {}
    for each in asked:
        overrides.setdefault(rules.named(sources, each.source_id).id, []).append(_override(each))
    before = {source_id: catalog.selection_of(source_id, name) for source_id in overrides}
    after = catalog.select(name, overrides)
    return {"status": "UNCHANGED" if before == after else "UPDATED", "warnings": []}


def _override(asked: _OneOverride) -> Override:
    if asked.collection is None:
        raise Rejected(
            "An override without collection is for a whole source: connect or disconnect the source instead.",
            field="syncOverrides.collection",
        )
    return Override(asked.collection, asked.property, asked.enabled)


def _syncs(call: Request) -> JsonObject:
    return _reports(call, _of(call, _warehouse_name(call), None))


def _syncs_of_source(call: Request) -> JsonObject:
    return _reports(call, _of(call, _warehouse_name(call), named_source(call).id))


def _of(call: Request, warehouse: str, source_id: SourceId | None) -> list[Sync]:
    newest = call.desk.warehouses.syncs(warehouse, limit=_LOOKED_AT)
    return [sync for sync in newest if source_id in (None, sync.source_id)]


def _reports(call: Request, syncs: Sequence[Sync]) -> JsonObject:
    return page(call, "reports", syncs, lambda sync: f"{sync.source_id} {to_iso(sync.started_at)}", _report)


def _report(sync: Sync) -> JsonObject:
    seconds = (sync.finished_at - sync.started_at).total_seconds()
    levels = [("info", text) for text in sync.notices] + ([("error", sync.error)] if sync.error else [])
    return {
        "sourceId": sync.source_id or "",
        "start": to_iso(sync.started_at),
        "end": to_iso(sync.finished_at),
        "status": "SUCCESS" if sync.status is SyncStatus.SUCCESS else "FAILURE",
        "duration": round(seconds * 1000),
        "humanDuration": f"{seconds:.1f}s",
        "count": sum(sync.rows.values()),
        "notices": [
            {"level": level, "message": message, "createdAt": to_iso(sync.finished_at)} for level, message in levels
        ],
    }


def _warehouse_name(call: Request) -> str:
    warehouse = named_warehouse(call)
    return BUILT_IN if warehouse is None else warehouse.name


ROUTES = [
    ManagementRoute("PATCH", "/warehouses/{warehouse_id}/selective-sync", Role.EDITOR, _select),
    ManagementRoute(
        "GET",
        "/warehouses/{warehouse_id}/connected-sources/{source_id}/selective-syncs",
        Role.VIEWER,
        _selective_syncs,
    ),
    ManagementRoute("GET", "/warehouses/{warehouse_id}/syncs", Role.VIEWER, _syncs),
    ManagementRoute(
        "GET", "/warehouses/{warehouse_id}/connected-sources/{source_id}/syncs", Role.VIEWER, _syncs_of_source
    ),
]
