"""`/delivery-overview`: what became of a destination's events, over time."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

from tifo.api.management.paging import page
from tifo.api.management.request import ManagementRoute, Request
from tifo.delivery.ports import (
    Grain,
    Group,
    IngestSeriesQuery,
    Result,
    Series,
    SeriesQuery,
)
from tifo.eventlog.ports import RECEIVED
from tifo.kernel.clock import system_clock, to_iso
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import DestinationId
from tifo.kernel.json import JsonObject, JsonValue
from tifo.tracking.plans.codes import FILTERED_AT_SOURCE
from tifo.workspace import rules
from tifo.workspace.tokens import Role

_WINDOWS: Mapping[Grain, tuple[timedelta, timedelta]] = {
    Grain.MINUTE: (timedelta(hours=4), timedelta(hours=48)),
    Grain.HOUR: (timedelta(days=14), timedelta(days=30)),
    Grain.DAY: (timedelta(days=30), timedelta(days=30)),
}
"""Segment's: how long a window may be, and how far back it may begin."""
_FILTERED = re.compile(r"filter\[(\w+)\]\[\d*\]")
_GROUPED = re.compile(r"groupBy(\[\d*\])?")
Kind = TypeVar("Kind", Grain, Group)


def _successes(request: Request) -> JsonObject:
    return _answer(request, Result.DELIVERED)


def _failures(request: Request) -> JsonObject:
    return _answer(request, Result.FAILED)


def _filtered(request: Request) -> JsonObject:
    return _answer(request, Result.FILTERED)


def _received(request: Request) -> JsonObject:
    return _of_source(request, [RECEIVED])


def _failed_on_ingest(request: Request) -> JsonObject:
    return _of_source(request, ())


def _filtered_at_source(request: Request) -> JsonObject:
    return _of_source(request, FILTERED_AT_SOURCE)


def _of_source(request: Request, codes: Collection[str]) -> JsonObject:
    """The log counts by code alone: no event name is told apart before it is stored."""
    window = _window(request)
    if window.only or set(window.by) - {Group.DISCARD_REASON}:
        raise Rejected(f"This step is told apart by {Group.DISCARD_REASON} only.", field="groupBy")
    source = rules.named(request.backend.catalog.sources(), request.query.get("sourceId", ""))
    asked = IngestSeriesQuery(
        source.id,
        since=window.since,
        until=window.until,
        grain=window.grain,
        by=window.by,
        codes=codes,
        excluded_codes=FILTERED_AT_SOURCE,
    )
    return _paged(request, request.backend.ingest_numbers.ingest_series(asked), window)


def _answer(request: Request, result: Result) -> JsonObject:
    window = _window(request)
    if request.query.get("subscriptionId"):
        raise Rejected(
            "Outcomes are counted by destination, not by subscription. Leave it out.", field="subscriptionId"
        )
    destination_id = DestinationId(request.query.get("destinationConfigId", ""))
    asked = SeriesQuery(
        destination_id,
        results=[result],
        since=window.since,
        until=window.until,
        grain=window.grain,
        by=window.by,
        only=window.only,
    )
    return _paged(request, request.backend.delivery_numbers.series(asked), window)


def _paged(request: Request, series: Sequence[Series], asked: "_Window") -> JsonObject:
    paged = page(
        request, "dataset", series, lambda each: "\n".join(each.group.values()), lambda each: _shown(each, asked)
    )
    return {"total": sum(each.total for each in series), **paged}


class _Window(NamedTuple):
    since: datetime
    until: datetime
    grain: Grain
    by: Sequence[Group]
    only: Mapping[Group, Collection[str]]


def _window(request: Request) -> _Window:
    query = request.query
    grain = _one(Grain, query.get("granularity", "").upper(), "granularity")
    since, until = _time(query, "startTime"), _time(query, "endTime")
    longest, furthest = _WINDOWS[grain]
    if not since < until <= since + longest:
        raise Rejected(f"endTime must follow startTime, by at most {longest} for {grain}.", field="endTime")
    if since < system_clock() - furthest - timedelta(minutes=grain.minutes):
        raise Rejected(f"startTime is more than {furthest} ago: {grain} numbers are kept so long.", field="startTime")
    only: dict[Group, list[str]] = {}
    for name, value in query.items():
        if found := _FILTERED.fullmatch(name):
            only.setdefault(_one(Group, found[1], "filter"), []).append(value)
    by = [_one(Group, value, "groupBy") for name, value in query.items() if value and _GROUPED.fullmatch(name)]
    return _Window(since, until, grain, by, only)


def _one(kind: type[Kind], value: str, field: str) -> Kind:
    try:
        return kind(value)
    except ValueError as error:
        raise Rejected(f"{field} is {value!r:.60}. Known are {', '.join(kind)}.", field=field) from error


def _time(query: Mapping[str, str], name: str) -> datetime:
    value = query.get(name, "")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise Rejected(f"{name} is {value!r:.60}. Give a time such as 2026-11-25T10:00:00Z.", field=name) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _shown(series: Series, asked: _Window) -> JsonObject:
    points = dict(series.points)
    step = timedelta(minutes=asked.grain.minutes)
    at = datetime.fromtimestamp(asked.since.timestamp() // step.total_seconds() * step.total_seconds(), UTC)
    told: list[JsonValue] = []
    while at < asked.until:
        told.append({"time": to_iso(at), "count": points.get(at, 0)})
        at += step
    return {**{group.value: value for group, value in series.group.items()}, "total": series.total, "series": told}


ROUTES = [
    ManagementRoute("GET", "/delivery-overview/successfully-received", Role.VIEWER, _received),
    ManagementRoute("GET", "/delivery-overview/failed-on-ingest", Role.VIEWER, _failed_on_ingest),
    ManagementRoute("GET", "/delivery-overview/filtered-at-source", Role.VIEWER, _filtered_at_source),
    ManagementRoute("GET", "/delivery-overview/successful-delivery", Role.VIEWER, _successes),
    ManagementRoute("GET", "/delivery-overview/failed-delivery", Role.VIEWER, _failures),
    ManagementRoute("GET", "/delivery-overview/filtered-at-destination", Role.VIEWER, _filtered),
]
