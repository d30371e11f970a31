"""Serves `/warehouses/…/selective-sync` (tables and columns that are loaded), `…/columns` (which key has which column)
and `/warehouses/…/syncs` (past loads).
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from tifo.api.management.answers import Answer, Pagination
from tifo.api.management.describing import accepts
from tifo.api.management.paging import page
from tifo.api.management.request import Input, ManagementRequest, ManagementRoute
from tifo.api.management.sources import named_source
from tifo.kernel.clock import to_iso
from tifo.kernel.errors import Rejected
from tifo.operations import selective_sync, warehouse_names, warehouses
from tifo.operations.selective_sync import SyncedTable
from tifo.operations.warehouse_names import WarehouseColumn
from tifo.workspace.sync import Override
from tifo.workspace.tokens import Role
from tifo.workspace.warehouses import Sync, SyncStatus

_NEWEST_LOADS = 1_000
"""Answers consider the newest 1,000 loads of a warehouse, those of all its sources together."""


Status = Literal["SUCCESS", "PARTIAL", "FAILURE"]
_STATUS: Mapping[SyncStatus, Status] = {
    SyncStatus.SUCCESS: "SUCCESS",
    SyncStatus.PARTIAL: "PARTIAL",
    SyncStatus.FAILURE: "FAILURE",
}


class _OneOverride(Input, frozen=True, kw_only=True):
    source_id: str
    enabled: bool
    collection: str | None = None
    property: str | None = None


class _Overrides(Input, frozen=True, kw_only=True):
    sync_overrides: list[_OneOverride]


class SyncedTableShown(Answer, frozen=True, kw_only=True):
    """A table; `properties` holds the columns that are off."""

    source_id: str
    warehouse_id: str
    collection: str
    enabled: bool
    properties: dict[str, bool]


class SelectiveSyncs(Answer, frozen=True, kw_only=True):
    items: list[SyncedTableShown]
    pagination: Pagination


class SelectiveSyncUpdate(Answer, frozen=True, kw_only=True):
    status: Literal["UPDATED", "UNCHANGED"]
    warnings: tuple[str, ...] = ()


class ColumnName(Answer, frozen=True, kw_only=True):
    """A key and its column, or an event table with the event names that it holds (`column` is null)."""

    source_id: str
    table: str
    column: str | None
    field: str | None
    key: str | None
    events: list[str]
    waits: bool


class WarehouseColumns(Answer, frozen=True, kw_only=True):
    columns: list[ColumnName]
    pagination: Pagination


class SyncNotice(Answer, frozen=True, kw_only=True):
    level: Literal["info", "error"]
    message: str
    created_at: str


class SyncReport(Answer, frozen=True, kw_only=True):
    """One load; `duration` is in milliseconds, `count` counts rows. A failed load has no source."""

    source_id: str
    start: str
    end: str
    status: Status
    duration: int
    human_duration: str
    count: int
    notices: list[SyncNotice]


class SyncReports(Answer, frozen=True, kw_only=True):
    reports: list[SyncReport]
    pagination: Pagination


def list_selective_syncs_from_warehouse_and_source(request: ManagementRequest) -> SelectiveSyncs:
    """Lists each table of the source that was loaded lately or has a setting."""
    name, source = _warehouse_name(request), named_source(request)
    tables = selective_sync.tables(request.backend, source.id, name)
    found, pagination = page(request, tables, lambda table: table.name)
    items = [_table_shown(table, source.id, name) for table in found]
    return SelectiveSyncs(items=items, pagination=pagination)


def _table_shown(table: SyncedTable, source_id: str, warehouse: str) -> SyncedTableShown:
    return SyncedTableShown(
        source_id=source_id,
        warehouse_id=warehouse,
        collection=table.name,
        enabled=table.is_loaded,
        properties=dict.fromkeys(table.columns_off, False),
    )


@accepts(body=_Overrides)
def update_selective_sync_for_warehouse(request: ManagementRequest) -> SelectiveSyncUpdate:
    """Turns tables (`collection`) and columns (`property`) off or on: all of the request, or nothing."""
    name, asked = _warehouse_name(request), request.read(_Overrides).sync_overrides
    overrides: dict[str, list[Override]] = {}
    for each in asked:
        overrides.setdefault(each.source_id, []).append(_override(each))
    changed = selective_sync.select(request.backend, name, overrides)
    return SelectiveSyncUpdate(status="UPDATED" if changed else "UNCHANGED")


def _override(asked: _OneOverride) -> Override:
    if asked.collection is None:
        raise Rejected(
            "An override without collection is for a whole source: connect or disconnect the source instead.",
            field="syncOverrides.collection",
        )
    return Override(asked.collection, asked.property, asked.enabled)


def list_syncs_from_warehouse(request: ManagementRequest) -> SyncReports:
    """Lists the newest 1,000 loads of the warehouse, the newest first."""
    return _reports(request, _newest(request))


def list_syncs_from_warehouse_and_source(request: ManagementRequest) -> SyncReports:
    """Lists those of the newest 1,000 loads of the warehouse that are of this source, the newest first."""
    return _reports(request, _newest(request, request.parts["source_id"]))


def _newest(request: ManagementRequest, source: str | None = None) -> Sequence[Sync]:
    name = request.parts["warehouse_id"]
    return warehouses.syncs(request.backend, name, source=source, limit=_NEWEST_LOADS)


def _reports(request: ManagementRequest, syncs: Sequence[Sync]) -> SyncReports:
    found, pagination = page(request, syncs, lambda sync: f"{sync.source_id} {to_iso(sync.started_at)}")
    return SyncReports(reports=list(map(_report, found)), pagination=pagination)


def list_columns_from_warehouse_and_source(request: ManagementRequest) -> WarehouseColumns:
    """Ours: Segment has no such list."""
    name, source = _warehouse_name(request), named_source(request)
    columns = warehouse_names.columns(request.backend, name, source=source.id)
    found, pagination = page(request, columns, lambda each: f"{each.table} {each.column or ''}")
    return WarehouseColumns(columns=list(map(_column, found)), pagination=pagination)


def _column(column: WarehouseColumn) -> ColumnName:
    return ColumnName(
        source_id=column.source.id,
        table=column.table,
        column=column.column,
        field=column.field,
        key=column.key,
        events=list(column.events),
        waits=column.waits,
    )


def _report(sync: Sync) -> SyncReport:
    seconds = (sync.finished_at - sync.started_at).total_seconds()
    return SyncReport(
        source_id=sync.source_id or "",
        start=to_iso(sync.started_at),
        end=to_iso(sync.finished_at),
        status=_STATUS[sync.status],
        duration=round(seconds * 1000),
        human_duration=f"{seconds:.1f}s",
        count=sum(sync.rows.values()),
        notices=_notices(sync),
    )


def _notices(sync: Sync) -> list[SyncNotice]:
    at = to_iso(sync.finished_at)
    notices = [SyncNotice(level="info", message=text, created_at=at) for text in sync.notices]
    if sync.error:
        notices.append(SyncNotice(level="error", message=sync.error, created_at=at))
    return notices


def _warehouse_name(request: ManagementRequest) -> str:
    return warehouses.known_name(request.backend, request.parts["warehouse_id"])


ROUTES = [
    ManagementRoute(
        "PATCH", "/warehouses/{warehouse_id}/selective-sync", Role.EDITOR, update_selective_sync_for_warehouse
    ),
    ManagementRoute(
        "GET",
        "/warehouses/{warehouse_id}/connected-sources/{source_id}/selective-syncs",
        Role.VIEWER,
        list_selective_syncs_from_warehouse_and_source,
    ),
    ManagementRoute(
        "GET",
        "/warehouses/{warehouse_id}/connected-sources/{source_id}/columns",
        Role.VIEWER,
        list_columns_from_warehouse_and_source,
    ),
    ManagementRoute("GET", "/warehouses/{warehouse_id}/syncs", Role.VIEWER, list_syncs_from_warehouse),
    ManagementRoute(
        "GET",
        "/warehouses/{warehouse_id}/connected-sources/{source_id}/syncs",
        Role.VIEWER,
        list_syncs_from_warehouse_and_source,
    ),
]
