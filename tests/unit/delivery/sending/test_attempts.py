"""Batches on their way to a destination."""

import asyncio
import time
from collections.abc import Callable, Sequence

import pytest

from tests.unit.delivery.sending.parts import Destination, Rig, refusal
from tifo.delivery.ports import Result
from tifo.delivery.sending import attempts as module
from tifo.delivery.sending.attempts import BatchSender
from tifo.destinations.ports import DELIVERED, Batching, Event, Outcome


def accepts(events: Sequence[Event]) -> Sequence[Outcome]:
    return [DELIVERED] * len(events)


async def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0)


async def answered(rig: Rig, sender: BatchSender, requests: int) -> None:
    sender.launch()
    await until(lambda: rig.calls.count("answer") >= requests)


def outcomes(rig: Rig) -> dict[tuple[Result, str], int]:
    totals: dict[tuple[Result, str], int] = {}
    for counted, number in rig.window.stats.counts.items():
        key = counted.result, counted.code
        totals[key] = totals.get(key, 0) + number
    return totals


async def test_batches_are_sent_side_by_side_up_to_the_limit() -> None:
    rig = Rig(batching=Batching(max_events=2))
    destination = Destination(accepts, Batching(max_events=2))
    destination.open.clear()
    sender = rig.sender(destination)
    rig.add_new(*range(1, 13))
    sender.launch()
    await asyncio.sleep(0)
    assert destination.sent == [[1, 2], [3, 4], [5, 6], [7, 8]], "four at once, to begin with"
    assert sender.next_in_s() is None, "only an answer helps"
    destination.open.set()
    await answered(rig, sender, 4)
    await answered(rig, sender, 6)
    assert (rig.window.cursor, outcomes(rig)) == (12, {(Result.DELIVERED, ""): 12})


async def test_a_refused_batch_is_halved_until_the_culprit_is_alone() -> None:
    def refuses_three(events: Sequence[Event]) -> Sequence[Outcome]:
        is_refused = any(event.position == 3 for event in events)
        return [refusal("400") if is_refused else DELIVERED] * len(events)

    rig = Rig(batching=Batching(max_events=4))
    destination = Destination(refuses_three, Batching(max_events=4))
    rig.add_new(1, 2, 3, 4)
    await answered(rig, rig.sender(destination), 1)
    assert destination.sent == [[1, 2, 3, 4], [1, 2], [3, 4], [3], [4]]
    assert outcomes(rig) == {(Result.DELIVERED, ""): 3, (Result.FAILED, "400"): 1}


async def test_a_destination_that_finds_the_culprit_itself_is_not_asked_again() -> None:
    batching = Batching(max_events=2, apart=True)
    rig = Rig(batching=batching)
    destination = Destination(lambda events: [refusal("400")] * len(events), batching)
    rig.add_new(1, 2)
    await answered(rig, rig.sender(destination), 1)
    assert destination.sent == [[1, 2]]


async def test_whatever_a_destination_does_wrong_its_events_are_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEND_WITHIN_S", 0.01)
    rig = Rig()

    def breaks(_: Sequence[Event]) -> Sequence[Outcome]:
        raise ZeroDivisionError

    for position, answer in enumerate((breaks, lambda _: [DELIVERED] * 2), start=1):
        rig.add_new(position)
        await answered(rig, rig.sender(Destination(answer, Batching())), position)
    hangs = Destination(accepts, Batching())
    hangs.open.clear()
    rig.add_new(3)
    await answered(rig, rig.sender(hangs), 3)
    assert outcomes(rig) == {(Result.RETRIED, "INTERNAL"): 3}


async def test_events_of_a_blocked_user_leave_the_queue_and_the_others_are_sent() -> None:
    rig = Rig(ordered=True, batching=Batching(max_events=10), waiting_by_user={"ada": 1})
    destination = Destination(accepts, Batching(max_events=10))
    rig.add_new(1, user="ada")
    rig.add_new(2, user="eve")
    await answered(rig, rig.sender(destination), 1)
    assert destination.sent == [[2]]
    assert [each.code for each in rig.window.stats.undelivered.values()] == ["BEHIND"]
    assert rig.window.cursor == 2


async def test_the_cursor_passes_blocked_events_though_no_request_is_made() -> None:
    rig = Rig(ordered=True, waiting_by_user={"ada": 1})
    destination = Destination(accepts, Batching())
    rig.add_new(1, 2, user="ada")
    rig.sender(destination).launch()
    assert (destination.sent, rig.window.cursor, len(rig.queue)) == ([], 2, 0)


async def test_the_end_cuts_off_requests_that_hang_and_their_events_have_no_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "GRACE_S", 0.01)
    rig = Rig()
    destination = Destination(accepts, Batching())
    destination.open.clear()
    sender = rig.sender(destination)
    rig.add_new(1)
    sender.launch()
    await asyncio.sleep(0)
    await sender.finish()
    rig.window.advance()
    assert (rig.window.cursor, outcomes(rig), sender.failure) == (0, {}, None)


async def test_a_fault_of_tifos_own_is_shown_as_the_failure_that_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig()

    def breaks(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(rig.settler, "settle", breaks)
    sender = rig.sender(Destination(accepts, Batching()))
    rig.add_new(1)
    await answered(rig, sender, 1)
    assert isinstance(sender.failure, ZeroDivisionError)
