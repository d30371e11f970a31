"""Serves `/warehouses/…/selective-sync` (tables and columns that are loaded), `…/columns` (which key has which column)
and `/warehouses/…/syncs` (past loads).
"""

from collections.abc import Sequence

from tifo.api.management.paging import page
from tifo.api.management.request import Input, ManagementRequest, ManagementRoute
from tifo.api.management.sources import named_source
from tifo.kernel.clock import to_iso
from tifo.kernel.errors import Rejected
from tifo.kernel.json import JsonObject
from tifo.operations import selective_sync, warehouse_names, warehouses
from tifo.operations.selective_sync import SyncedTable
from tifo.operations.warehouse_names import WarehouseColumn
from tifo.workspace.sync import Override
from tifo.workspace.tokens import Role
from tifo.workspace.warehouses import Sync, SyncStatus

_NEWEST_LOADS = 1_000
"""Answers consider the newest 1,000 loads of a warehouse, those of all its sources together."""


class _OneOverride(Input, frozen=True, kw_only=True):
    source_id: str
    enabled: bool
    collection: str | None = None
    property: str | None = None


class _Overrides(Input, frozen=True, kw_only=True):
    sync_overrides: list[_OneOverride]


def _selective_syncs(request: ManagementRequest) -> JsonObject:
    """Lists the source's tables. `properties` holds the columns that are off."""
    name, source = _warehouse_name(request), named_source(request)
    tables = selective_sync.tables(request.backend, source.id, name)

    def shown(table: SyncedTable) -> JsonObject:
        return {
            "sourceId": source.id,
            "warehouseId": name,
            "collection": table.name,
            "enabled": table.is_loaded,
            "properties": dict.fromkeys(table.columns_off, False),
        }

    return page(request, "items", tables, lambda table: table.name, shown)


def _select(request: ManagementRequest) -> JsonObject:
    name, asked = _warehouse_name(request), request.read(_Overrides).sync_overrides
    overrides: dict[str, list[Override]] = {}
    for each in asked:
        overrides.setdefault(each.source_id, []).append(_override(each))
    changed = selective_sync.select(request.backend, name, overrides)
    return {"status": "UPDATED" if changed else "UNCHANGED", "warnings": []}


def _override(asked: _OneOverride) -> Override:
    if asked.collection is None:
        raise Rejected(
            "An override without collection is for a whole source: connect or disconnect the source instead.",
            field="syncOverrides.collection",
        )
    return Override(asked.collection, asked.property, asked.enabled)


def _syncs(request: ManagementRequest) -> JsonObject:
    return _reports(request, _newest(request))


def _syncs_of_source(request: ManagementRequest) -> JsonObject:
    return _reports(request, _newest(request, request.parts["source_id"]))


def _newest(request: ManagementRequest, source: str | None = None) -> Sequence[Sync]:
    name = request.parts["warehouse_id"]
    return warehouses.syncs(request.backend, name, source=source, limit=_NEWEST_LOADS)


def _reports(request: ManagementRequest, syncs: Sequence[Sync]) -> JsonObject:
    return page(request, "reports", syncs, lambda sync: f"{sync.source_id} {to_iso(sync.started_at)}", _report)


def _columns(request: ManagementRequest) -> JsonObject:
    """Ours: Segment has no such list."""
    name, source = _warehouse_name(request), named_source(request)
    columns = warehouse_names.columns(request.backend, name, source=source.id)
    return page(request, "columns", columns, lambda each: f"{each.table} {each.column or ''}", _column)


def _column(column: WarehouseColumn) -> JsonObject:
    return {
        "sourceId": column.source.id,
        "table": column.table,
        "column": column.column,
        "field": column.field,
        "key": column.key,
        "events": list(column.events),
        "waits": column.waits,
    }


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


def _warehouse_name(request: ManagementRequest) -> str:
    return warehouses.known_name(request.backend, request.parts["warehouse_id"])


ROUTES = [
    ManagementRoute("PATCH", "/warehouses/{warehouse_id}/selective-sync", Role.EDITOR, _select),
    ManagementRoute(
        "GET",
        "/warehouses/{warehouse_id}/connected-sources/{source_id}/selective-syncs",
        Role.VIEWER,
        _selective_syncs,
    ),
    ManagementRoute("GET", "/warehouses/{warehouse_id}/connected-sources/{source_id}/columns", Role.VIEWER, _columns),
    ManagementRoute("GET", "/warehouses/{warehouse_id}/syncs", Role.VIEWER, _syncs),
    ManagementRoute(
        "GET", "/warehouses/{warehouse_id}/connected-sources/{source_id}/syncs", Role.VIEWER, _syncs_of_source
    ),
]
