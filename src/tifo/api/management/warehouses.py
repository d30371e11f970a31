"""`/warehouses`: warehouses and which sources are loaded into each. No answer holds a password.

A warehouse's id is its name. The built-in one, `duckdb`, is listed with the others; it takes every source and stays.
"""

from typing import Any
from urllib.parse import quote, urlsplit

from tifo.api.management.catalog import warehouse_metadata
from tifo.api.management.paging import page
from tifo.api.management.request import WORKSPACE_ID, Input, ManagementRoute, Request, statused
from tifo.api.management.sources import named_source, source_shown
from tifo.kernel.errors import Conflict, NotFound, Rejected, Transient
from tifo.kernel.json import JsonObject
from tifo.workspace.rules import slug_of
from tifo.workspace.tokens import Role
from tifo.workspace.warehouses import BUILT_IN, ConnectedWarehouse, WarehouseKind

_Settings = dict[str, Any]
_PARTS = ("hostname", "port", "database", "username", "password")


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


def warehouse_shown(warehouse: ConnectedWarehouse | None) -> JsonObject:
    """None is the built-in one."""
    if warehouse is None:
        name, kind, enabled, settings = BUILT_IN, BUILT_IN, True, {}
    else:
        name, kind, enabled = warehouse.name, warehouse.kind, warehouse.enabled
        settings = _settings_shown(warehouse.url)
    return {
        "id": name,
        "metadata": warehouse_metadata(kind),
        "workspaceId": WORKSPACE_ID,
        "enabled": enabled,
        "settings": {"name": name, **settings},
    }


def named_warehouse(request: Request) -> ConnectedWarehouse | None:
    name = request.parts["warehouse_id"]
    if name == BUILT_IN:
        return None
    for connected in request.backend.warehouses.connected():
        if connected.name == name:
            return connected
    raise NotFound(f"There is no warehouse {name!r:.100}. GET /warehouses lists them.", field="warehouseId")


def _all(request: Request) -> list[ConnectedWarehouse | None]:
    return [None, *request.backend.warehouses.connected()]


def _name(warehouse: ConnectedWarehouse | None) -> str:
    return BUILT_IN if warehouse is None else warehouse.name


def _list(request: Request) -> JsonObject:
    return page(request, "warehouses", _all(request), _name, warehouse_shown)


def _get(request: Request) -> JsonObject:
    return {"warehouse": warehouse_shown(named_warehouse(request))}


def _create(request: Request) -> JsonObject:
    new = request.read(_New)
    kind, url = _kind(new.metadata_id), _url(new.settings)
    request.backend.check_warehouse(kind, url)
    name = None if new.name is None else slug_of(new.name)
    made = request.backend.warehouses.add(kind, url, name, ())
    if not new.enabled:
        made = request.backend.warehouses.enable(made.name, enabled=False)
    return {"warehouse": warehouse_shown(made)}


def _update(request: Request) -> JsonObject:
    warehouse, asked = _changeable(request), request.read(_Change)
    if asked.name is not None and asked.name != warehouse.name:
        raise Rejected("A warehouse's name is its id, and stays.", field="name")
    same = {"name": warehouse.name, **_settings_shown(warehouse.url)}
    changed = [name for name, value in (asked.settings or {}).items() if same.get(name) != value]
    if changed:
        raise Rejected(
            f"settings.{changed[0]:.100} cannot be changed. Make another warehouse, and delete this one.",
            field=f"settings.{changed[0]:.100}",
        )
    if asked.enabled is not None:
        warehouse = request.backend.warehouses.enable(warehouse.name, enabled=asked.enabled)
    return {"warehouse": warehouse_shown(warehouse)}


def _delete(request: Request) -> JsonObject:
    request.backend.warehouses.remove(_changeable(request).name)
    return statused("SUCCESS")


def _validate(request: Request) -> JsonObject:
    asked = request.read(_Checked)
    _kind(asked.metadata_id)
    return statused("CONNECTED" if _reaches(request, asked.metadata_id, _url(asked.settings)) else "FAILED")


def _connection_state(request: Request) -> JsonObject:
    warehouse = named_warehouse(request)
    connected = warehouse is None or _reaches(request, warehouse.kind, warehouse.url)
    return {"connectionState": "CONNECTED" if connected else "FAILED"}


def _reaches(request: Request, kind: str, url: str) -> bool:
    try:
        request.backend.check_warehouse(kind, url)
    except Transient:
        return False
    return True


def _connected_sources(request: Request) -> JsonObject:
    warehouse = named_warehouse(request)
    taken = [each for each in request.backend.catalog.sources() if warehouse is None or warehouse.takes(each.id)]
    return page(request, "sources", taken, lambda source: source.id, lambda source: source_shown(source, request.role))


def _connected_warehouses(request: Request) -> JsonObject:
    source = named_source(request)
    taking = [each for each in _all(request) if each is None or each.takes(source.id)]
    return page(request, "warehouses", taking, _name, warehouse_shown)


def _connect(request: Request) -> JsonObject:
    warehouse, source = named_warehouse(request), named_source(request)
    if warehouse is not None:
        request.backend.warehouses.connect(warehouse.name, source.id)
    return statused("CONNECTED")


def _disconnect(request: Request) -> JsonObject:
    """Of a warehouse that takes all sources, the others that there are now stay connected."""
    warehouse, source = _changeable(request), named_source(request)
    everyone = [each.id for each in request.backend.catalog.sources()]
    request.backend.warehouses.disconnect(warehouse.name, source.id, everyone)
    return statused("SUCCESS")


def _changeable(request: Request) -> ConnectedWarehouse:
    warehouse = named_warehouse(request)
    if warehouse is None:
        raise Conflict(
            f"{BUILT_IN} is built in: it stays, and takes every source. Turn tables off by selective sync.",
            field="warehouseId",
        )
    return warehouse


def _kind(metadata_id: str) -> WarehouseKind:
    warehouse_metadata(metadata_id)
    if metadata_id == BUILT_IN:
        raise Conflict(f"There is one {BUILT_IN}, and it is built in.", field="metadataId")
    return WarehouseKind(metadata_id)


def _url(settings: _Settings) -> str:
    unknown = set(settings) - {"name", "url", *_PARTS}
    if unknown:
        known = ", ".join(("url", *_PARTS))
        raise Rejected(f"There is no setting {min(unknown)!r:.100}. Known are {known}.", field="settings")
    if "url" in settings:
        return str(settings["url"])
    for required in ("hostname", "database", "username"):
        if not settings.get(required):
            raise Rejected(f"settings.{required} is missing.", field=f"settings.{required}")
    host, port, database, user, password = (quote(str(settings.get(part, "")), safe="") for part in _PARTS)
    secret = f":{password}" if password else ""
    return f"postgresql://{user}{secret}@{host}:{port or 5432}/{database}"


def _settings_shown(url: str) -> JsonObject:
    """Parameters are left out: they may hold a secret."""
    parts = urlsplit(url)
    return {
        "hostname": parts.hostname or "",
        "port": str(parts.port or 5432),
        "database": parts.path.strip("/"),
        "username": parts.username or "",
    }


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
