"""Replay: which events are put in line again, at which rate, and how many at once."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tifo.delivery.memory import MemoryDeliveryState
from tifo.delivery.ports import Checkpoint, ReplaySelection
from tifo.delivery.sending.filters import ConfiguredFilter
from tifo.delivery.sending.replay import MAX_WAITING, LogReplay, Replayed, ReplayProgress
from tifo.eventlog.memory import MemoryEventLog
from tifo.eventlog.ports import Append
from tifo.kernel.ids import DestinationId, MessageId, Position, SourceId
from tifo.tracking.envelope import Message

ID, SOURCE = DestinationId("d"), SourceId("s")
NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)


class House:
    def __init__(self) -> None:
        self.moment = NOW
        self.log = MemoryEventLog()
        self.state = MemoryDeliveryState()
        self.state.add(ID, Position(0))
        self.slept: list[float] = []
        self.looked: list[ReplayProgress] = []
        self.seconds = 0.0

    def receive(self, count: int, *, source: SourceId = SOURCE, event: str = "Vote", **more: object) -> None:
        first = self.log.end()
        bodies = [
            {"type": "track", "messageId": f"m{first + n}", "event": event, "userId": f"u{n % 3}", **more}
            for n in range(1, count + 1)
        ]
        messages = [Message(MessageId(str(body["messageId"])), msgspec.json.encode(body)) for body in bodies]
        self.log.append([Append(source, self.moment, messages)])

    def delivered_all(self) -> None:
        self.state.settle([Checkpoint(ID, position=self.log.end(), received=int(self.log.end()))])

    def sleep(self, seconds: float) -> None:
        """While one waits for room, what waits is delivered."""
        self.slept.append(seconds)
        self.seconds += seconds
        waiting = [each.key for each in self.state.undelivered(ID)]
        self.state.settle([Checkpoint(ID, settled=waiting)])

    def run(self, selection: ReplaySelection, rate: float | None = None) -> Replayed:
        replay = LogReplay(
            self.log,
            self.state,
            "r",
            rate=rate,
            on_progress=self.looked.append,
            clock=lambda: NOW,
            monotonic=lambda: self.seconds,
            sleep=self.sleep,
        )
        return replay.run(ID, SOURCE, ConfiguredFilter(["track"], ["hook"]), selection)

    def queued(self) -> list[str]:
        return [late.event.message_id for late in self.state.undelivered(ID)]


@pytest.fixture
def house() -> House:
    return House()


def test_what_was_chosen_is_queued_in_order_and_nothing_else(house: House) -> None:
    house.receive(2)
    house.moment += timedelta(hours=1)
    house.receive(2)
    house.receive(1, event="Other")
    house.receive(1, source=SourceId("another"))
    house.receive(1, integrations={"hook": False})
    house.delivered_all()
    since = NOW + timedelta(minutes=30)
    assert house.run(ReplaySelection(since=since, names=["Vote"])) == (2, 1)
    assert house.queued() == ["m3", "m4"]
    assert {late.replay for late in house.state.undelivered(ID)} == {"r"}
    assert house.run(ReplaySelection(until=since, users=["u1"])) == (1, 0)
    assert house.queued() == ["m3", "m4", "m1"]
    assert house.run(ReplaySelection(message_ids=["m2"])) == (1, 0)


def test_what_the_destination_has_not_come_to_is_left_to_its_own_delivery(house: House) -> None:
    house.receive(3)
    house.delivered_all()
    house.receive(3)
    assert house.run(ReplaySelection()) == (3, 0)
    assert house.queued() == ["m1", "m2", "m3"]


def test_only_so_many_wait_at_once(house: House) -> None:
    for _ in range(13):
        house.receive(1_000)
    house.delivered_all()
    assert house.run(ReplaySelection()) == (13_000, 0)
    assert max(looked.waiting for looked in house.looked) <= MAX_WAITING
    assert house.looked[-1].queued == 13_000
    assert house.looked[-1].passed == house.looked[-1].total == 13_000


def test_a_rate_is_kept(house: House) -> None:
    house.receive(1_000)
    house.delivered_all()
    house.run(ReplaySelection(), rate=100)
    assert sum(house.slept) == pytest.approx(10)
