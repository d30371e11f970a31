"""The counts of a connection between two checkpoints."""

from tests.unit.delivery.sending.parts import ID, NOW, event, refusal, waiting
from tifo.delivery.ports import Counted, Result
from tifo.delivery.sending.stats import OTHER, CountedNames, DeliveryStats, Moment
from tifo.destinations.ports import DELIVERED
from tifo.kernel.ids import Position

MINUTE = int(NOW.timestamp() // 60)


def test_only_so_many_names_are_counted_one_by_one_in_an_hour() -> None:
    names = CountedNames(limit=2)
    assert [names.name_for(name, 60) for name in ("a", "b", "c", "a")] == ["a", "b", OTHER, "a"]
    assert names.name_for("c", 120) == "c", "another hour"


def test_stats_add_up_and_the_newest_sample_stays() -> None:
    first, second = DeliveryStats(), DeliveryStats()
    assert first.is_empty
    first.count(event(1), "Vote", Result.FAILED, refusal("400"), Moment(NOW))
    second.count(event(2), "Vote", Result.FAILED, refusal("400"), Moment(NOW))
    second.count(event(3), "Vote", Result.DELIVERED, DELIVERED, Moment(NOW))
    second.undelivered[waiting(2).key] = waiting(2)
    second.settled.append((Position(9), "r"))
    first.add(second)
    assert first.counts[Counted(MINUTE, "track", "Vote", Result.FAILED, "400")] == 2
    assert first.latencies.total() == 1
    assert first.samples[Result.FAILED, "400"].message_id == "m2"
    assert first.keys() == [(2, ""), (9, "r")]
    checkpoint = first.as_checkpoint(
        ID, position=Position(9), previous=Position(4), received=5, dead_since=NOW, dead_reason="500", expired=1
    )
    assert (checkpoint.position, checkpoint.previous, checkpoint.received, checkpoint.expired) == (9, 4, 5, 1)
    assert (checkpoint.dead_since, checkpoint.dead_reason, checkpoint.settled) == (NOW, "500", [(9, "r")])
