"""`/warehouses`: connects warehouses, and chooses the sources that are loaded into each. No answer holds a password.

A warehouse's id is its name. The built-in one, `duckdb`, is listed with the others; it loads every source and cannot be
changed.
"""

from collections.abc import Sequence
from typing import Any, Literal

from tifo.api.management.answers import Answer, Done, Pagination, Reached, reached
from tifo.api.management.catalog import WarehouseMetadataShown, warehouse_metadata
from tifo.api.management.describing import accepts
from tifo.api.management.paging import page
from tifo.api.management.request import WORKSPACE_ID, Input, ManagementRequest, ManagementRoute
from tifo.api.management.sources import ListedSources, sources_page
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


class WarehouseShown(Answer, frozen=True, kw_only=True):
    """A warehouse; its id is its name. `settings` hold no password."""

    id: str
    metadata: WarehouseMetadataShown
    workspace_id: str
    enabled: bool
    settings: dict[str, Any]


class OneWarehouse(Answer, frozen=True, kw_only=True):
    warehouse: WarehouseShown


class ListedWarehouses(Answer, frozen=True, kw_only=True):
    warehouses: list[WarehouseShown]
    pagination: Pagination


class ConnectionState(Answer, frozen=True, kw_only=True):
    connection_state: Literal["CONNECTED", "FAILED"]


class Connected(Answer, frozen=True, kw_only=True):
    status: Literal["CONNECTED"] = "CONNECTED"


def warehouse_shown(warehouse: ConnectedWarehouse) -> WarehouseShown:
    settings = {} if warehouse.is_built_in else kind_of(warehouse.kind).settings_of(warehouse.url)
    return WarehouseShown(
        id=warehouse.name,
        metadata=warehouse_metadata(warehouse.kind),
        workspace_id=WORKSPACE_ID,
        enabled=warehouse.enabled,
        settings={"name": warehouse.name, **settings},
    )


def list_warehouses(request: ManagementRequest) -> ListedWarehouses:
    """The built-in warehouse, `duckdb`, comes first."""
    return _page(request, warehouses.listed(request.backend))


def get_warehouse(request: ManagementRequest) -> OneWarehouse:
    return OneWarehouse(warehouse=warehouse_shown(warehouses.find(request.backend, _name(request))))


@accepts(body=_New)
def create_warehouse(request: ManagementRequest) -> OneWarehouse:
    """The warehouse loads no source until one is connected. `settings` are an address as `url`, or its parts."""
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
    return OneWarehouse(warehouse=warehouse_shown(made))


@accepts(body=_Change)
def update_warehouse(request: ManagementRequest) -> OneWarehouse:
    """Enables or disables the warehouse; name and settings may be repeated, and never change."""
    asked = request.read(_Change)
    change = WarehouseChange(asked.name, asked.enabled, asked.settings)
    return OneWarehouse(warehouse=warehouse_shown(warehouses.change(request.backend, _name(request), change)))


def delete_warehouse(request: ManagementRequest) -> Done:
    """Its rows stay."""
    warehouses.remove(request.backend, _name(request))
    return Done()


@accepts(body=_Checked)
def create_validation_in_warehouse(request: ManagementRequest) -> Reached:
    """Says whether a warehouse with these settings can be reached; nothing is stored."""
    asked = request.read(_Checked)
    connected = warehouses.can_connect(request.backend, asked.metadata_id, asked.settings)
    return Reached(status=reached(connected=connected))


def get_connection_state_from_warehouse(request: ManagementRequest) -> ConnectionState:
    connected = warehouses.is_reachable(request.backend, _name(request))
    return ConnectionState(connection_state=reached(connected=connected))


def list_connected_sources_from_warehouse(request: ManagementRequest) -> ListedSources:
    """Lists the sources that the warehouse loads."""
    return sources_page(request, warehouses.loaded_sources(request.backend, _name(request)))


def list_connected_warehouses_from_source(request: ManagementRequest) -> ListedWarehouses:
    """Lists the warehouses that load the source."""
    return _page(request, warehouses.loading(request.backend, request.parts["source_id"]))


def add_connection_from_source_to_warehouse(request: ManagementRequest) -> Connected:
    """The source is loaded from the oldest event that Tifo still has."""
    warehouses.connect_source(request.backend, _name(request), request.parts["source_id"])
    return Connected()


def remove_source_connection_from_warehouse(request: ManagementRequest) -> Done:
    """Its rows stay."""
    warehouses.disconnect_source(request.backend, _name(request), request.parts["source_id"])
    return Done()


def _page(request: ManagementRequest, listed: Sequence[ConnectedWarehouse]) -> ListedWarehouses:
    found, pagination = page(request, listed, lambda warehouse: warehouse.name)
    return ListedWarehouses(warehouses=list(map(warehouse_shown, found)), pagination=pagination)


def _name(request: ManagementRequest) -> str:
    return request.parts["warehouse_id"]


ROUTES = [
    ManagementRoute("GET", "/warehouses", Role.VIEWER, list_warehouses),
    ManagementRoute("POST", "/warehouses", Role.EDITOR, create_warehouse),
    ManagementRoute("POST", "/warehouses/validation", Role.EDITOR, create_validation_in_warehouse),
    ManagementRoute("GET", "/warehouses/{warehouse_id}", Role.VIEWER, get_warehouse),
    ManagementRoute("PATCH", "/warehouses/{warehouse_id}", Role.EDITOR, update_warehouse),
    ManagementRoute("DELETE", "/warehouses/{warehouse_id}", Role.OWNER, delete_warehouse),
    ManagementRoute(
        "GET", "/warehouses/{warehouse_id}/connection-state", Role.EDITOR, get_connection_state_from_warehouse
    ),
    ManagementRoute(
        "GET", "/warehouses/{warehouse_id}/connected-sources", Role.VIEWER, list_connected_sources_from_warehouse
    ),
    ManagementRoute(
        "POST",
        "/warehouses/{warehouse_id}/connected-sources/{source_id}",
        Role.EDITOR,
        add_connection_from_source_to_warehouse,
    ),
    ManagementRoute(
        "DELETE",
        "/warehouses/{warehouse_id}/connected-sources/{source_id}",
        Role.EDITOR,
        remove_source_connection_from_warehouse,
    ),
    ManagementRoute(
        "GET", "/sources/{source_id}/connected-warehouses", Role.VIEWER, list_connected_warehouses_from_source
    ),
]
