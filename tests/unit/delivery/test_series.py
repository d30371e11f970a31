"""Numbers over time, without a database."""

from datetime import UTC, datetime, timedelta

from tifo.delivery.ports import Grain, Group
from tifo.delivery.series import minute_of, oldest_hour, oldest_minute, series_of, window

NOW = datetime(2026, 11, 25, 10, 30, 59, tzinfo=UTC)


def test_a_minute_counts_from_1970() -> None:
    assert minute_of(datetime(1970, 1, 1, 0, 1, 59, tzinfo=UTC)) == 1
    assert minute_of(NOW) == int(NOW.timestamp() // 60)


def test_a_window_has_every_grain_that_it_touches() -> None:
    start = datetime(1970, 1, 1, 2, 0, tzinfo=UTC)
    assert list(window(start, start + timedelta(minutes=61), 60)) == [2, 3]
    assert list(window(start + timedelta(seconds=1), start + timedelta(hours=1), 60)) == [2]
    assert list(window(start, start, 60)) == []


def test_minutes_are_stored_for_two_days_and_hours_for_thirty() -> None:
    assert minute_of(NOW) - oldest_minute(NOW) == 2 * 24 * 60
    assert minute_of(NOW) // 60 - oldest_hour(NOW) == 30 * 24


def test_hours_add_up_to_days_and_the_largest_group_comes_first() -> None:
    rows = [(0, ["a"], 1), (23, ["a"], 2), (24, ["a"], 4), (0, ["b"], 8)]
    first, second = series_of(rows, [Group.EVENT_NAME], Grain.DAY, 60)
    assert (first.group, first.total) == ({Group.EVENT_NAME: "b"}, 8)
    day = datetime(1970, 1, 1, tzinfo=UTC)
    assert (second.total, list(second.points)) == (7, [(day, 3), (day + timedelta(days=1), 4)])
