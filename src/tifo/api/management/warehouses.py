"""`/warehouses`: connects warehouses, and chooses the sources that are loaded into each. No answer holds a password.

A warehouse's id is its name. The built-in one, `duckdb`, is listed with the others; it loads every source and cannot be
changed.
"""

from collections.abc import Sequence
from typing import Any

from tifo.api.management.catalog import warehouse_metadata
from tifo.api.management.paging import page
from tifo.api.management.request import WORKSPACE_ID, Input, ManagementRequest, ManagementRoute, statused
from tifo.api.management.sources import source_shown
from tifo.kernel.json import JsonObject
from tifo.operations import warehouses
from tifo.operations.warehouses import WarehouseChange
from tifo.warehouses.catalog import connectable_kind, kind_of
from tifo.workspace.rules import slug_of
from tifo.workspace.tokens import Role
from tifo.workspace.warehouses import ConnectedWarehouse

_Settings = dict[str, Any]


class _New(Input, frozen=True, kw_only=True):
    metadata_id: str
    settings: _Settings
    name: str | None = None
    enabled: bool = True


class _Change(Input, frozen=True, kw_only=True):
    name: str | None = None
    enabled: bool | None = None
    settings: _Settings | None = None


class _Checked(Input, frozen=True, kw_only=True):
    metadata_id: str
    settings: _Settings


def warehouse_shown(warehouse: ConnectedWarehouse) -> JsonObject:
    settings = {} if warehouse.is_built_in else kind_of(warehouse.kind).settings_of(warehouse.url)
    return {
        "id": warehouse.name,
        "metadata": warehouse_metadata(warehouse.kind),
        "workspaceId": WORKSPACE_ID,
        "enabled": warehouse.enabled,
        "settings": {"name": warehouse.name, **settings},
    }


def _list(request: ManagementRequest) -> JsonObject:
    return _page(request, warehouses.listed(request.backend))


def _get(request: ManagementRequest) -> JsonObject:
    return {"warehouse": warehouse_shown(warehouses.find(request.backend, _name(request)))}


def _create(request: ManagementRequest) -> JsonObject:
    """Makes a warehouse that loads no source yet, as Segment does."""
    new = request.read(_New)
    made = warehouses.add(
        request.backend,
        new.metadata_id,
        connectable_kind(new.metadata_id).url_of(new.settings),
        name=None if new.name is None else slug_of(new.name),
        # Segment: a new warehouse is connected to its sources one by one.
        sources_to_load=(),
        enabled=new.enabled,
    )
    return {"warehouse": warehouse_shown(made)}


def _update(request: ManagementRequest) -> JsonObject:
    asked = request.read(_Change)
    change = WarehouseChange(asked.name, asked.enabled, asked.settings)
    return {"warehouse": warehouse_shown(warehouses.change(request.backend, _name(request), change))}


def _delete(request: ManagementRequest) -> JsonObject:
    warehouses.remove(request.backend, _name(request))
    return statused("SUCCESS")


def _validate(request: ManagementRequest) -> JsonObject:
    asked = request.read(_Checked)
    return statused(_state(connected=warehouses.can_connect(request.backend, asked.metadata_id, asked.settings)))


def _connection_state(request: ManagementRequest) -> JsonObject:
    return {"connectionState": _state(connected=warehouses.is_reachable(request.backend, _name(request)))}


def _connected_sources(request: ManagementRequest) -> JsonObject:
    loaded = warehouses.loaded_sources(request.backend, _name(request))
    return page(request, "sources", loaded, lambda source: source.id, lambda source: source_shown(source, request.role))


def _connected_warehouses(request: ManagementRequest) -> JsonObject:
    return _page(request, warehouses.loading(request.backend, request.parts["source_id"]))


def _connect(request: ManagementRequest) -> JsonObject:
    warehouses.connect_source(request.backend, _name(request), request.parts["source_id"])
    return statused("CONNECTED")


def _disconnect(request: ManagementRequest) -> JsonObject:
    warehouses.disconnect_source(request.backend, _name(request), request.parts["source_id"])
    return statused("SUCCESS")


def _page(request: ManagementRequest, listed: Sequence[ConnectedWarehouse]) -> JsonObject:
    return page(request, "warehouses", listed, lambda warehouse: warehouse.name, warehouse_shown)


def _name(request: ManagementRequest) -> str:
    return request.parts["warehouse_id"]


def _state(*, connected: bool) -> str:
    return "CONNECTED" if connected else "FAILED"


ROUTES = [
    ManagementRoute("GET", "/warehouses", Role.VIEWER, _list),
    ManagementRoute("POST", "/warehouses", Role.EDITOR, _create),
    ManagementRoute("POST", "/warehouses/validation", Role.EDITOR, _validate),
    ManagementRoute("GET", "/warehouses/{warehouse_id}", Role.VIEWER, _get),
    ManagementRoute("PATCH", "/warehouses/{warehouse_id}", Role.EDITOR, _update),
    ManagementRoute("DELETE", "/warehouses/{warehouse_id}", Role.OWNER, _delete),
    ManagementRoute("GET", "/warehouses/{warehouse_id}/connection-state", Role.EDITOR, _connection_state),
    ManagementRoute("GET", "/warehouses/{warehouse_id}/connected-sources", Role.VIEWER, _connected_sources),
    ManagementRoute("POST", "/warehouses/{warehouse_id}/connected-sources/{source_id}", Role.EDITOR, _connect),
    ManagementRoute("DELETE", "/warehouses/{warehouse_id}/connected-sources/{source_id}", Role.EDITOR, _disconnect),
    ManagementRoute("GET", "/sources/{source_id}/connected-warehouses", Role.VIEWER, _connected_warehouses),
]
