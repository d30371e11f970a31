"""`/destinations`: where sources' events go. No answer holds a secret: a setting that is one is masked, and a change
that brings the mask back leaves it as it is.
"""

from typing import Any

import msgspec

from tifo.api.management.catalog import destination_metadata
from tifo.api.management.paging import page
from tifo.api.management.request import Input, ManagementRoute, Request, statused
from tifo.api.management.sources import named_source
from tifo.destinations.catalog import kind_of
from tifo.destinations.ports import Kind
from tifo.destinations.settings import MASK, masked, secret_names
from tifo.kernel.errors import Forbidden, NotFound
from tifo.kernel.json import JsonObject
from tifo.workspace import rules
from tifo.workspace.destinations import ConnectedDestination, DestinationChange
from tifo.workspace.tokens import Role

_Settings = dict[str, Any]


class _New(Input, frozen=True, kw_only=True):
    source_id: str
    metadata_id: str
    settings: _Settings
    name: str | None = None
    enabled: bool = True


class _Change(Input, frozen=True, kw_only=True):
    name: str | None = None
    enabled: bool | None = None
    settings: _Settings | None = None


def destination_shown(destination: ConnectedDestination) -> JsonObject:
    kind = kind_of(destination.kind)
    told = masked(kind.settings, destination.settings)
    return {
        "id": destination.id,
        "name": destination.name,
        "enabled": destination.enabled,
        "metadata": destination_metadata(kind),
        "sourceId": destination.source_id,
        "settings": {name: value for name, value in told.items() if value is not None},
    }


def named_destination(request: Request) -> ConnectedDestination:
    wanted = request.parts["destination_id"]
    for each in request.backend.destinations.all():
        if each.id == wanted:
            return each
    raise NotFound(
        f"There is no destination {wanted!r:.100}. GET /destinations lists them.",
        field="destinationId",
    )


def _list(request: Request) -> JsonObject:
    return page(request, "destinations", request.backend.destinations.all(), lambda each: each.id, destination_shown)


def _connected(request: Request) -> JsonObject:
    source = named_source(request)
    those = [each for each in request.backend.destinations.all() if each.source_id == source.id]
    return page(request, "destinations", those, lambda each: each.id, destination_shown)


def _get(request: Request) -> JsonObject:
    return {"destination": destination_shown(named_destination(request))}


def _create(request: Request) -> JsonObject:
    new = request.read(_New)
    kind = kind_of(new.metadata_id)
    _check_may(request, kind)
    source = rules.named(request.backend.catalog.sources(), new.source_id)
    settings = kind.check(new.settings)
    made = request.backend.destinations.add(
        kind.id,
        new.name or kind.name,
        source.id,
        settings,
        start=request.backend.log_end(),
        secret=secret_names(kind.settings),
        mappings=msgspec.to_builtins(kind.automatic),
        enabled=new.enabled,
    )
    return {"destination": destination_shown(made)}


def _update(request: Request) -> JsonObject:
    destination, asked = named_destination(request), request.read(_Change)
    kind = kind_of(destination.kind)
    settings = None
    _check_may(request, kind)
    if asked.settings is not None:
        secret = set(secret_names(kind.settings))
        told = {name: value for name, value in asked.settings.items() if not (name in secret and value == MASK)}
        settings = kind.check({**destination.settings, **told})
    change = DestinationChange(name=asked.name, enabled=asked.enabled, settings=settings, version=destination.version)
    made = request.backend.destinations.change(destination.id, change, secret=secret_names(kind.settings))
    return {"destination": destination_shown(made)}


def _check_may(request: Request, kind: Kind) -> None:
    if kind.local and not request.role.may(Role.OWNER):
        raise Forbidden(
            f"{kind.id} works on the machine that Tifo runs on: this needs a token of role owner; this one's role is"
            f" {request.role}."
        )


def _delete(request: Request) -> JsonObject:
    request.backend.destinations.remove(named_destination(request).id)
    return statused("SUCCESS")


def _metrics(request: Request) -> JsonObject:
    """All that was ever counted; a window is asked for at `/delivery-overview`."""
    destination = named_destination(request)
    numbers = request.backend.delivery_numbers.numbers(destination.id)
    failed = numbers.status.failed + numbers.status.expired
    problems = request.backend.delivery_numbers.problems(destination.id)
    told = {
        "successes": (numbers.delivered, []),
        "filtered": (numbers.filtered, [each for each in problems if each.result == "filtered"]),
        "discarded": (failed, [each for each in problems if each.result == "failed"]),
        "awaiting-retry": (numbers.status.waiting, []),
    }
    return {
        "deliveryMetricsSummary": {
            "sourceId": destination.source_id,
            "destinationMetadataId": destination.kind,
            "metrics": [
                {
                    "metricName": name,
                    "total": total,
                    "breakdown": [{"metricName": f"{name}.{each.code}", "value": each.total} for each in those],
                }
                for name, (total, those) in told.items()
            ],
        }
    }


ROUTES = [
    ManagementRoute("GET", "/destinations", Role.VIEWER, _list),
    ManagementRoute("POST", "/destinations", Role.EDITOR, _create),
    ManagementRoute("GET", "/destinations/{destination_id}", Role.VIEWER, _get),
    ManagementRoute("PATCH", "/destinations/{destination_id}", Role.EDITOR, _update),
    ManagementRoute("DELETE", "/destinations/{destination_id}", Role.OWNER, _delete),
    ManagementRoute("GET", "/destinations/{destination_id}/delivery-metrics", Role.VIEWER, _metrics),
    ManagementRoute("GET", "/sources/{source_id}/connected-destinations", Role.VIEWER, _connected),
]
