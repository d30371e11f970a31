"""`/delivery-overview`: counts the events of a source or a destination over time, by outcome."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from tifo.api.management.paging import page
from tifo.api.management.request import ManagementRequest, ManagementRoute
from tifo.delivery.ports import Grain, Group, Result, Series
from tifo.kernel.clock import from_iso, to_iso
from tifo.kernel.errors import Rejected
from tifo.kernel.json import JsonObject, JsonValue
from tifo.operations import delivery_series
from tifo.operations.delivery_series import DeliveryWindow, group_of
from tifo.workspace.tokens import Role

# Segment's SDK writes arrays into the query as `filter[eventName][0]=…` and `groupBy[0]=…`.
_FILTERED = re.compile(r"filter\[(\w+)\]\[\d*\]")
_GROUPED = re.compile(r"groupBy(\[\d*\])?")


def _successes(request: ManagementRequest) -> JsonObject:
    return _outcomes(request, Result.DELIVERED)


def _failures(request: ManagementRequest) -> JsonObject:
    return _outcomes(request, Result.FAILED)


def _filtered(request: ManagementRequest) -> JsonObject:
    return _outcomes(request, Result.FILTERED)


def _received(request: ManagementRequest) -> JsonObject:
    window = _window(request)
    return _answer(request, delivery_series.received(request.backend, _source(request), window), window)


def _failed_on_ingest(request: ManagementRequest) -> JsonObject:
    window = _window(request)
    return _answer(request, delivery_series.failed_on_ingest(request.backend, _source(request), window), window)


def _filtered_at_source(request: ManagementRequest) -> JsonObject:
    window = _window(request)
    return _answer(request, delivery_series.filtered_at_source(request.backend, _source(request), window), window)


def _outcomes(request: ManagementRequest, result: Result) -> JsonObject:
    window = _window(request)
    # Answering with the destination's outcomes would pass them off as one mapping's.
    if request.query.get("subscriptionId"):
        raise Rejected(
            "Outcomes are counted by destination, not by subscription. Leave it out.", field="subscriptionId"
        )
    destination = request.query.get("destinationConfigId", "")
    return _answer(request, delivery_series.outcomes(request.backend, destination, result, window), window)


def _answer(request: ManagementRequest, series: Sequence[Series], window: DeliveryWindow) -> JsonObject:
    # A series has no id: the values of its group name it, and cursors need a name.
    key = lambda each: "\n".join(each.group.values())  # noqa: E731 (one line says it)
    paged = page(request, "dataset", series, key, lambda each: _shown(each, window))
    # The total is that of all pages.
    return {"total": sum(each.total for each in series), **paged}


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


def _shown(series: Series, window: DeliveryWindow) -> JsonObject:
    points: list[JsonValue] = [
        {"time": to_iso(at), "count": count} for at, count in delivery_series.every_point(series, window)
    ]
    groups = {group.value: value for group, value in series.group.items()}
    return {**groups, "total": series.total, "series": points}


ROUTES = [
    ManagementRoute("GET", "/delivery-overview/successfully-received", Role.VIEWER, _received),
    ManagementRoute("GET", "/delivery-overview/failed-on-ingest", Role.VIEWER, _failed_on_ingest),
    ManagementRoute("GET", "/delivery-overview/filtered-at-source", Role.VIEWER, _filtered_at_source),
    ManagementRoute("GET", "/delivery-overview/successful-delivery", Role.VIEWER, _successes),
    ManagementRoute("GET", "/delivery-overview/failed-delivery", Role.VIEWER, _failures),
    ManagementRoute("GET", "/delivery-overview/filtered-at-destination", Role.VIEWER, _filtered),
]
