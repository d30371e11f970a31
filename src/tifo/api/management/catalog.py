"""`/catalog`: lists the kinds of sources, warehouses and destinations."""

from collections.abc import Sequence
from typing import Any, Protocol

from tifo.api.management.paging import page
from tifo.api.management.request import ManagementRequest, ManagementRoute
from tifo.destinations.catalog import kind_of as destination_kind_of
from tifo.destinations.catalog import kinds as destination_kinds
from tifo.destinations.ports import Action, Kind, SettingType
from tifo.kernel.json import JsonObject, JsonValue
from tifo.warehouses.catalog import kind_of as warehouse_kind_of
from tifo.warehouses.catalog import kinds as warehouse_kinds
from tifo.workspace.kinds import KINDS, SourceKind, kind_of
from tifo.workspace.tokens import Role

_NO_LOGOS: JsonObject = {"default": ""}


class _CatalogKind(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...


def _described(kind: _CatalogKind, options: Sequence[JsonValue]) -> JsonObject:
    # Segment: metadata has an id and a slug, and always logos. Tifo's kinds have one name and no pictures.
    return {
        "id": kind.id,
        "slug": kind.id,
        "name": kind.name,
        "description": kind.description,
        "logos": _NO_LOGOS,
        "options": list(options),
    }


class _CatalogSetting(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def default(self) -> Any: ...
    @property
    def label(self) -> str: ...


def _option(setting: _CatalogSetting, option_type: str, *, required: bool) -> JsonObject:
    return {
        "name": setting.name,
        "type": option_type,
        "required": required,
        "description": setting.description,
        "defaultValue": setting.default,
        "label": setting.label,
    }


def source_metadata(kind: SourceKind) -> JsonObject:
    return {
        **_described(kind, ()),
        "categories": list(kind.categories),
        "isCloudEventSource": kind.is_cloud_event_source,
    }


def warehouse_metadata(kind_id: str) -> JsonObject:
    kind = warehouse_kind_of(kind_id)
    # No setting is required by itself: an address as a whole (`url`) takes the place of its parts.
    return _described(kind, [_option(each, each.type, required=False) for each in kind.settings])


_OPTION_TYPES = {
    SettingType.TEXT: "string",
    SettingType.SECRET: "password",
    SettingType.INTEGER: "number",
    SettingType.NUMBER: "number",
    SettingType.BOOLEAN: "boolean",
    SettingType.CHOICE: "select",
    SettingType.MAP: "map",
    SettingType.LIST: "array",
}


def destination_metadata(kind: Kind) -> JsonObject:
    handled = kind.handles
    options = [_option(each, _OPTION_TYPES[each.type], required=each.required) for each in kind.settings]
    return {
        **_described(kind, options),
        "status": "PUBLIC",
        "previousNames": [],
        "categories": [],
        "website": "",
        # Segment's shape; Tifo delivers from the server only, and its kinds are in no other status.
        "components": [{"type": "SERVER", "code": "", "owner": "SEGMENT"}],
        "supportedFeatures": {"cloudModeInstances": "MULTIPLE", "deviceModeInstances": "NONE", "replay": True},
        "supportedMethods": {
            "pageview": "page" in handled,
            **{each: each in handled for each in ("identify", "alias", "track", "group")},
        },
        "supportedPlatforms": {"browser": False, "server": True, "mobile": False},
        "actions": [_action(each) for each in kind.actions],
        "presets": [
            {"actionId": each.action, "name": each.name, "fields": dict(each.mapping), "trigger": each.trigger}
            for each in kind.presets
        ],
    }


def _action(action: Action) -> JsonObject:
    # Segment: an action has an id and a slug. Segment's own library, where ours come from, has slugs only.
    return {
        "id": action.slug,
        "slug": action.slug,
        "name": action.name,
        "description": action.description,
        "platform": "CLOUD",
        "hidden": False,
        "defaultTrigger": action.trigger or None,
        "fields": [
            {
                "id": field.key,
                "sortOrder": number,
                "fieldKey": field.key,
                "label": field.label,
                "type": field.type.upper(),
                "description": field.description,
                "required": field.required,
                "multiple": field.multiple,
                "defaultValue": field.default,
                "choices": field.choices,
                "dynamic": False,
                "allowNull": not field.required,
            }
            for number, field in enumerate(action.fields)
        ],
    }


def _sources(request: ManagementRequest) -> JsonObject:
    return page(request, "sourcesCatalog", KINDS, lambda kind: kind.id, source_metadata)


def _source(request: ManagementRequest) -> JsonObject:
    return {"sourceMetadata": source_metadata(kind_of(request.parts["metadata_id"]))}


def _warehouses(request: ManagementRequest) -> JsonObject:
    return page(request, "warehousesCatalog", [kind.id for kind in warehouse_kinds()], str, warehouse_metadata)


def _warehouse(request: ManagementRequest) -> JsonObject:
    return {"warehouseMetadata": warehouse_metadata(request.parts["metadata_id"])}


def _destinations(request: ManagementRequest) -> JsonObject:
    return page(request, "destinationsCatalog", destination_kinds(), lambda kind: kind.id, destination_metadata)


def _destination(request: ManagementRequest) -> JsonObject:
    return {"destinationMetadata": destination_metadata(destination_kind_of(request.parts["metadata_id"]))}


ROUTES = [
    ManagementRoute("GET", "/catalog/sources", Role.VIEWER, _sources),
    ManagementRoute("GET", "/catalog/sources/{metadata_id}", Role.VIEWER, _source),
    ManagementRoute("GET", "/catalog/destinations", Role.VIEWER, _destinations),
    ManagementRoute("GET", "/catalog/destinations/{metadata_id}", Role.VIEWER, _destination),
    ManagementRoute("GET", "/catalog/warehouses", Role.VIEWER, _warehouses),
    ManagementRoute("GET", "/catalog/warehouses/{metadata_id}", Role.VIEWER, _warehouse),
]
