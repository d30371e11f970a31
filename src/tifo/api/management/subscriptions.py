"""`/destinations/{id}/subscriptions`: the mappings of vendors' kinds, under the Public API's name for them."""

from dataclasses import replace
from typing import Any

from tifo.api.management.destinations import named_destination
from tifo.api.management.paging import page
from tifo.api.management.request import Call, Input, Route, statused
from tifo.delivery.sending.mappings import mapped_of, named_mapped, with_mapped
from tifo.destinations.catalog import kind_of
from tifo.destinations.mappings import checked_mapped, new_mapped
from tifo.destinations.ports import Mapped
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


def subscription_shown(each: Mapped, destination: ConnectedDestination) -> JsonObject:
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


def _list(call: Call) -> JsonObject:
    destination = named_destination(call)
    shown = lambda each: subscription_shown(each, destination)  # noqa: E731 (one line says it)
    return page(call, "subscriptions", mapped_of(destination), lambda each: each.id, shown)


def _get(call: Call) -> JsonObject:
    destination = named_destination(call)
    return {"subscription": subscription_shown(named_mapped(destination, call.parts["subscription_id"]), destination)}


def _create(call: Call) -> JsonObject:
    destination, new = named_destination(call), call.read(_New)
    kind = kind_of(destination.kind)
    base = new_mapped(kind, new.action_id)
    mapping = base.mapping if new.settings is None else new.settings
    made = replace(base, id=uuid7(), name=new.name, trigger=new.trigger, mapping=mapping, enabled=new.enabled)
    checked = checked_mapped(kind, made)
    call.desk.destinations.change(destination.id, with_mapped(destination, [*mapped_of(destination), checked]))
    return {"destinationSubscription": subscription_shown(checked, destination)}


def _update(call: Call) -> JsonObject:
    destination, asked = named_destination(call), call.read(_Change).input
    old = named_mapped(destination, call.parts["subscription_id"])
    told = {"name": asked.name, "trigger": asked.trigger, "enabled": asked.enabled, "mapping": asked.settings}
    changed: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    made = checked_mapped(kind_of(destination.kind), replace(old, **changed))
    kept = [made if each.id == old.id else each for each in mapped_of(destination)]
    call.desk.destinations.change(destination.id, with_mapped(destination, kept))
    return {"subscription": subscription_shown(made, destination)}


def _remove(call: Call) -> JsonObject:
    destination = named_destination(call)
    gone = named_mapped(destination, call.parts["subscription_id"])
    kept = [each for each in mapped_of(destination) if each.id != gone.id]
    call.desk.destinations.change(destination.id, with_mapped(destination, kept))
    return statused("SUCCESS")


_ALL, _ONE = (
    "/destinations/{destination_id}/subscriptions",
    "/destinations/{destination_id}/subscriptions/{subscription_id}",
)
ROUTES = [
    Route("GET", _ALL, Role.VIEWER, _list),
    Route("POST", _ALL, Role.EDITOR, _create),
    Route("GET", _ONE, Role.VIEWER, _get),
    Route("PATCH", _ONE, Role.EDITOR, _update),
    Route("DELETE", _ONE, Role.EDITOR, _remove),
]
