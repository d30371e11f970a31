"""`/destinations/{id}/subscriptions`: the mappings of vendors' kinds, under the Public API's name for them."""

from dataclasses import replace
from typing import Any

from tifo.api.management.destinations import named_destination
from tifo.api.management.paging import page
from tifo.api.management.request import Input, ManagementRoute, Request, statused
from tifo.delivery.sending.mappings import mappings_of, named_mapping, with_mappings
from tifo.destinations.catalog import kind_of
from tifo.destinations.mappings import checked_mapping, new_mapping
from tifo.destinations.ports import ActionMapping
from tifo.kernel.ids import uuid7
from tifo.kernel.json import JsonObject
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


def _list(request: Request) -> JsonObject:
    destination = named_destination(request)
    shown = lambda each: subscription_shown(each, destination)  # noqa: E731 (one line says it)
    return page(request, "subscriptions", mappings_of(destination), lambda each: each.id, shown)


def _get(request: Request) -> JsonObject:
    destination = named_destination(request)
    return {
        "subscription": subscription_shown(named_mapping(destination, request.parts["subscription_id"]), destination)
    }


def _create(request: Request) -> JsonObject:
    destination, new = named_destination(request), request.read(_New)
    kind = kind_of(destination.kind)
    base = new_mapping(kind, new.action_id)
    mapping = base.mapping if new.settings is None else new.settings
    made = replace(base, id=uuid7(), name=new.name, trigger=new.trigger, mapping=mapping, enabled=new.enabled)
    checked = checked_mapping(kind, made)
    request.backend.destinations.change(
        destination.id, with_mappings(destination, [*mappings_of(destination), checked])
    )
    return {"destinationSubscription": subscription_shown(checked, destination)}


def _update(request: Request) -> JsonObject:
    destination, asked = named_destination(request), request.read(_Change).input
    old = named_mapping(destination, request.parts["subscription_id"])
    told = {"name": asked.name, "trigger": asked.trigger, "enabled": asked.enabled, "mapping": asked.settings}
    changed: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    made = checked_mapping(kind_of(destination.kind), replace(old, **changed))
    kept = [made if each.id == old.id else each for each in mappings_of(destination)]
    request.backend.destinations.change(destination.id, with_mappings(destination, kept))
    return {"subscription": subscription_shown(made, destination)}


def _remove(request: Request) -> JsonObject:
    destination = named_destination(request)
    gone = named_mapping(destination, request.parts["subscription_id"])
    kept = [each for each in mappings_of(destination) if each.id != gone.id]
    request.backend.destinations.change(destination.id, with_mappings(destination, kept))
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
