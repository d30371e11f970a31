"""The contract of delivery's numbers."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.contract.delivery.conftest import NOW, Rig, sample
from tifo.delivery.latency import bound_s
from tifo.delivery.ports import Checkpoint, Counted, Grain, Group, LatencyBucket, Result, SeriesQuery
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import START as LOG_START
from tifo.kernel.ids import DestinationId, Position

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
START = NOW.replace(minute=0, second=0, microsecond=0)
D, F, X, R = Result.DELIVERED, Result.FAILED, Result.FILTERED, Result.REPLAYED


def counted(at: datetime, result: Result, code: str = "", name: str = "Vote", type: str = "track") -> Counted:  # noqa: A002 (as it is called)
    return Counted(int(at.timestamp() // 60), type, name, result, code)


def asked(destination_id: DestinationId, **more: Any) -> SeriesQuery:
    window: dict[str, Any] = {"since": START, "until": START + 2 * HOUR, "grain": Grain.HOUR, "results": [D]}
    return SeriesQuery(destination_id, **{**window, **more})


def test_totals_add_up_over_checkpoints_with_the_status(rig: Rig) -> None:
    state, begin = rig
    hook = begin("hook", 0)
    counts = {counted(START, D): 5, counted(START, X, "FILTERED_BY_RULES"): 2, counted(START, R): 1}
    latencies = {LatencyBucket(int(START.timestamp() // 60), 30): 5}
    for position in (8, 16):
        state.settle([Checkpoint(hook, position=Position(position), received=8, counts=counts, latencies=latencies)])
    numbers = state.numbers(hook)
    assert numbers.status == state.status(hook)._replace(start=LOG_START, position=LOG_START)
    assert (numbers.delivered, numbers.filtered, numbers.replayed) == (10, 4, 2)
    assert numbers.latency_ms == dict.fromkeys(("p50", "p95", "p99"), round(1000 * bound_s(30), 1))
    with pytest.raises(NotFound):
        state.numbers(DestinationId("nobody"))


def test_a_connection_without_events_has_numbers_of_zero(rig: Rig) -> None:
    state, begin = rig
    numbers = state.numbers(begin("hook", 0))
    assert (numbers.delivered, numbers.filtered, numbers.replayed) == (0, 0, 0)
    assert numbers.latency_ms == {"p50": None, "p95": None, "p99": None}


def test_problems_are_shown_with_their_newest_sample_the_most_frequent_first(rig: Rig) -> None:
    state, begin = rig
    hook = begin("hook", 0)
    counts = {counted(START, F, "400"): 2, counted(START, F, "410", name="Other"): 3, counted(START, D): 90}
    state.settle([Checkpoint(hook, counts=counts, samples=[sample("m1", F, "400"), sample("m2", F, "410")])])
    state.settle([Checkpoint(hook, counts={counted(START + HOUR, F, "400"): 4}, samples=[sample("m3", F, "400")])])
    problems = state.problems(hook)
    assert [(each.result, each.code, each.total, each.message_id) for each in problems] == [
        ("failed", "400", 6, "m3"),
        ("failed", "410", 3, "m2"),
    ]
    assert (problems[0].at, problems[0].received, problems[0].detail, problems[0].exchange) == (
        NOW,
        b"{}",
        "as told",
        None,
    )
    assert list(state.problems(DestinationId("nobody"))) == []


def test_a_series_has_a_point_for_each_grain_in_which_anything_was_counted(rig: Rig) -> None:
    state, begin = rig
    hook = begin("hook", 0)
    times = {START - MINUTE: 1, START: 2, START + 5 * MINUTE: 3, START + HOUR: 4, START + 2 * HOUR: 5}
    state.settle([Checkpoint(hook, counts={counted(at, D): number for at, number in times.items()})])
    (hours,) = state.series(asked(hook))
    assert (hours.group, hours.total, list(hours.points)) == ({}, 9, [(START, 5), (START + HOUR, 4)])
    (minutes,) = state.series(asked(hook, grain=Grain.MINUTE, until=START + HOUR))
    assert list(minutes.points) == [(START, 2), (START + 5 * MINUTE, 3)]
    (whole,) = state.series(asked(hook, since=START + MINUTE, until=START + MINUTE, results=[D, F]))
    assert whole.total == 5, "the grain that the window touches counts whole"
    (day,) = state.series(asked(hook, since=START - 30 * HOUR, until=START + 30 * HOUR, grain=Grain.DAY))
    assert day.total == 15
    with pytest.raises(NotFound):
        state.series(asked(DestinationId("nobody")))


def test_series_are_grouped_and_filtered_the_largest_first(rig: Rig) -> None:
    state, begin = rig
    hook = begin("hook", 0)
    counts = {
        counted(START, F, "400", "Vote"): 1,
        counted(START, F, "500", "Vote"): 2,
        counted(START, F, "400", "Seen", "page"): 4,
        counted(START, D, "", "Vote"): 8,
    }
    state.settle([Checkpoint(hook, counts=counts)])

    def totals(**more: Any) -> list[tuple[list[str], int]]:
        return [(list(each.group.values()), each.total) for each in state.series(asked(hook, results=[F], **more))]

    assert totals(by=[Group.DISCARD_REASON]) == [(["400"], 5), (["500"], 2)]
    assert totals(by=[Group.EVENT_NAME, Group.EVENT_TYPE]) == [(["Seen", "page"], 4), (["Vote", "track"], 3)]
    assert totals(only={Group.EVENT_NAME: ["Vote"], Group.DISCARD_REASON: ["400", "9"]}) == [([], 1)]
    assert totals(only={Group.EVENT_TYPE: ["identify"]}) == []


def test_numbers_expire_minutes_after_two_days_hours_after_thirty_and_totals_never(rig: Rig) -> None:
    state, begin = rig
    hook = begin("hook", 0)
    state.settle([Checkpoint(hook, counts={counted(START, D): 1, counted(START + MINUTE, D): 1})])

    def stored(grain: Grain) -> int:
        return sum(each.total for each in state.series(asked(hook, grain=grain)))

    state.expire_numbers(START + 48 * HOUR)
    assert (stored(Grain.MINUTE), stored(Grain.HOUR)) == (2, 2)
    state.expire_numbers(START + 48 * HOUR + MINUTE)
    assert (stored(Grain.MINUTE), stored(Grain.HOUR)) == (1, 2)
    state.expire_numbers(START + 30 * 24 * HOUR + HOUR - MINUTE)
    assert (stored(Grain.MINUTE), stored(Grain.HOUR)) == (0, 2)
    state.expire_numbers(START + 30 * 24 * HOUR + HOUR)
    assert stored(Grain.HOUR) == 0
    assert state.numbers(hook).delivered == 2
