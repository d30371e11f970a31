"""`/destinations/{id}/subscriptions`: the mappings of vendors' kinds, under the Public API's name for them."""

from typing import Any

from tifo.api.management.answers import Answer, Done, Pagination
from tifo.api.management.describing import accepts
from tifo.api.management.destinations import named_destination
from tifo.api.management.paging import page
from tifo.api.management.request import Input, ManagementRequest, ManagementRoute
from tifo.destinations.ports import ActionMapping
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


class SubscriptionShown(Answer, frozen=True, kw_only=True):
    """Maps the events that `trigger` selects (in Segment's FQL) to an action of the vendor's."""

    id: str
    name: str
    action_id: str
    action_slug: str
    destination_id: str
    enabled: bool
    settings: dict[str, Any]
    trigger: str


class OneSubscription(Answer, frozen=True, kw_only=True):
    subscription: SubscriptionShown


class NewSubscription(Answer, frozen=True, kw_only=True):
    # Segment's answer to a POST has this name; its other answers say `subscription`.
    destination_subscription: SubscriptionShown


class ListedSubscriptions(Answer, frozen=True, kw_only=True):
    subscriptions: list[SubscriptionShown]
    pagination: Pagination


def subscription_shown(each: ActionMapping, destination: ConnectedDestination) -> SubscriptionShown:
    return SubscriptionShown(
        id=each.id,
        name=each.name,
        action_id=each.action,
        action_slug=each.action,
        destination_id=destination.id,
        enabled=each.enabled,
        settings=dict(each.mapping),
        trigger=each.trigger,
    )


def list_subscriptions_from_destination(request: ManagementRequest) -> ListedSubscriptions:
    destination = named_destination(request)
    found, pagination = page(request, mappings.listed(request.backend, destination.id), lambda each: each.id)
    shown = [subscription_shown(each, destination) for each in found]
    return ListedSubscriptions(subscriptions=shown, pagination=pagination)


def get_subscription_from_destination(request: ManagementRequest) -> OneSubscription:
    destination = named_destination(request)
    found = mappings.find(request.backend, destination.id, request.parts["subscription_id"])
    return OneSubscription(subscription=subscription_shown(found, destination))


@accepts(body=_New)
def create_destination_subscription(request: ManagementRequest) -> NewSubscription:
    """`settings` that are left out have the defaults of the action's fields."""
    destination, new = named_destination(request), request.read(_New)
    change = MappingChange(name=new.name, trigger=new.trigger, mapping=new.settings, enabled=new.enabled)
    made = mappings.add_action(request.backend, destination.id, new.action_id, change)
    return NewSubscription(destination_subscription=subscription_shown(made, destination))


@accepts(body=_Change)
def update_subscription_for_destination(request: ManagementRequest) -> OneSubscription:
    destination, asked = named_destination(request), request.read(_Change).input
    change = MappingChange(name=asked.name, trigger=asked.trigger, mapping=asked.settings, enabled=asked.enabled)
    made = mappings.change(request.backend, destination.id, request.parts["subscription_id"], change)
    return OneSubscription(subscription=subscription_shown(made, destination))


def remove_subscription_from_destination(request: ManagementRequest) -> Done:
    mappings.remove(request.backend, request.parts["destination_id"], request.parts["subscription_id"])
    return Done()


_ALL, _ONE = (
    "/destinations/{destination_id}/subscriptions",
    "/destinations/{destination_id}/subscriptions/{subscription_id}",
)
ROUTES = [
    ManagementRoute("GET", _ALL, Role.VIEWER, list_subscriptions_from_destination),
    ManagementRoute("POST", _ALL, Role.EDITOR, create_destination_subscription),
    ManagementRoute("GET", _ONE, Role.VIEWER, get_subscription_from_destination),
    ManagementRoute("PATCH", _ONE, Role.EDITOR, update_subscription_for_destination),
    ManagementRoute("DELETE", _ONE, Role.EDITOR, remove_subscription_from_destination),
]
