"""`/catalog`: lists the kinds of sources, warehouses and destinations."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from tifo.api.management.answers import Answer, Pagination
from tifo.api.management.paging import page
from tifo.api.management.request import ManagementRequest, ManagementRoute
from tifo.destinations.catalog import kind_of as destination_kind_of
from tifo.destinations.catalog import kinds as destination_kinds
from tifo.destinations.ports import Action, ActionField, Kind, SettingType
from tifo.warehouses.catalog import kind_of as warehouse_kind_of
from tifo.warehouses.catalog import kinds as warehouse_kinds
from tifo.workspace.kinds import KINDS, SourceKind, kind_of
from tifo.workspace.tokens import Role


class Logos(Answer, frozen=True, kw_only=True):
    default: str = ""


class OptionShown(Answer, frozen=True, kw_only=True):
    """A setting of the kind."""

    name: str
    type: str
    required: bool
    description: str
    default_value: Any
    label: str


class KindShown(Answer, frozen=True, kw_only=True):
    """A kind; `id` is the `metadataId` of what is made of it."""

    # Segment: metadata has an id and a slug, and always logos. Tifo's kinds have one name and no pictures.
    id: str
    slug: str
    name: str
    description: str
    logos: Logos = Logos()
    options: list[OptionShown]


class SourceMetadataShown(KindShown, frozen=True, kw_only=True):
    """A kind of source; `id` is the `metadataId` of sources."""

    categories: list[str]
    is_cloud_event_source: bool


class WarehouseMetadataShown(KindShown, frozen=True, kw_only=True):
    """A kind of warehouse; `id` is the `metadataId` of warehouses."""


class ComponentShown(Answer, frozen=True, kw_only=True):
    type: str = "SERVER"
    code: str = ""
    owner: str = "SEGMENT"


class FeaturesShown(Answer, frozen=True, kw_only=True):
    cloud_mode_instances: str = "MULTIPLE"
    device_mode_instances: str = "NONE"
    replay: bool = True


class MethodsShown(Answer, frozen=True, kw_only=True):
    """The calls that the kind delivers."""

    pageview: bool
    identify: bool
    alias: bool
    track: bool
    group: bool


class PlatformsShown(Answer, frozen=True, kw_only=True):
    browser: bool = False
    server: bool = True
    mobile: bool = False


class ActionFieldShown(Answer, frozen=True, kw_only=True):
    id: str
    sort_order: int
    field_key: str
    label: str
    type: str
    description: str
    required: bool
    multiple: bool
    default_value: Any
    choices: Any
    dynamic: bool
    allow_null: bool


class ActionShown(Answer, frozen=True, kw_only=True):
    """An action of a vendor's kind, which subscriptions map events to."""

    id: str
    slug: str
    name: str
    description: str
    platform: Literal["CLOUD"] = "CLOUD"
    hidden: bool = False
    default_trigger: str | None
    fields: list[ActionFieldShown]


class PresetShown(Answer, frozen=True, kw_only=True):
    """A ready-made subscription."""

    action_id: str
    name: str
    fields: dict[str, Any]
    trigger: str


class DestinationMetadataShown(KindShown, frozen=True, kw_only=True):
    """A kind of destination; `id` is the `metadataId` of destinations."""

    # Segment's shape. Tifo delivers from the server only, and its kinds are in no other status.
    status: Literal["PUBLIC"] = "PUBLIC"
    previous_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    website: str = ""
    components: list[ComponentShown]
    supported_features: FeaturesShown = FeaturesShown()
    supported_methods: MethodsShown
    supported_platforms: PlatformsShown = PlatformsShown()
    actions: list[ActionShown]
    presets: list[PresetShown]


class SourcesCatalog(Answer, frozen=True, kw_only=True):
    sources_catalog: list[SourceMetadataShown]
    pagination: Pagination


class OneSourceMetadata(Answer, frozen=True, kw_only=True):
    source_metadata: SourceMetadataShown


class WarehousesCatalog(Answer, frozen=True, kw_only=True):
    warehouses_catalog: list[WarehouseMetadataShown]
    pagination: Pagination


class OneWarehouseMetadata(Answer, frozen=True, kw_only=True):
    warehouse_metadata: WarehouseMetadataShown


class DestinationsCatalog(Answer, frozen=True, kw_only=True):
    destinations_catalog: list[DestinationMetadataShown]
    pagination: Pagination


class OneDestinationMetadata(Answer, frozen=True, kw_only=True):
    destination_metadata: DestinationMetadataShown


class _CatalogSetting(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def default(self) -> Any: ...
    @property
    def label(self) -> str: ...


def source_metadata(kind: SourceKind) -> SourceMetadataShown:
    return SourceMetadataShown(
        id=kind.id,
        slug=kind.id,
        name=kind.name,
        description=kind.description,
        options=[],
        categories=list(kind.categories),
        is_cloud_event_source=kind.is_cloud_event_source,
    )


def warehouse_metadata(kind_id: str) -> WarehouseMetadataShown:
    kind = warehouse_kind_of(kind_id)
    return WarehouseMetadataShown(
        id=kind.id,
        slug=kind.id,
        name=kind.name,
        description=kind.description,
        # No setting is required by itself: an address as a whole (`url`) takes the place of its parts.
        options=[_option(each, each.type, required=False) for each in kind.settings],
    )


def destination_metadata(kind: Kind) -> DestinationMetadataShown:
    return DestinationMetadataShown(
        id=kind.id,
        slug=kind.id,
        name=kind.name,
        description=kind.description,
        options=[_option(each, _OPTION_TYPES[each.type], required=each.required) for each in kind.settings],
        components=[ComponentShown()],
        supported_methods=_methods(kind),
        actions=[_action(each) for each in kind.actions],
        presets=[
            PresetShown(action_id=each.action, name=each.name, fields=dict(each.mapping), trigger=each.trigger)
            for each in kind.presets
        ],
    )


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


def _option(setting: _CatalogSetting, option_type: str, *, required: bool) -> OptionShown:
    return OptionShown(
        name=setting.name,
        type=option_type,
        required=required,
        description=setting.description,
        default_value=setting.default,
        label=setting.label,
    )


def _methods(kind: Kind) -> MethodsShown:
    handled = kind.handles
    return MethodsShown(
        pageview="page" in handled,
        identify="identify" in handled,
        alias="alias" in handled,
        track="track" in handled,
        group="group" in handled,
    )


def _action(action: Action) -> ActionShown:
    # Segment: an action has an id and a slug. Segment's own library, where ours come from, has slugs only.
    return ActionShown(
        id=action.slug,
        slug=action.slug,
        name=action.name,
        description=action.description,
        default_trigger=action.trigger or None,
        fields=[_field(number, field) for number, field in enumerate(action.fields)],
    )


def _field(number: int, field: ActionField) -> ActionFieldShown:
    return ActionFieldShown(
        id=field.key,
        sort_order=number,
        field_key=field.key,
        label=field.label,
        type=field.type.upper(),
        description=field.description,
        required=field.required,
        multiple=field.multiple,
        default_value=field.default,
        choices=field.choices,
        dynamic=False,
        allow_null=not field.required,
    )


def list_source_kinds(request: ManagementRequest) -> SourcesCatalog:
    kinds, pagination = page(request, KINDS, lambda kind: kind.id)
    return SourcesCatalog(sources_catalog=list(map(source_metadata, kinds)), pagination=pagination)


def get_source_kind(request: ManagementRequest) -> OneSourceMetadata:
    return OneSourceMetadata(source_metadata=source_metadata(kind_of(_asked(request))))


def list_warehouse_kinds(request: ManagementRequest) -> WarehousesCatalog:
    ids: Sequence[str] = [kind.id for kind in warehouse_kinds()]
    kinds, pagination = page(request, ids, str)
    return WarehousesCatalog(warehouses_catalog=list(map(warehouse_metadata, kinds)), pagination=pagination)


def get_warehouse_kind(request: ManagementRequest) -> OneWarehouseMetadata:
    return OneWarehouseMetadata(warehouse_metadata=warehouse_metadata(_asked(request)))


def list_destination_kinds(request: ManagementRequest) -> DestinationsCatalog:
    kinds, pagination = page(request, destination_kinds(), lambda kind: kind.id)
    return DestinationsCatalog(destinations_catalog=list(map(destination_metadata, kinds)), pagination=pagination)


def get_destination_kind(request: ManagementRequest) -> OneDestinationMetadata:
    return OneDestinationMetadata(destination_metadata=destination_metadata(destination_kind_of(_asked(request))))


def _asked(request: ManagementRequest) -> str:
    return request.parts["metadata_id"]


ROUTES = [
    ManagementRoute("GET", "/catalog/sources", Role.VIEWER, list_source_kinds),
    ManagementRoute("GET", "/catalog/sources/{metadata_id}", Role.VIEWER, get_source_kind),
    ManagementRoute("GET", "/catalog/destinations", Role.VIEWER, list_destination_kinds),
    ManagementRoute("GET", "/catalog/destinations/{metadata_id}", Role.VIEWER, get_destination_kind),
    ManagementRoute("GET", "/catalog/warehouses", Role.VIEWER, list_warehouse_kinds),
    ManagementRoute("GET", "/catalog/warehouses/{metadata_id}", Role.VIEWER, get_warehouse_kind),
]
