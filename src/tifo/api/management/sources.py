"""`/sources`: sources and their write keys. A viewer sees no write key."""

from typing import Annotated, Any

import msgspec

from tifo.api.management.catalog import source_metadata
from tifo.api.management.paging import page
from tifo.api.management.request import WORKSPACE_ID, Input, ManagementRequest, ManagementRoute, statused
from tifo.kernel.errors import Rejected
from tifo.kernel.json import JsonObject
from tifo.operations import sources
from tifo.workspace.kinds import kind_of
from tifo.workspace.model import Source, SourceChange
from tifo.workspace.tokens import Role

_Settings = dict[str, Any]
_SETTINGS = {"schema"}


class _New(Input, frozen=True, kw_only=True):
    slug: str
    enabled: bool
    metadata_id: Annotated[str, msgspec.Meta(min_length=1)]
    settings: _Settings | None = None


class _Change(Input, frozen=True, kw_only=True):
    name: str | None = None
    enabled: bool | None = None
    slug: str | None = None
    settings: _Settings | None = None


def source_shown(source: Source, role: Role) -> JsonObject:
    return {
        "id": source.id,
        "slug": source.slug,
        "name": source.name,
        "metadata": source_metadata(kind_of(source.type)),
        "workspaceId": WORKSPACE_ID,
        "enabled": source.enabled,
        "writeKeys": [each.key for each in sources.visible_write_keys(source, role)],
        "settings": {"schema": source.schema},
        "labels": [],
    }


def named_source(request: ManagementRequest) -> Source:
    return sources.find(request.backend, request.parts["source_id"])


def _list(request: ManagementRequest) -> JsonObject:
    shown = lambda source: source_shown(source, request.role)  # noqa: E731 (one line says it)
    return page(request, "sources", sources.listed(request.backend), lambda source: source.id, shown)


def _get(request: ManagementRequest) -> JsonObject:
    return _answer(request, named_source(request))


def _create(request: ManagementRequest) -> JsonObject:
    new = request.read(_New)
    if _schema(new.settings) is not None:
        raise Rejected("The schema comes from the slug. Change it afterwards.", field="settings.schema")
    # Segment's request has no name: the slug stands for it until a PATCH brings one.
    made = sources.create(request.backend, new.slug, new.metadata_id, enabled=new.enabled, slug=new.slug)
    return _answer(request, made)


def _update(request: ManagementRequest) -> JsonObject:
    asked = request.read(_Change)
    change = SourceChange(name=asked.name, enabled=asked.enabled, slug=asked.slug, schema=_schema(asked.settings))
    return _answer(request, sources.change(request.backend, request.parts["source_id"], change))


def _delete(request: ManagementRequest) -> JsonObject:
    sources.delete(request.backend, request.parts["source_id"])
    return statused("SUCCESS")


def _create_key(request: ManagementRequest) -> JsonObject:
    return _answer(request, sources.create_write_key(request.backend, request.parts["source_id"]))


def _remove_key(request: ManagementRequest) -> JsonObject:
    sources.remove_write_key(request.backend, request.parts["source_id"], request.parts["write_key"])
    return statused("SUCCESS")


def _schema(settings: _Settings | None) -> str | None:
    unknown = set(settings or {}) - _SETTINGS
    if unknown:
        raise Rejected(f"There is no setting {min(unknown)!r:.100}. Known is schema.", field="settings")
    schema = (settings or {}).get("schema")
    if schema is not None and not isinstance(schema, str):
        raise Rejected("settings.schema is no string.", field="settings.schema")
    return schema


def _answer(request: ManagementRequest, source: Source) -> JsonObject:
    return {"source": source_shown(source, request.role)}


ROUTES = [
    ManagementRoute("GET", "/sources", Role.VIEWER, _list),
    ManagementRoute("POST", "/sources", Role.EDITOR, _create),
    ManagementRoute("GET", "/sources/{source_id}", Role.VIEWER, _get),
    ManagementRoute("PATCH", "/sources/{source_id}", Role.EDITOR, _update),
    ManagementRoute("DELETE", "/sources/{source_id}", Role.OWNER, _delete),
    ManagementRoute("POST", "/sources/{source_id}/writekey", Role.EDITOR, _create_key),
    ManagementRoute("DELETE", "/sources/{source_id}/writekey/{write_key}", Role.EDITOR, _remove_key),
]
