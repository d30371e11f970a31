"""One destination's deliveries against a destination that follows a script. Time runs a thousand times as fast."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tifo.delivery.memory import MemoryDeliveryState
from tifo.delivery.ports import Checkpoint, DeliveryCursor, ReplaySelection, Result, UndeliveredState
from tifo.delivery.retention import expire
from tifo.delivery.sending import checkpoint, intake
from tifo.delivery.sending.connection import DestinationConnection, Terms
from tifo.delivery.sending.filters import ConfiguredFilter
from tifo.delivery.sending.reading import SharedReader
from tifo.destinations.ports import DELIVERED, Batching, Event, Fate, Outcome
from tifo.eventlog.memory import MemoryEventLog
from tifo.eventlog.ports import Append
from tifo.kernel.clock import Clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import DestinationId, MessageId, Position, SourceId
from tifo.tracking.envelope import Message

SPEED = 1000.0
SOURCE, OTHER = SourceId("club"), SourceId("other")
ID = DestinationId("hook")
_EPOCH = datetime(2026, 11, 25, tzinfo=UTC)
_BEGAN = time.monotonic()
Answer = Callable[[Event, int], Outcome]


def fast() -> float:
    return (time.monotonic() - _BEGAN) * SPEED


def clock() -> datetime:
    return _EPOCH + timedelta(seconds=fast())


def no(code: str, **more: Any) -> Outcome:
    final = code.isdecimal() and code not in {"429", "500", "503"}
    return Outcome(Fate.FAILED if final else Fate.RETRY, code, "as told", **more)


async def eventually(is_so: Callable[[], bool], describe: Callable[[], object] = lambda: None) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(describe())
        await asyncio.sleep(0.01)


def limit_of(connection: DestinationConnection) -> int:
    assert connection._parts is not None
    return int(connection._parts.health.limit)


class Scripted:
    """Answers each event's n-th attempt as `answer` says."""

    def __init__(self, answer: Answer, *, batch: int = 1, ordered: bool = False, slow_s: float = 0.0) -> None:
        self.answer = answer
        self.batching = Batching(max_events=batch)
        self.ordered = ordered
        self.slow_s = slow_s
        self.sent: list[list[str]] = []
        self.attempts: Counter[str] = Counter()
        self.took: list[str] = []
        self.under_way: list[str] = []
        self.together: list[list[str]] = []

    async def send(self, events: Sequence[Event]) -> Sequence[Outcome]:
        self.sent.append([event.message_id for event in events])
        self.under_way += [event.user for event in events]
        self.together.append(list(self.under_way))
        await asyncio.sleep(self.slow_s)
        outcomes = []
        for event in events:
            self.attempts[event.message_id] += 1
            outcomes.append(self.answer(event, self.attempts[event.message_id]))
        if any(outcome.code == "400" for outcome in outcomes) and len(events) > 1:
            outcomes = [no("400")] * len(events)
        self.took += [e.message_id for e, o in zip(events, outcomes, strict=True) if o.fate is Fate.DELIVERED]
        for event in events:
            self.under_way.remove(event.user)
        return outcomes

    async def close(self) -> None:
        """Nothing is held."""


class House:
    def __init__(self) -> None:
        self.log = MemoryEventLog()
        self.state = MemoryDeliveryState()
        self.state.add(ID, Position(0))
        self.committed: list[Checkpoint] = []
        self.refusals = 0
        self.retry_for_s = 4 * 3600.0

    def receive(self, count: int, *, source: SourceId = SOURCE, users: int = 5, kind: str = "track") -> list[str]:
        first = self.log.end()
        ids = [f"m{first + number}" for number in range(count)]
        bodies = [
            {"type": kind, "messageId": each, "event": "Vote", "userId": f"u{number % users}"}
            for number, each in enumerate(ids)
        ]
        messages = [Message(MessageId(body["messageId"]), msgspec.json.encode(body)) for body in bodies]
        self.log.append([Append(source, clock(), messages)])
        return ids

    async def commit(self, change: Checkpoint) -> bool:
        if self.refusals:
            self.refusals -= 1
            raise Transient("The disk is full.", retry_after_s=0.01)
        await asyncio.sleep(0)
        self.committed.append(change)
        return self.state.settle([change])[0]

    def connection(
        self, destination: Scripted, *, clock: Clock = clock, monotonic: Callable[[], float] = fast
    ) -> DestinationConnection:
        return DestinationConnection(
            Terms(ID, SOURCE, self.retry_for_s, _EPOCH),
            destination,
            ConfiguredFilter(["track"], ["Webhooks", "hook"]),
            reader=SharedReader(self.log),
            state=self.state,
            commit=self.commit,
            clock=clock,
            monotonic=monotonic,
        )

    @asynccontextmanager
    async def delivering(self, destination: Scripted) -> Any:
        stop = asyncio.Event()
        connection = self.connection(destination)
        running = asyncio.create_task(connection.run(stop))
        try:
            yield connection
        finally:
            stop.set()
            await running

    async def until(self, *, delivered: int = 0, filtered: int = 0, failed: int = 0, waiting: int = 0) -> None:
        """The parts are so, and add up to what was received."""
        wanted = (delivered, filtered, failed, waiting)
        await eventually(
            lambda: self.parts() == wanted and sum(wanted) == self.state.status(ID).received,
            lambda: (self.parts(), wanted, self.state.status(ID)),
        )

    async def until_standing(self, *, received: int) -> None:
        """All is received, and nothing waits."""
        await eventually(
            lambda: (self.state.status(ID).received, self.state.status(ID).waiting) == (received, 0),
            lambda: self.state.status(ID),
        )

    def parts(self) -> tuple[int, int, int, int]:
        totals: Counter[Result] = Counter()
        for counted, number in self.state.counts(ID).items():
            totals[counted.result] += number
        status = self.state.status(ID)
        return totals[Result.DELIVERED], totals[Result.FILTERED], status.failed, status.waiting


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "COMMIT_EVERY_S", 0.02)
    monkeypatch.setattr(intake, "DUE_EVERY_S", 0.02)


@pytest.fixture
def house() -> House:
    return House()


async def test_a_sources_events_are_delivered_in_order_and_nothing_of_other_sources(house: House) -> None:
    ids = house.receive(30)
    house.receive(10, source=OTHER)
    destination = Scripted(lambda *_: DELIVERED, batch=7)
    async with house.delivering(destination) as connection:
        await house.until(delivered=30)
        more = house.receive(3)
        connection.log_grew()
        await house.until(delivered=33)
    assert sorted(destination.took) == sorted(ids + more)
    assert [len(batch) for batch in destination.sent[:4]] == [7, 7, 7, 7]
    assert house.state.status(ID).position == house.log.end()


async def test_calls_that_the_kind_does_not_handle_are_counted_as_filtered(house: House) -> None:
    house.receive(4, kind="identify")
    house.receive(2)
    destination = Scripted(lambda *_: DELIVERED)
    async with house.delivering(destination):
        await house.until(delivered=2, filtered=4)
    assert {counted.code for counted in house.state.counts(ID)} == {"", "UNSUPPORTED_EVENT_TYPE"}


async def test_an_event_that_fails_for_a_while_is_delivered_once_and_not_tried_again(house: House) -> None:
    ids = house.receive(40)
    destination = Scripted(
        lambda event, attempt: DELIVERED if attempt > int(event.position) % 4 else no("500"), batch=5
    )
    async with house.delivering(destination):
        await house.until(delivered=40)
    assert Counter(destination.took) == Counter(ids)
    assert all(destination.attempts[f"m{position - 1}"] == position % 4 + 1 for position in range(1, 41))


async def test_an_event_refused_for_good_is_stored_with_its_payload_and_answer(house: House) -> None:
    house.receive(10)
    destination = Scripted(lambda event, _: no("400") if event.position == Position(3) else DELIVERED)
    async with house.delivering(destination):
        await house.until(delivered=9, failed=1)
    (dead,) = house.state.undelivered(ID)
    assert (dead.state, dead.code, dead.attempts, dead.next_at) == (UndeliveredState.FAILED, "400", 1, None)
    assert msgspec.json.decode(dead.event.body)["messageId"] == "m2"
    assert [(attempt.code, attempt.detail) for attempt in dead.history] == [("400", "as told")]


async def test_a_refused_batch_is_halved_until_the_culprit_is_alone(house: House) -> None:
    house.receive(16)
    destination = Scripted(lambda event, _: no("400") if event.position == Position(11) else DELIVERED, batch=16)
    async with house.delivering(destination):
        await house.until(delivered=15, failed=1)
    assert house.state.undelivered(ID)[0].event.message_id == "m10"
    assert max(Counter(destination.took).values()) == 1


async def test_an_event_is_dead_lettered_after_its_time_while_others_are_accepted(house: House) -> None:
    house.receive(3)
    house.retry_for_s = 900.0
    destination = Scripted(lambda event, _: no("500") if event.position == Position(2) else DELIVERED)
    async with house.delivering(destination):
        await house.until(delivered=2, failed=1)
    (dead,) = house.state.undelivered(ID)
    assert dead.history[-1].at - dead.first_at >= timedelta(seconds=900)
    assert dead.attempts == len(dead.history) > 8


async def test_the_log_stores_the_rest_for_a_dead_destination_and_all_arrives_when_it_is_back(house: House) -> None:
    ids = house.receive(500)
    back = False
    destination = Scripted(lambda *_: DELIVERED if back else no("ECONNREFUSED"))
    async with house.delivering(destination):
        await eventually(lambda: house.state.status(ID).dead_since is not None)
        await asyncio.sleep(0.3)  # three hundred of its seconds: some probes
        status, tried = house.state.status(ID), len(destination.attempts)
        assert tried < 30
        assert status.waiting <= tried
        assert "ECONNREFUSED" in status.dead_reason
        back = True
        await house.until(delivered=500)
    assert Counter(destination.took) == Counter(ids)
    assert house.state.status(ID).dead_since is None


async def test_events_that_leave_the_log_before_a_dead_destination_has_them_are_counted_once(house: House) -> None:
    ids = house.receive(500)
    alive = False
    destination = Scripted(lambda *_: DELIVERED if alive else no("ECONNREFUSED"))
    running = asyncio.create_task(house.connection(destination).run(asyncio.Event()))
    await eventually(lambda: house.state.status(ID).dead_since is not None)
    dead, tried = house.state.status(ID), house.state.status(ID).waiting
    cursor = DeliveryCursor(ID, SOURCE, dead.position)
    assert expire(house.log, house.state, [cursor], Position(200)) == 200
    assert house.state.status(ID)[1:6] == (200, 200, tried, 0, 200 - tried)
    assert house.state.status(ID).dead_since == dead.dead_since
    alive = True
    with pytest.raises(Transient, match="moved meanwhile"):
        async with asyncio.timeout(10):
            await running
    assert expire(house.log, house.state, [cursor], Position(200)) == dead.position, "it was not so any more"
    async with house.delivering(destination):
        await house.until_standing(received=500)
    expired = sum(n for counted, n in house.state.counts(ID).items() if counted.code == "EXPIRED")
    assert expired == house.state.status(ID).expired
    assert house.parts() == (500 - expired, 0, 0, 0)
    assert set(destination.took) >= set(ids[200:])


async def test_a_destination_that_refuses_whatever_it_is_sent_does_not_fill_the_dead_letters(house: House) -> None:
    house.receive(5_000)
    destination = Scripted(lambda *_: no("401"))
    async with house.delivering(destination):
        await eventually(lambda: house.state.status(ID).dead_since is not None)
        await asyncio.sleep(0.1)
    assert 100 <= house.state.status(ID).failed < 200
    assert house.state.status(ID).dead_reason.startswith("401")


async def test_one_users_events_come_in_order_whatever_fails(house: House) -> None:
    house.receive(200, users=7)
    generator = random.Random(3)
    destination = Scripted(
        lambda *_: DELIVERED if generator.random() < 0.6 else no("500"), batch=1, ordered=True, slow_s=0.001
    )
    async with house.delivering(destination):
        await house.until(delivered=200)
    for user in range(7):
        assert [int(each[1:]) for each in destination.took if int(each[1:]) % 7 == user] == list(range(user, 200, 7))
    assert any(len(users) > 1 for users in destination.together)
    assert all(max(Counter(users).values()) == 1 for users in destination.together)


async def test_events_behind_one_users_event_follow_it_at_once(house: House) -> None:
    """Time stands still: whoever looked by the clock for what is due would look once."""
    now = 0.0
    house.receive(30, users=1)
    destination = Scripted(lambda *_: DELIVERED if now else no("500"), ordered=True)
    connection = house.connection(destination, clock=lambda: _EPOCH + timedelta(seconds=now), monotonic=lambda: now)
    stop = asyncio.Event()
    running = asyncio.create_task(connection.run(stop))
    await house.until(waiting=30)
    now = 1_000.0
    await house.until(delivered=30)
    stop.set()
    await running


async def test_a_halved_batch_keeps_its_users_in_order(house: House) -> None:
    house.receive(300, users=3)
    destination = Scripted(
        lambda event, _: no("400") if int(event.position) % 50 == 0 else DELIVERED, batch=16, ordered=True, slow_s=0.001
    )
    async with house.delivering(destination):
        await house.until(delivered=294, failed=6)
    for user in range(3):
        of_user = [int(each[1:]) for each in destination.took if int(each[1:]) % 3 == user]
        assert of_user == sorted(of_user)


async def test_a_push_back_is_waited_out(house: House) -> None:
    house.receive(60)
    pushed: list[float] = []

    def answer(*_: Any) -> Outcome:
        if not pushed:
            pushed.append(fast())
            return no("429", retry_after_s=300.0)
        after.append(fast() - pushed[0])
        return DELIVERED

    after: list[float] = []
    destination = Scripted(answer, slow_s=0.002)
    async with house.delivering(destination):
        await house.until(delivered=60)
    later = sorted(after)[4:]  # those in flight already
    assert min(later) >= 300


async def test_a_limit_grows_while_answers_are_quick_and_is_halved_by_a_push_back(house: House) -> None:
    house.receive(3_000)
    destination = Scripted(lambda *_: DELIVERED, slow_s=0.001)
    async with house.delivering(destination) as connection:
        await house.until(delivered=3_000)
        wide = limit_of(connection)
        destination.answer = lambda _, attempt: DELIVERED if attempt > 1 else no("429")
        house.receive(1)
        connection.log_grew()
        await house.until(delivered=3_001)
        assert limit_of(connection) < wide
    assert max(map(len, destination.together)) > 16


async def test_uncommitted_events_are_sent_again_after_a_crash_and_the_parts_add_up(house: House) -> None:
    ids = house.receive(300)
    generator = random.Random(5)

    def answer(*_: Any) -> Outcome:
        return generator.choices([DELIVERED, no("500"), no("400")], [8, 2, 1])[0]

    destination = Scripted(answer, batch=1, slow_s=0.001)
    for _ in range(5):
        running = asyncio.create_task(house.connection(destination).run(asyncio.Event()))
        await asyncio.sleep(0.05)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await running
    destination.answer = lambda *_: DELIVERED
    async with house.delivering(destination):
        await eventually(
            lambda: sum(house.parts()) == 300 and not house.parts()[3],
            lambda: (house.parts(), house.state.status(ID), house.state.undelivered(ID)[:3]),
        )
        failed = house.state.status(ID).failed
        await house.until(delivered=300 - failed, failed=failed)
    dead = {each.event.message_id for each in house.state.undelivered(ID)}
    assert set(destination.took) >= set(ids) - dead


async def test_a_destination_that_breaks_costs_no_event(house: House) -> None:
    house.receive(10)
    destination = Scripted(lambda *_: DELIVERED)
    broken = 3

    async def send(events: Sequence[Event]) -> Sequence[Outcome]:
        nonlocal broken
        broken -= 1
        if broken >= 0:
            raise ZeroDivisionError
        return await Scripted.send(destination, events)

    destination.send = send  # type: ignore[method-assign]
    async with house.delivering(destination):
        await house.until(delivered=10)
    assert sum(n for counted, n in house.state.counts(ID).items() if counted.code == "INTERNAL") == 3


async def test_nothing_is_lost_while_the_state_cannot_be_written(house: House) -> None:
    ids = house.receive(50)
    house.refusals = 20
    destination = Scripted(lambda event, attempt: DELIVERED if attempt > 1 or int(event.position) % 5 else no("500"))
    async with house.delivering(destination):
        await house.until(delivered=50)
    assert Counter(destination.took) == Counter(ids)


async def test_a_log_that_cannot_be_read_for_a_moment_costs_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, read, failures = house.receive(50), house.log.read, [3]

    def fails_at_first(*args: Any, **more: Any) -> Any:
        failures[0] -= 1
        if failures[0] >= 0:
            raise Transient("The disk is away.")
        return read(*args, **more)

    monkeypatch.setattr(house.log, "read", fails_at_first)
    destination = Scripted(lambda *_: DELIVERED)
    async with house.delivering(destination):
        await house.until(delivered=50)
    assert Counter(destination.took) == Counter(ids)


async def test_dead_letters_are_tried_again_when_asked_for(house: House) -> None:
    house.receive(6)
    mended = False
    destination = Scripted(lambda event, _: DELIVERED if mended or int(event.position) > 4 else no("400"))
    async with house.delivering(destination):
        await house.until(delivered=2, failed=4)
        mended = True
        assert house.state.redrive(ID, ReplaySelection(message_ids=["m2"]), clock()) == 1
        await house.until(delivered=3, failed=3)
        assert house.state.redrive(ID, ReplaySelection(), clock()) == 3
        await house.until(delivered=6)
    assert Counter(destination.took) == Counter(f"m{number}" for number in range(6))
