"""`/destination/{id}/filters`: filters that hold events or fields back, and a preview of what one would do."""
# Segment's path has `destination` in the singular, other than `/destinations`.

from typing import Any

from msgspec import UNSET, UnsetType

from tifo.api.management.answers import Answer, Done, Pagination
from tifo.api.management.describing import accepts
from tifo.api.management.destinations import named_destination
from tifo.api.management.paging import page
from tifo.api.management.request import Input, ManagementRequest, ManagementRoute
from tifo.operations import filters
from tifo.operations.filters import FilterChange, NewFilter
from tifo.tracking.filters import ActionType, Filter, FilterAction
from tifo.workspace.destinations import ConnectedDestination
from tifo.workspace.tokens import Role


def _renamed(name: str) -> str:
    """`if` is a word of Python's."""
    first, *others = name.rstrip("_").split("_")
    return first + "".join(map(str.capitalize, others))


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


class FilterActionShown(Answer, frozen=True, kw_only=True):
    """What the filter does with an event; the other fields belong to some types."""

    type: ActionType
    percent: float | UnsetType = UNSET
    path: str | UnsetType = UNSET
    fields: dict[str, Any] | UnsetType = UNSET


class FilterShown(Answer, frozen=True, kw_only=True, rename=_renamed):
    """A filter. `if` is a condition in Segment's FQL."""

    id: str
    source_id: str
    destination_id: str
    if_: str
    actions: list[FilterActionShown]
    title: str
    description: str
    enabled: bool
    created_at: str
    updated_at: str


class OneFilter(Answer, frozen=True, kw_only=True):
    filter: FilterShown


class ListedFilters(Answer, frozen=True, kw_only=True):
    filters: list[FilterShown]
    pagination: Pagination


class FilterPreview(Answer, frozen=True, kw_only=True):
    """`result` is what the filter leaves of the event, and null where it drops it."""

    input_payload: dict[str, Any]
    result: dict[str, Any] | None


def filter_shown(each: Filter, destination: ConnectedDestination) -> FilterShown:
    return FilterShown(
        id=each.id,
        source_id=destination.source_id,
        destination_id=destination.id,
        if_=each.if_,
        actions=[_action_shown(action) for action in each.actions],
        title=each.title,
        description=each.description,
        enabled=each.enabled,
        created_at=each.created_at,
        updated_at=each.updated_at,
    )


def _action_shown(action: FilterAction) -> FilterActionShown:
    return FilterActionShown(
        type=action.type,
        percent=UNSET if action.percent is None else action.percent,
        path=UNSET if action.path is None else action.path,
        fields=UNSET if action.fields is None else action.fields,
    )


def list_filters_from_destination(request: ManagementRequest) -> ListedFilters:
    destination = named_destination(request)
    found, pagination = page(request, filters.listed(request.backend, destination.id), lambda each: each.id)
    return ListedFilters(filters=[filter_shown(each, destination) for each in found], pagination=pagination)


def get_filter_in_destination(request: ManagementRequest) -> OneFilter:
    destination = named_destination(request)
    found = filters.find(request.backend, destination.id, request.parts["filter_id"])
    return OneFilter(filter=filter_shown(found, destination))


@accepts(body=_New)
def create_filter_for_destination(request: ManagementRequest) -> OneFilter:
    destination, asked = named_destination(request), request.read(_New)
    new = NewFilter(
        condition=asked.if_,
        actions=asked.actions,
        title=asked.title,
        description=asked.description,
        enabled=asked.enabled,
    )
    return OneFilter(filter=filter_shown(filters.add(request.backend, destination.id, new), destination))


@accepts(body=_Change)
def update_filter_for_destination(request: ManagementRequest) -> OneFilter:
    destination, asked = named_destination(request), request.read(_Change)
    change = FilterChange(
        if_=asked.if_,
        actions=asked.actions,
        title=asked.title,
        description=asked.description,
        enabled=asked.enabled,
    )
    made = filters.change(request.backend, destination.id, request.parts["filter_id"], change)
    return OneFilter(filter=filter_shown(made, destination))


def remove_filter_from_destination(request: ManagementRequest) -> Done:
    filters.remove(request.backend, request.parts["destination_id"], request.parts["filter_id"])
    return Done()


@accepts(body=_Preview)
def preview_destination_filter(request: ManagementRequest) -> FilterPreview:
    """Applies a filter to an event; nothing is stored."""
    asked = request.read(_Preview)
    result = filters.preview(asked.filter.if_, asked.filter.actions, asked.payload)
    return FilterPreview(input_payload=asked.payload, result=result)


ROUTES = [
    ManagementRoute("POST", "/destination/filters/preview", Role.VIEWER, preview_destination_filter),
    ManagementRoute("GET", "/destination/{destination_id}/filters", Role.VIEWER, list_filters_from_destination),
    ManagementRoute("POST", "/destination/{destination_id}/filters", Role.EDITOR, create_filter_for_destination),
    ManagementRoute("GET", "/destination/{destination_id}/filters/{filter_id}", Role.VIEWER, get_filter_in_destination),
    ManagementRoute(
        "PATCH", "/destination/{destination_id}/filters/{filter_id}", Role.EDITOR, update_filter_for_destination
    ),
    ManagementRoute(
        "DELETE", "/destination/{destination_id}/filters/{filter_id}", Role.EDITOR, remove_filter_from_destination
    ),
]
