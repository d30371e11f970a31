"""Numbers over time: what became of a source's events in a window, grouped by name, type or discard reason."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tifo.delivery.ports import (
    Grain,
    Group,
    IngestSeriesQuery,
    Result,
    Series,
    SeriesQuery,
)
from tifo.eventlog.ports import RECEIVED
from tifo.kernel.durations import read_moment
from tifo.kernel.errors import Rejected
from tifo.operations import destinations, sources
from tifo.operations.backend import Backend
from tifo.tracking.plans.codes import FILTERED_AT_SOURCE
from tifo.workspace.destinations import ConnectedDestination

_WINDOWS: Mapping[Grain, tuple[timedelta, timedelta]] = {
    Grain.MINUTE: (timedelta(hours=4), timedelta(hours=48)),
    Grain.HOUR: (timedelta(days=14), timedelta(days=30)),
    Grain.DAY: (timedelta(days=30), timedelta(days=30)),
}
"""Segment's limits: how long a window may be, and how far back it may begin."""
_MINUTES_ARE_STORED_FOR = timedelta(hours=48)


@dataclass(frozen=True, kw_only=True)
class DeliveryWindow:
    """The time that numbers are asked for, what they are grouped by, and which groups are wanted."""

    since: datetime
    until: datetime
    grain: Grain
    by: Sequence[Group] = ()
    only: Mapping[Group, Collection[str]] = field(default_factory=dict)


class Breakdown(NamedTuple):
    """The outcomes of one destination's events that have one event name, event type or discard reason."""

    destination: str
    value: str
    totals: Mapping[Result, int]


def outcomes(backend: Backend, destination: str, result: Result, window: DeliveryWindow) -> Sequence[Series]:
    """Counts a destination's events with this outcome. Raises `Rejected` for a window that is none of Segment's."""
    _check_window(window, backend.clock())
    return _outcomes(backend, destinations.find(backend, destination), result, window)


def received(backend: Backend, source: str, window: DeliveryWindow) -> Sequence[Series]:
    """Counts the source's events that the log stored. Raises as `outcomes` does."""
    return _ingested(backend, source, window, [RECEIVED])


def failed_on_ingest(backend: Backend, source: str, window: DeliveryWindow) -> Sequence[Series]:
    """Counts the source's events that were refused, but for those that its tracking plan blocked."""
    return _ingested(backend, source, window, ())


def filtered_at_source(backend: Backend, source: str, window: DeliveryWindow) -> Sequence[Series]:
    """Counts the source's events that its tracking plan blocked."""
    return _ingested(backend, source, window, FILTERED_AT_SOURCE)


def breakdown(backend: Backend, by: str, since: str) -> Sequence[Breakdown]:
    """Counts the outcomes of every destination since a moment (a time, or how long ago), grouped by `by`.

    The largest groups of a destination come first. Numbers reach back 30 days.
    """
    group, now = group_of(by, "by"), backend.clock()
    start = read_moment(since, "since", now)
    grain = Grain.MINUTE if now - start <= _MINUTES_ARE_STORED_FOR else Grain.HOUR
    window = DeliveryWindow(since=start, until=now + timedelta(minutes=1), grain=grain, by=[group])
    return [row for each in destinations.listed(backend) for row in _broken_down(backend, each, window, group)]


def every_point(series: Series, window: DeliveryWindow) -> Sequence[tuple[datetime, int]]:
    """Returns a number for each grain of the window, 0 where nothing was counted."""
    points = dict(series.points)
    step = timedelta(minutes=window.grain.minutes)
    at = datetime.fromtimestamp(window.since.timestamp() // step.total_seconds() * step.total_seconds(), UTC)
    found = []
    while at < window.until:
        found.append((at, points.get(at, 0)))
        at += step
    return found


def group_of(value: str, field_name: str) -> Group:
    """Reads what numbers are grouped by. Raises `Rejected`, naming the field."""
    try:
        return Group(value)
    except ValueError as error:
        raise Rejected(f"{field_name} is {value!r:.60}. Known are {', '.join(Group)}.", field=field_name) from error


def _check_window(window: DeliveryWindow, now: datetime) -> None:
    longest, furthest = _WINDOWS[window.grain]
    if not window.since < window.until <= window.since + longest:
        raise Rejected(f"endTime must follow startTime, by at most {longest} for {window.grain}.", field="endTime")
    if window.since < now - furthest - timedelta(minutes=window.grain.minutes):
        raise Rejected(
            f"startTime is more than {furthest} ago: {window.grain} numbers are stored for so long.", field="startTime"
        )


def _outcomes(
    backend: Backend, destination: ConnectedDestination, result: Result, window: DeliveryWindow
) -> Sequence[Series]:
    asked = SeriesQuery(
        destination_id=destination.id,
        results=[result],
        since=window.since,
        until=window.until,
        grain=window.grain,
        by=window.by,
        only=window.only,
    )
    return backend.delivery_numbers.series(asked)


def _ingested(backend: Backend, source: str, window: DeliveryWindow, codes: Collection[str]) -> Sequence[Series]:
    """Refuses any group but the discard reason: the log counts refusals by code, before an event's name is known."""
    _check_window(window, backend.clock())
    if window.only or set(window.by) - {Group.DISCARD_REASON}:
        raise Rejected(f"Numbers of this step are grouped by {Group.DISCARD_REASON} only.", field="groupBy")
    asked = IngestSeriesQuery(
        source_id=sources.find(backend, source).id,
        since=window.since,
        until=window.until,
        grain=window.grain,
        by=window.by,
        codes=codes,
        excluded_codes=FILTERED_AT_SOURCE,
    )
    return backend.ingest_numbers.ingest_series(asked)


def _broken_down(
    backend: Backend, destination: ConnectedDestination, window: DeliveryWindow, group: Group
) -> Sequence[Breakdown]:
    totals: dict[str, dict[Result, int]] = {}
    for result in Result:
        for series in _outcomes(backend, destination, result, window):
            totals.setdefault(series.group[group], dict.fromkeys(Result, 0))[result] = series.total
    largest_first = sorted(totals.items(), key=lambda item: -sum(item[1].values()))
    return [Breakdown(destination.name, value, counted) for value, counted in largest_first]
