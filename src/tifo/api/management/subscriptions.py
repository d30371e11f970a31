"""`/destinations/{id}/subscriptions`: the mappings of vendors' kinds, under the Public API's name for them."""

from typing import Any

from tifo.api.management.destinations import named_destination
from tifo.api.management.paging import page
from tifo.api.management.request import Input, ManagementRequest, ManagementRoute, statused
from tifo.destinations.ports import ActionMapping
from tifo.kernel.json import JsonObject
from tifo.operations import mappings
from tifo.operations.mappings import MappingChange
from tifo.workspace.destinations import ConnectedDestination
from tifo.workspace.tokens import Role


class _New(Input, frozen=True, kw_only=True):
    name: str
    action_id: str
    trigger: str
    enabled: bool
    settings: dict[str, Any] | None = None


class _Changed(Input, frozen=True, kw_only=True):
    name: str | None = None
    trigger: str | None = None
    enabled: bool | None = None
    settings: dict[str, Any] | None = None


# Segment wraps the body of this PATCH in `input`, and no other body.
class _Change(Input, frozen=True, kw_only=True):
    input: _Changed


def subscription_shown(each: ActionMapping, destination: ConnectedDestination) -> JsonObject:
    return {
        "id": each.id,
        "name": each.name,
        "actionId": each.action,
        "actionSlug": each.action,
        "destinationId": destination.id,
        "enabled": each.enabled,
        "settings": dict(each.mapping),
        "trigger": each.trigger,
    }


def _list(request: ManagementRequest) -> JsonObject:
    destination = named_destination(request)
    shown = lambda each: subscription_shown(each, destination)  # noqa: E731 (one line says it)
    listed = mappings.listed(request.backend, destination.id)
    return page(request, "subscriptions", listed, lambda each: each.id, shown)


def _get(request: ManagementRequest) -> JsonObject:
    destination = named_destination(request)
    found = mappings.find(request.backend, destination.id, request.parts["subscription_id"])
    return {"subscription": subscription_shown(found, destination)}


def _create(request: ManagementRequest) -> JsonObject:
    destination, new = named_destination(request), request.read(_New)
    change = MappingChange(name=new.name, trigger=new.trigger, mapping=new.settings, enabled=new.enabled)
    made = mappings.add_action(request.backend, destination.id, new.action_id, change)
    # Segment's answer to a POST has this name; its other answers say `subscription`.
    return {"destinationSubscription": subscription_shown(made, destination)}


def _update(request: ManagementRequest) -> JsonObject:
    destination, asked = named_destination(request), request.read(_Change).input
    change = MappingChange(name=asked.name, trigger=asked.trigger, mapping=asked.settings, enabled=asked.enabled)
    made = mappings.change(request.backend, destination.id, request.parts["subscription_id"], change)
    return {"subscription": subscription_shown(made, destination)}


def _remove(request: ManagementRequest) -> JsonObject:
    mappings.remove(request.backend, request.parts["destination_id"], request.parts["subscription_id"])
    return statused("SUCCESS")


_ALL, _ONE = (
    "/destinations/{destination_id}/subscriptions",
    "/destinations/{destination_id}/subscriptions/{subscription_id}",
)
ROUTES = [
    ManagementRoute("GET", _ALL, Role.VIEWER, _list),
    ManagementRoute("POST", _ALL, Role.EDITOR, _create),
    ManagementRoute("GET", _ONE, Role.VIEWER, _get),
    ManagementRoute("PATCH", _ONE, Role.EDITOR, _update),
    ManagementRoute("DELETE", _ONE, Role.EDITOR, _remove),
]
