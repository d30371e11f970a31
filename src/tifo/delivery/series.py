"""Adds stored numbers up to series over time, and says how long they are stored. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from tifo.delivery.ports import Grain, Group, Series

STORED_MINUTES = 48 * 60
STORED_HOURS = 30 * 24
"""Segment's retention: minutes for two days, hours for thirty."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def minute_of(moment: datetime) -> int:
    """Counts whole minutes since 1970."""
    return (moment - _EPOCH) // timedelta(minutes=1)


def oldest_minute(now: datetime) -> int:
    """Returns the first minute that is still stored."""
    return minute_of(now) - STORED_MINUTES


def oldest_hour(now: datetime) -> int:
    """Returns the first hour, counted from 1970, that is still stored."""
    return minute_of(now) // 60 - STORED_HOURS


def stored_minutes(grain: Grain) -> int:
    """Returns the width, in minutes, of the stored numbers that the grain is made of."""
    return 1 if grain is Grain.MINUTE else 60


def window(since: datetime, until: datetime, minutes: int) -> range:
    """Returns the stored numbers, each so many minutes wide, that `[since, until)` touches."""
    width = timedelta(minutes=minutes)
    # Both ends are rounded outwards: the negation rounds `until` up.
    return range((since - _EPOCH) // width, -((_EPOCH - until) // width))


def series_of(
    rows: Iterable[tuple[int, Sequence[str], int]], by: Sequence[Group], grain: Grain, minutes: int
) -> list[Series]:
    """Adds rows of (when, group, number) up to series, the largest first. `when` counts so many minutes since 1970."""
    totals: dict[tuple[str, ...], dict[int, int]] = {}
    for when, group, number in rows:
        points = totals.setdefault(tuple(group), {})
        at = when * minutes // grain.minutes
        points[at] = points.get(at, 0) + number
    step = timedelta(minutes=grain.minutes)
    series = [
        Series(
            dict(zip(by, key, strict=True)),
            sum(points.values()),
            [(_EPOCH + at * step, number) for at, number in sorted(points.items())],
        )
        for key, points in totals.items()
    ]
    return sorted(series, key=lambda each: (-each.total, tuple(each.group.values())))
