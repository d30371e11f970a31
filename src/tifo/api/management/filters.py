"""`/destination/{id}/filters`: what a destination does not get, or gets less of; and what a filter would do."""

from typing import Any

from tifo.api.management.destinations import named_destination
from tifo.api.management.paging import page
from tifo.api.management.request import Input, ManagementRoute, Request, statused
from tifo.kernel.clock import system_clock
from tifo.kernel.ids import uuid7
from tifo.kernel.json import JsonObject
from tifo.tracking.filters import Filter, FilterAction, Filters
from tifo.workspace import filters as work
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
    told: dict[str, Any] = {"percent": action.percent, "path": action.path, "fields": action.fields}
    return {"type": action.type.value, **{name: value for name, value in told.items() if value is not None}}


def _list(request: Request) -> JsonObject:
    destination = named_destination(request)
    those = work.filters_of(destination)
    return page(request, "filters", those, lambda each: each.id, lambda each: filter_shown(each, destination))


def _get(request: Request) -> JsonObject:
    destination = named_destination(request)
    return {"filter": filter_shown(work.named_filter(destination, request.parts["filter_id"]), destination)}


def _create(request: Request) -> JsonObject:
    destination, new = named_destination(request), request.read(_New)
    made = work.made(
        new.if_,
        new.actions,
        new.title,
        description=new.description,
        enabled=new.enabled,
        new_id=uuid7,
        now=system_clock(),
    )
    request.backend.destinations.change(destination.id, work.with_filter(destination, made))
    return {"filter": filter_shown(made, destination)}


def _update(request: Request) -> JsonObject:
    destination, asked = named_destination(request), request.read(_Change)
    told = {name: getattr(asked, name) for name in asked.__struct_fields__}
    changed = {name: value for name, value in told.items() if value is not None}
    change, made = work.with_changed(destination, request.parts["filter_id"], changed, system_clock())
    request.backend.destinations.change(destination.id, change)
    return {"filter": filter_shown(made, destination)}


def _remove(request: Request) -> JsonObject:
    destination = named_destination(request)
    request.backend.destinations.change(destination.id, work.without_filter(destination, request.parts["filter_id"]))
    return statused("SUCCESS")


def _preview(request: Request) -> JsonObject:
    asked = request.read(_Preview)
    made = work.made(asked.filter.if_, asked.filter.actions, "preview", new_id=str, now=system_clock())
    return {"inputPayload": asked.payload, "result": Filters([made])(asked.payload).message}


ROUTES = [
    ManagementRoute("POST", "/destination/filters/preview", Role.VIEWER, _preview),
    ManagementRoute("GET", "/destination/{destination_id}/filters", Role.VIEWER, _list),
    ManagementRoute("POST", "/destination/{destination_id}/filters", Role.EDITOR, _create),
    ManagementRoute("GET", "/destination/{destination_id}/filters/{filter_id}", Role.VIEWER, _get),
    ManagementRoute("PATCH", "/destination/{destination_id}/filters/{filter_id}", Role.EDITOR, _update),
    ManagementRoute("DELETE", "/destination/{destination_id}/filters/{filter_id}", Role.EDITOR, _remove),
]
