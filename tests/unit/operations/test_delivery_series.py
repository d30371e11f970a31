from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.shards import SHARD
from tests.twins import TwinBackend
from tests.unit.operations.conftest import NOW, counted, settle
from tifo.delivery.ports import Grain, Group, Result
from tifo.eventlog.ports import IngestCount
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import SourceId
from tifo.operations import delivery_series, destinations, sources
from tifo.operations.delivery_series import DeliveryWindow
from tifo.workspace.destinations import ConnectedDestination

HOUR = timedelta(hours=1)
WINDOW = DeliveryWindow(since=NOW - HOUR, until=NOW + HOUR, grain=Grain.MINUTE)
BY_NAME = replace(WINDOW, by=[Group.EVENT_NAME])
BY_REASON = replace(WINDOW, by=[Group.DISCARD_REASON])


@pytest.fixture
def crm(backend: TwinBackend) -> ConnectedDestination:
    sources.create(backend, "Shop", "http")
    return destinations.add(backend, "webhook", "shop", {"url": "https://example.com"}, name="crm")


def test_outcomes_are_counted_by_result_name_and_reason(backend: TwinBackend, crm: ConnectedDestination) -> None:
    counts = {
        **counted(Result.DELIVERED, 3),
        **counted(Result.DELIVERED, 2, name="Bought"),
        **counted(Result.FAILED, 1, code="400"),
    }
    settle(backend, crm, 0, counts=counts)
    by_name = delivery_series.outcomes(backend, "crm", Result.DELIVERED, BY_NAME)
    assert [(each.group, each.total) for each in by_name] == [
        ({Group.EVENT_NAME: "Seen"}, 3),
        ({Group.EVENT_NAME: "Bought"}, 2),
    ]
    (bought,) = delivery_series.outcomes(
        backend, crm.id, Result.DELIVERED, replace(BY_NAME, only={Group.EVENT_NAME: ["Bought"]})
    )
    assert bought.total == 2
    (failed,) = delivery_series.outcomes(backend, "crm", Result.FAILED, BY_REASON)
    assert (failed.group, failed.total) == ({Group.DISCARD_REASON: "400"}, 1)
    with pytest.raises(NotFound):
        delivery_series.outcomes(backend, "erp", Result.FAILED, WINDOW)


@pytest.mark.parametrize(
    ("grain", "longest", "furthest"),
    [
        (Grain.MINUTE, timedelta(hours=4), timedelta(hours=48)),
        (Grain.HOUR, timedelta(days=14), timedelta(days=30)),
        (Grain.DAY, timedelta(days=30), timedelta(days=30)),
    ],
)
def test_a_window_is_as_long_and_as_old_as_segments_at_most(
    backend: TwinBackend,
    crm: ConnectedDestination,
    grain: Grain,
    longest: timedelta,
    furthest: timedelta,
) -> None:
    def ask(since: datetime, until: datetime) -> None:
        delivery_series.outcomes(backend, crm.id, Result.FAILED, DeliveryWindow(since=since, until=until, grain=grain))

    ask(NOW - longest, NOW)
    ask(NOW - furthest, NOW - furthest + HOUR)
    for since, until, field in (
        (NOW - longest, NOW + timedelta(seconds=1), "endTime"),
        (NOW, NOW, "endTime"),
        (NOW - furthest - timedelta(minutes=grain.minutes + 1), NOW - furthest, "startTime"),
    ):
        with pytest.raises(Rejected) as refused:
            ask(since, until)
        assert refused.value.field == field


@pytest.fixture
def sent(backend: TwinBackend) -> SourceId:
    """A source of which 7 events were stored, 2 refused and 3 filtered by its plan, in the minute of `NOW`."""
    source_id = sources.create(backend, "Shop", "http").id
    backend.ingest_numbers.note(SHARD, [], NOW)  # what was counted before the first look is of an unknown time
    codes = {"received": 7, "no_user_anon_id": 2, "unplanned": 3, "duplicate": 1}
    backend.ingest_numbers.note(
        SHARD,
        [
            IngestCount(source_id=source_id, code=code, total=number, sample=None, detail=None)
            for code, number in codes.items()
        ],
        NOW,
    )
    return source_id


def test_what_a_source_sent_is_received_failed_or_filtered(backend: TwinBackend, sent: SourceId) -> None:
    asked = (delivery_series.received, delivery_series.failed_on_ingest, delivery_series.filtered_at_source)
    assert [sum(each.total for each in ask(backend, "shop", WINDOW)) for ask in asked] == [7, 2, 3]
    (failed,) = delivery_series.failed_on_ingest(backend, sent, BY_REASON)
    assert (failed.group, failed.total) == ({Group.DISCARD_REASON: "no_user_anon_id"}, 2)
    with pytest.raises(NotFound):
        delivery_series.received(backend, "nowhere", WINDOW)


@pytest.mark.parametrize("window", [BY_NAME, replace(WINDOW, only={Group.DISCARD_REASON: ["unplanned"]})])
def test_what_a_source_sent_is_told_apart_by_reason_only(
    backend: TwinBackend, sent: SourceId, window: DeliveryWindow
) -> None:
    with pytest.raises(Rejected) as refused:
        delivery_series.received(backend, sent, window)
    assert refused.value.field == "groupBy"


def test_a_breakdown_has_every_outcome_of_each_group_the_largest_first(
    backend: TwinBackend, crm: ConnectedDestination
) -> None:
    counts = {
        **counted(Result.DELIVERED, 2, name="Bought"),
        **counted(Result.FAILED, 1, code="400", name="Bought"),
        **counted(Result.DELIVERED, 4),
        **counted(Result.DELIVERED, 9, at=NOW - 3 * HOUR),
    }
    settle(backend, crm, 0, counts=counts)
    seen, bought = delivery_series.breakdown(backend, "eventName", "2h")
    assert (seen.destination, seen.value, seen.totals[Result.DELIVERED]) == ("crm", "Seen", 4)
    assert bought.totals == {
        Result.DELIVERED: 2,
        Result.FILTERED: 0,
        Result.FAILED: 1,
        Result.RETRIED: 0,
        Result.REPLAYED: 0,
    }
    assert delivery_series.breakdown(backend, "eventName", "7d")[0].totals[Result.DELIVERED] == 13


@pytest.mark.parametrize(("by", "since", "field"), [("mood", "2h", "by"), ("eventName", "later", "since")])
def test_a_breakdown_that_is_none_is_refused(backend: TwinBackend, by: str, since: str, field: str) -> None:
    with pytest.raises(Rejected) as refused:
        delivery_series.breakdown(backend, by, since)
    assert refused.value.field == field


def test_what_numbers_are_grouped_by_is_read_from_its_name() -> None:
    assert delivery_series.group_of("discardReason", "groupBy") is Group.DISCARD_REASON
    with pytest.raises(Rejected) as refused:
        delivery_series.group_of("mood", "groupBy")
    assert refused.value.field == "groupBy"


def test_every_grain_of_a_window_has_a_number(backend: TwinBackend, crm: ConnectedDestination) -> None:
    settle(backend, crm, 0, counts=counted(Result.DELIVERED, 3))
    window = DeliveryWindow(
        since=NOW - timedelta(minutes=1, seconds=30), until=NOW + timedelta(minutes=2), grain=Grain.MINUTE
    )
    (series,) = delivery_series.outcomes(backend, "crm", Result.DELIVERED, window)
    points = delivery_series.every_point(series, window)
    assert [((at - NOW).total_seconds(), count) for at, count in points] == [(-120, 0), (-60, 0), (0, 3), (60, 0)]
