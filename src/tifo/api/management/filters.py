"""`/destination/{id}/filters`: filters that hold events or fields back, and a preview of what one would do."""
# Segment's path has `destination` in the singular, other than `/destinations`.

from typing import Any

from tifo.api.management.destinations import named_destination
from tifo.api.management.paging import page
from tifo.api.management.request import Input, ManagementRequest, ManagementRoute, statused
from tifo.kernel.json import JsonObject
from tifo.operations import filters
from tifo.operations.filters import FilterChange, NewFilter
from tifo.tracking.filters import Filter, FilterAction
from tifo.workspace.destinations import ConnectedDestination
from tifo.workspace.tokens import Role


class _New(Input, frozen=True, kw_only=True, rename={"source_id": "sourceId", "if_": "if"}):
    source_id: str
    if_: str
    actions: list[FilterAction]
    title: str
    description: str = ""
    enabled: bool


class _Change(Input, frozen=True, kw_only=True, rename={"if_": "if"}):
    if_: str | None = None
    actions: list[FilterAction] | None = None
    title: str | None = None
    description: str | None = None
    enabled: bool | None = None


class _Tried(Input, frozen=True, kw_only=True, rename={"if_": "if"}):
    if_: str
    actions: list[FilterAction]


class _Preview(Input, frozen=True, kw_only=True):
    filter: _Tried
    payload: dict[str, Any]


def filter_shown(each: Filter, destination: ConnectedDestination) -> JsonObject:
    return {
        "id": each.id,
        "sourceId": destination.source_id,
        "destinationId": destination.id,
        "if": each.if_,
        "actions": [_action_shown(action) for action in each.actions],
        "title": each.title,
        "description": each.description,
        "enabled": each.enabled,
        "createdAt": each.created_at,
        "updatedAt": each.updated_at,
    }


def _action_shown(action: FilterAction) -> JsonObject:
    fields: dict[str, Any] = {"percent": action.percent, "path": action.path, "fields": action.fields}
    return {"type": action.type.value, **{name: value for name, value in fields.items() if value is not None}}


def _list(request: ManagementRequest) -> JsonObject:
    destination = named_destination(request)
    listed = filters.listed(request.backend, destination.id)
    return page(request, "filters", listed, lambda each: each.id, lambda each: filter_shown(each, destination))


def _get(request: ManagementRequest) -> JsonObject:
    destination = named_destination(request)
    found = filters.find(request.backend, destination.id, request.parts["filter_id"])
    return {"filter": filter_shown(found, destination)}


def _create(request: ManagementRequest) -> JsonObject:
    destination, asked = named_destination(request), request.read(_New)
    new = NewFilter(
        condition=asked.if_,
        actions=asked.actions,
        title=asked.title,
        description=asked.description,
        enabled=asked.enabled,
    )
    return {"filter": filter_shown(filters.add(request.backend, destination.id, new), destination)}


def _update(request: ManagementRequest) -> JsonObject:
    destination, asked = named_destination(request), request.read(_Change)
    change = FilterChange(
        if_=asked.if_,
        actions=asked.actions,
        title=asked.title,
        description=asked.description,
        enabled=asked.enabled,
    )
    made = filters.change(request.backend, destination.id, request.parts["filter_id"], change)
    return {"filter": filter_shown(made, destination)}


def _remove(request: ManagementRequest) -> JsonObject:
    filters.remove(request.backend, request.parts["destination_id"], request.parts["filter_id"])
    return statused("SUCCESS")


def _preview(request: ManagementRequest) -> JsonObject:
    asked = request.read(_Preview)
    result = filters.preview(asked.filter.if_, asked.filter.actions, asked.payload)
    return {"inputPayload": asked.payload, "result": result}


ROUTES = [
    ManagementRoute("POST", "/destination/filters/preview", Role.VIEWER, _preview),
    ManagementRoute("GET", "/destination/{destination_id}/filters", Role.VIEWER, _list),
    ManagementRoute("POST", "/destination/{destination_id}/filters", Role.EDITOR, _create),
    ManagementRoute("GET", "/destination/{destination_id}/filters/{filter_id}", Role.VIEWER, _get),
    ManagementRoute("PATCH", "/destination/{destination_id}/filters/{filter_id}", Role.EDITOR, _update),
    ManagementRoute("DELETE", "/destination/{destination_id}/filters/{filter_id}", Role.EDITOR, _remove),
]
