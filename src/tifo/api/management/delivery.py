"""`/delivery-overview`: counts the events of a source or a destination over time, by outcome."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import UNSET, UnsetType

from tifo.api.management.answers import Answer, Pagination
from tifo.api.management.describing import QueryField, accepts
from tifo.api.management.paging import page
from tifo.api.management.request import ManagementRequest, ManagementRoute
from tifo.delivery.ports import Grain, Group, Result, Series
from tifo.kernel.clock import from_iso, to_iso
from tifo.kernel.errors import Rejected
from tifo.operations import delivery_series
from tifo.operations.delivery_series import DeliveryWindow, group_of
from tifo.workspace.tokens import Role

# Segment's SDK writes arrays into the query as `filter[eventName][0]=…` and `groupBy[0]=…`.
_FILTERED = re.compile(r"filter\[(\w+)\]\[\d*\]")
_GROUPED = re.compile(r"groupBy(\[\d*\])?")


class Point(Answer, frozen=True, kw_only=True):
    time: str
    count: int


class SeriesShown(Answer, frozen=True, kw_only=True):
    """Counts of one group over time. The fields that `groupBy` names are there."""

    event_name: str | UnsetType = UNSET
    event_type: str | UnsetType = UNSET
    discard_reason: str | UnsetType = UNSET
    total: int
    series: list[Point]


class DeliveryOverview(Answer, frozen=True, kw_only=True):
    """`total` is that of all pages."""

    total: int
    dataset: list[SeriesShown]
    pagination: Pagination


_WINDOW = (
    QueryField("startTime", "Counts from this moment, in ISO 8601.", required=True),
    QueryField("endTime", "Counts up to this moment.", required=True),
    QueryField("granularity", "The width of a point.", Grain, required=True),
    QueryField(
        "groupBy",
        "A series for each value: `eventName`, `eventType` or `discardReason`. May be repeated as `groupBy[0]`.",
    ),
    QueryField("filter[eventName][0]", "Events of this name only; likewise `eventType` and `discardReason`."),
)
_OF_SOURCE = (QueryField("sourceId", "The source.", required=True), *_WINDOW)
_OF_DESTINATION = (QueryField("destinationConfigId", "The destination.", required=True), *_WINDOW)


@accepts(*_OF_DESTINATION)
def get_egress_success_metrics_from_delivery_overview(request: ManagementRequest) -> DeliveryOverview:
    """Counts a destination's delivered events over time."""
    return _outcomes(request, Result.DELIVERED)


@accepts(*_OF_DESTINATION)
def get_egress_failed_metrics_from_delivery_overview(request: ManagementRequest) -> DeliveryOverview:
    """Counts a destination's failed events over time."""
    return _outcomes(request, Result.FAILED)


@accepts(*_OF_DESTINATION)
def get_filtered_at_destination_metrics_from_delivery_overview(request: ManagementRequest) -> DeliveryOverview:
    """Counts the events that a destination's filters held back, over time."""
    return _outcomes(request, Result.FILTERED)


@accepts(*_OF_SOURCE)
def get_ingress_success_metrics_from_delivery_overview(request: ManagementRequest) -> DeliveryOverview:
    """Counts a source's received events over time."""
    window = _window(request)
    return _answer(request, delivery_series.received(request.backend, _source(request), window), window)


@accepts(*_OF_SOURCE)
def get_ingress_failed_metrics_from_delivery_overview(request: ManagementRequest) -> DeliveryOverview:
    """Counts a source's events that were refused, over time."""
    window = _window(request)
    return _answer(request, delivery_series.failed_on_ingest(request.backend, _source(request), window), window)


@accepts(*_OF_SOURCE)
def get_filtered_at_source_metrics_from_delivery_overview(request: ManagementRequest) -> DeliveryOverview:
    """Counts a source's events that its tracking plan blocked, over time."""
    window = _window(request)
    return _answer(request, delivery_series.filtered_at_source(request.backend, _source(request), window), window)


def _outcomes(request: ManagementRequest, result: Result) -> DeliveryOverview:
    window = _window(request)
    # Answering with the destination's outcomes would pass them off as one mapping's.
    if request.query.get("subscriptionId"):
        raise Rejected(
            "Outcomes are counted by destination, not by subscription. Leave it out.", field="subscriptionId"
        )
    destination = request.query.get("destinationConfigId", "")
    return _answer(request, delivery_series.outcomes(request.backend, destination, result, window), window)


def _answer(request: ManagementRequest, series: Sequence[Series], window: DeliveryWindow) -> DeliveryOverview:
    # A series has no id: the values of its group name it, and cursors need a name.
    found, pagination = page(request, series, lambda each: "\n".join(each.group.values()))
    total = sum(each.total for each in series)
    return DeliveryOverview(total=total, dataset=[_shown(each, window) for each in found], pagination=pagination)


def _source(request: ManagementRequest) -> str:
    return request.query.get("sourceId", "")


def _window(request: ManagementRequest) -> DeliveryWindow:
    query = request.query
    grain = _grain(query.get("granularity", "").upper())
    only: dict[Group, list[str]] = {}
    for name, value in query.items():
        if found := _FILTERED.fullmatch(name):
            only.setdefault(group_of(found[1], "filter"), []).append(value)
    by = [group_of(value, "groupBy") for name, value in query.items() if value and _GROUPED.fullmatch(name)]
    since, until = _time(query, "startTime"), _time(query, "endTime")
    return DeliveryWindow(since=since, until=until, grain=grain, by=by, only=only)


def _grain(value: str) -> Grain:
    try:
        return Grain(value)
    except ValueError as error:
        raise Rejected(f"granularity is {value!r:.60}. Known are {', '.join(Grain)}.", field="granularity") from error


def _time(query: Mapping[str, str], name: str) -> datetime:
    value = query.get(name, "")
    try:
        return from_iso(value)
    except (ValueError, OverflowError) as error:
        raise Rejected(f"{name} is {value!r:.60}. Give a time such as 2026-11-25T10:00:00Z.", field=name) from error


def _shown(series: Series, window: DeliveryWindow) -> SeriesShown:
    return SeriesShown(
        event_name=series.group.get(Group.EVENT_NAME, UNSET),
        event_type=series.group.get(Group.EVENT_TYPE, UNSET),
        discard_reason=series.group.get(Group.DISCARD_REASON, UNSET),
        total=series.total,
        series=[Point(time=to_iso(at), count=count) for at, count in delivery_series.every_point(series, window)],
    )


_OVERVIEW = "/delivery-overview"
ROUTES = [
    ManagementRoute(
        "GET",
        f"{_OVERVIEW}/successfully-received",
        Role.VIEWER,
        get_ingress_success_metrics_from_delivery_overview,
    ),
    ManagementRoute(
        "GET", f"{_OVERVIEW}/failed-on-ingest", Role.VIEWER, get_ingress_failed_metrics_from_delivery_overview
    ),
    ManagementRoute(
        "GET", f"{_OVERVIEW}/filtered-at-source", Role.VIEWER, get_filtered_at_source_metrics_from_delivery_overview
    ),
    ManagementRoute(
        "GET", f"{_OVERVIEW}/successful-delivery", Role.VIEWER, get_egress_success_metrics_from_delivery_overview
    ),
    ManagementRoute(
        "GET", f"{_OVERVIEW}/failed-delivery", Role.VIEWER, get_egress_failed_metrics_from_delivery_overview
    ),
    ManagementRoute(
        "GET",
        f"{_OVERVIEW}/filtered-at-destination",
        Role.VIEWER,
        get_filtered_at_destination_metrics_from_delivery_overview,
    ),
]
