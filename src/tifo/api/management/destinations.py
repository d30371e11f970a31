"""`/destinations`: adds, changes and removes the destinations of sources. Answers mask settings that are secrets."""

from collections.abc import Sequence
from typing import Any, Literal

from tifo.api.management.answers import Answer, Done, Pagination
from tifo.api.management.catalog import DestinationMetadataShown, destination_metadata
from tifo.api.management.describing import accepts
from tifo.api.management.paging import page
from tifo.api.management.request import Input, ManagementRequest, ManagementRoute
from tifo.delivery.ports import DeliveryProblem
from tifo.destinations.catalog import kind_of
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


class DestinationShown(Answer, frozen=True, kw_only=True):
    """A destination. Settings that are secrets are masked."""

    id: str
    name: str
    enabled: bool
    metadata: DestinationMetadataShown
    source_id: str
    settings: dict[str, Any]


class OneDestination(Answer, frozen=True, kw_only=True):
    destination: DestinationShown


class ListedDestinations(Answer, frozen=True, kw_only=True):
    destinations: list[DestinationShown]
    pagination: Pagination


class MetricPart(Answer, frozen=True, kw_only=True):
    metric_name: str
    value: int


class Metric(Answer, frozen=True, kw_only=True):
    metric_name: Literal["successes", "filtered", "discarded", "awaiting-retry"]
    total: int
    breakdown: list[MetricPart]


class MetricsSummary(Answer, frozen=True, kw_only=True):
    source_id: str
    destination_metadata_id: str
    metrics: list[Metric]


class DeliveryMetrics(Answer, frozen=True, kw_only=True):
    delivery_metrics_summary: MetricsSummary


def destination_shown(destination: ConnectedDestination) -> DestinationShown:
    return DestinationShown(
        id=destination.id,
        name=destination.name,
        enabled=destination.enabled,
        metadata=destination_metadata(kind_of(destination.kind)),
        source_id=destination.source_id,
        settings=dict(destinations.visible_settings(destination)),
    )


def named_destination(request: ManagementRequest) -> ConnectedDestination:
    return destinations.find(request.backend, request.parts["destination_id"])


def list_destinations(request: ManagementRequest) -> ListedDestinations:
    return _page(request, destinations.listed(request.backend))


def list_connected_destinations_from_source(request: ManagementRequest) -> ListedDestinations:
    """Lists the destinations that get the source's events."""
    return _page(request, destinations.of_source(request.backend, request.parts["source_id"]))


def _page(request: ManagementRequest, listed: Sequence[ConnectedDestination]) -> ListedDestinations:
    found, pagination = page(request, listed, lambda each: each.id)
    return ListedDestinations(destinations=list(map(destination_shown, found)), pagination=pagination)


def get_destination(request: ManagementRequest) -> OneDestination:
    return OneDestination(destination=destination_shown(named_destination(request)))


@accepts(body=_New)
def create_destination(request: ManagementRequest) -> OneDestination:
    """The destination gets the events that the source sends from now on. Kinds that work on Tifo's own machine need a
    token of role owner.
    """
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
    return OneDestination(destination=destination_shown(made))


@accepts(body=_Change)
def update_destination(request: ManagementRequest) -> OneDestination:
    """Changes the settings that are sent. A secret that is sent as its mask stays as it is."""
    asked = request.read(_Change)
    # A setting that comes back as its mask stays as it is: clients send back what they have read.
    edit = DestinationEdit(name=asked.name, enabled=asked.enabled, settings=asked.settings)
    made = destinations.change(request.backend, request.parts["destination_id"], edit, role=request.role)
    return OneDestination(destination=destination_shown(made))


def delete_destination(request: ManagementRequest) -> Done:
    """Deletes the destination with the events that wait for it."""
    destinations.remove(request.backend, request.parts["destination_id"])
    return Done()


def list_delivery_metrics_summary_from_destination(request: ManagementRequest) -> DeliveryMetrics:
    """Counts everything since the destination was added; `/delivery-overview` counts windows."""
    report = delivery.destination_report(request.backend, request.parts["destination_id"])
    totals = report.totals
    summary = MetricsSummary(
        source_id=report.destination.source_id,
        destination_metadata_id=report.destination.kind,
        metrics=[
            Metric(metric_name="successes", total=totals.delivered, breakdown=[]),
            Metric(
                metric_name="filtered",
                total=totals.filtered_at_destination,
                breakdown=_breakdown("filtered", report.filtered),
            ),
            Metric(metric_name="discarded", total=totals.failed, breakdown=_breakdown("discarded", report.failed)),
            Metric(metric_name="awaiting-retry", total=totals.waiting, breakdown=[]),
        ],
    )
    return DeliveryMetrics(delivery_metrics_summary=summary)


def _breakdown(name: str, problems: Sequence[DeliveryProblem]) -> list[MetricPart]:
    return [MetricPart(metric_name=f"{name}.{each.code}", value=each.total) for each in problems]


ROUTES = [
    ManagementRoute("GET", "/destinations", Role.VIEWER, list_destinations),
    ManagementRoute("POST", "/destinations", Role.EDITOR, create_destination),
    ManagementRoute("GET", "/destinations/{destination_id}", Role.VIEWER, get_destination),
    ManagementRoute("PATCH", "/destinations/{destination_id}", Role.EDITOR, update_destination),
    ManagementRoute("DELETE", "/destinations/{destination_id}", Role.OWNER, delete_destination),
    ManagementRoute(
        "GET",
        "/destinations/{destination_id}/delivery-metrics",
        Role.VIEWER,
        list_delivery_metrics_summary_from_destination,
    ),
    ManagementRoute(
        "GET",
        "/sources/{source_id}/connected-destinations",
        Role.VIEWER,
        list_connected_destinations_from_source,
    ),
]
