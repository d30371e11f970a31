"""The contract of ingest's numbers: what sources sent, over time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import NewState
from tests.shards import SHARD
from tifo.delivery.memory import MemoryIngestNumbers
from tifo.delivery.ports import Grain, Group, IngestNumbers, IngestSeriesQuery
from tifo.eventlog.ports import RECEIVED, IngestCount
from tifo.kernel.ids import Shard, SourceId
from tifo.store.delivery.ingest import SqlIngestNumbers
from tifo.tracking.plans.codes import FILTERED_AT_SOURCE

NOW = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)
SHOP = SourceId("shop")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def numbers(request: pytest.FixtureRequest, new_state: NewState) -> IngestNumbers:
    return MemoryIngestNumbers() if request.param == "memory" else SqlIngestNumbers(new_state(request.param))


def counts(**totals: int) -> list[IngestCount]:
    return [
        IngestCount(source_id=SHOP, code=code, total=total, sample=None, detail=None) for code, total in totals.items()
    ]


def asked(**more: Any) -> IngestSeriesQuery:
    window: dict[str, Any] = {"since": NOW - timedelta(hours=1), "until": NOW + timedelta(hours=2), "grain": Grain.HOUR}
    return IngestSeriesQuery(SHOP, **{**window, "excluded_codes": FILTERED_AT_SOURCE, **more})


def test_what_totals_grew_by_is_noted_once_and_when(numbers: IngestNumbers) -> None:
    numbers.note(SHARD, counts(received=1_000), NOW)  # of before the first look: nobody knows when
    assert numbers.ingest_series(asked(codes=[RECEIVED])) == []
    numbers.note(SHARD, counts(received=1_010), NOW)
    numbers.note(SHARD, counts(received=1_010), NOW)
    numbers.note(
        SHARD, counts(received=1_015, unplanned=2, bad_request=3, id_required=1, duplicate=9), NOW + timedelta(hours=1)
    )
    (received,) = numbers.ingest_series(asked(codes=[RECEIVED]))
    hour = NOW.replace(minute=0)
    assert (received.total, received.points) == (15, [(hour, 10), (hour + timedelta(hours=1), 5)])
    failed = numbers.ingest_series(asked(by=[Group.DISCARD_REASON]))
    told = [(each.group[Group.DISCARD_REASON], each.total) for each in failed]
    assert told == [("bad_request", 3), ("id_required", 1)]
    (filtered,) = numbers.ingest_series(asked(codes=FILTERED_AT_SOURCE))
    assert filtered.total == 2
    minutes = asked(codes=[RECEIVED], grain=Grain.MINUTE)
    assert [point[0] for point in numbers.ingest_series(minutes)[0].points] == [NOW, NOW + timedelta(hours=1)]


def test_a_log_restored_from_a_backup_counts_on_from_its_own_totals(numbers: IngestNumbers) -> None:
    for total in (0, 7, 2, 5):
        numbers.note(SHARD, counts(received=total), NOW)
    (received,) = numbers.ingest_series(asked(codes=[RECEIVED]))
    assert received.total == 7 + 3


def test_several_logs_are_counted_apart_and_shown_together(numbers: IngestNumbers) -> None:
    other = Shard("other")
    for shard, total in ((SHARD, 1), (other, 5), (SHARD, 4), (other, 6)):
        numbers.note(shard, counts(received=total), NOW)
    (received,) = numbers.ingest_series(asked(codes=[RECEIVED]))
    assert received.total == 3 + 1
    assert {shard: list(totals.values()) for shard, totals in numbers.totals().items()} == {SHARD: [4], other: [6]}


def test_what_a_source_sent_expires_and_other_sources_are_left_out(numbers: IngestNumbers) -> None:
    numbers.note(SHARD, (), NOW)
    numbers.note(
        SHARD,
        [
            *counts(received=7),
            IngestCount(source_id=SourceId("other"), code="received", total=9, sample=None, detail=None),
        ],
        NOW,
    )

    def stored(grain: Grain) -> int:
        return sum(each.total for each in numbers.ingest_series(asked(codes=[RECEIVED], grain=grain)))

    numbers.note(SHARD, (), NOW + timedelta(hours=48))
    assert (stored(Grain.MINUTE), stored(Grain.HOUR)) == (7, 7)
    numbers.note(SHARD, (), NOW + timedelta(hours=48, minutes=1))
    assert (stored(Grain.MINUTE), stored(Grain.HOUR)) == (0, 7)
    numbers.note(SHARD, (), NOW + timedelta(days=30, hours=1))
    assert stored(Grain.HOUR) == 0
