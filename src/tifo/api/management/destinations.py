"""`/destinations`: adds, changes and removes the destinations of sources. Answers mask settings that are secrets."""

from collections.abc import Sequence
from typing import Any

from tifo.api.management.catalog import destination_metadata
from tifo.api.management.paging import page
from tifo.api.management.request import Input, ManagementRequest, ManagementRoute, statused
from tifo.delivery.ports import DeliveryProblem
from tifo.destinations.catalog import kind_of
from tifo.kernel.json import JsonObject, JsonValue
from tifo.operations import delivery, destinations
from tifo.operations.destinations import DestinationEdit
from tifo.workspace.destinations import ConnectedDestination
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
    return {
        "id": destination.id,
        "name": destination.name,
        "enabled": destination.enabled,
        "metadata": destination_metadata(kind_of(destination.kind)),
        "sourceId": destination.source_id,
        "settings": dict(destinations.visible_settings(destination)),
    }


def named_destination(request: ManagementRequest) -> ConnectedDestination:
    return destinations.find(request.backend, request.parts["destination_id"])


def _list(request: ManagementRequest) -> JsonObject:
    listed = destinations.listed(request.backend)
    return page(request, "destinations", listed, lambda each: each.id, destination_shown)


def _connected(request: ManagementRequest) -> JsonObject:
    listed = destinations.of_source(request.backend, request.parts["source_id"])
    return page(request, "destinations", listed, lambda each: each.id, destination_shown)


def _get(request: ManagementRequest) -> JsonObject:
    return {"destination": destination_shown(named_destination(request))}


def _create(request: ManagementRequest) -> JsonObject:
    new = request.read(_New)
    made = destinations.add(
        request.backend,
        new.metadata_id,
        new.source_id,
        new.settings,
        name=new.name,
        enabled=new.enabled,
        role=request.role,
    )
    return {"destination": destination_shown(made)}


def _update(request: ManagementRequest) -> JsonObject:
    asked = request.read(_Change)
    # A setting that comes back as its mask stays as it is: clients send back what they have read.
    edit = DestinationEdit(name=asked.name, enabled=asked.enabled, settings=asked.settings)
    made = destinations.change(request.backend, request.parts["destination_id"], edit, role=request.role)
    return {"destination": destination_shown(made)}


def _delete(request: ManagementRequest) -> JsonObject:
    destinations.remove(request.backend, request.parts["destination_id"])
    return statused("SUCCESS")


def _metrics(request: ManagementRequest) -> JsonObject:
    """Counts everything since the destination was added; `/delivery-overview` counts windows."""
    report = delivery.destination_report(request.backend, request.parts["destination_id"])
    totals = report.totals
    return {
        "deliveryMetricsSummary": {
            "sourceId": report.destination.source_id,
            "destinationMetadataId": report.destination.kind,
            "metrics": [
                _metric("successes", totals.delivered, ()),
                _metric("filtered", totals.filtered_at_destination, report.filtered),
                _metric("discarded", totals.failed, report.failed),
                _metric("awaiting-retry", totals.waiting, ()),
            ],
        }
    }


def _metric(name: str, total: int, problems: Sequence[DeliveryProblem]) -> JsonObject:
    breakdown: list[JsonValue] = [{"metricName": f"{name}.{each.code}", "value": each.total} for each in problems]
    return {"metricName": name, "total": total, "breakdown": breakdown}


ROUTES = [
    ManagementRoute("GET", "/destinations", Role.VIEWER, _list),
    ManagementRoute("POST", "/destinations", Role.EDITOR, _create),
    ManagementRoute("GET", "/destinations/{destination_id}", Role.VIEWER, _get),
    ManagementRoute("PATCH", "/destinations/{destination_id}", Role.EDITOR, _update),
    ManagementRoute("DELETE", "/destinations/{destination_id}", Role.OWNER, _delete),
    ManagementRoute("GET", "/destinations/{destination_id}/delivery-metrics", Role.VIEWER, _metrics),
    ManagementRoute("GET", "/sources/{source_id}/connected-destinations", Role.VIEWER, _connected),
]
