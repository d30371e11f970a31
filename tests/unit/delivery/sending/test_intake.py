"""The intake of the queue."""

from typing import Any

import pytest

from tests.unit.delivery.sending import parts
from tests.unit.delivery.sending.parts import ALIVE, ID, NOW, Rig, waiting
from tifo.delivery.ports import Checkpoint, Result
from tifo.delivery.sending import intake as module
from tifo.delivery.sending.backlog import MAX_WAITING
from tifo.delivery.sending.filters import event_of
from tifo.eventlog.ports import Append
from tifo.kernel.errors import Transient
from tifo.kernel.ids import MessageId, SourceId
from tifo.tracking.envelope import Message


def queued(rig: Rig) -> list[int]:
    positions = []
    while batch := rig.queue.take():
        positions += [int(job.event.position) for job in batch]
    return positions


async def test_the_sources_new_events_are_queued_in_order_and_read_once() -> None:
    rig = Rig()
    rig.receive(3)
    rig.receive(2, source=SourceId("other"))
    intake = rig.intake()
    assert await intake.fill()
    assert not await intake.fill()
    assert queued(rig) == [1, 2, 3]
    rig.receive(1)
    assert not await intake.fill(), "nobody said that the log grew"
    intake.log_grew()
    assert await intake.fill()
    assert queued(rig) == [6]


async def test_other_sources_events_move_the_cursor() -> None:
    rig = Rig()
    rig.receive(5, source=SourceId("other"))
    await rig.intake().fill()
    assert (rig.window.cursor, rig.window.received) == (5, 0)


async def test_filtered_events_are_settled_and_never_queued() -> None:
    rig = Rig()
    rig.receive(15, kind="identify")
    rig.receive(2)
    await rig.intake().fill()
    assert queued(rig) == [16, 17]
    assert (rig.window.cursor, rig.window.received) == (15, 15)
    assert {counted.code: number for counted, number in rig.window.stats.counts.items()} == {
        "UNSUPPORTED_EVENT_TYPE": 15
    }


async def test_a_line_that_is_no_message_and_a_filter_that_breaks_fail_their_own_event_only() -> None:
    rig = Rig()
    rig.receive(1)
    rig.log.append([Append(parts.SOURCE, NOW, [Message(MessageId("x"), b"{")])])
    rig.receive(1)

    def breaks(logged: Any) -> Any:
        if logged.position == 3:
            raise ZeroDivisionError
        return event_of(logged), None

    await rig.intake(breaks).fill()
    assert queued(rig) == [1]
    rig.window.advance()
    assert {(counted.result, counted.code) for counted in rig.window.stats.counts} <= {
        (Result.FAILED, "bad_request"),
        (Result.FAILED, "INTERNAL"),
    }


async def test_no_more_is_read_than_the_window_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tifo.delivery.sending.window.WINDOW_EVENTS", 25)
    rig = Rig()
    for _ in range(4):
        rig.receive(10)
    intake = rig.intake()
    while await intake.fill():
        pass
    assert len(rig.queue) == 25
    assert rig.window.room == 0


async def test_a_full_backlog_and_a_dead_destination_leave_new_events_in_the_log() -> None:
    full = Rig(status=ALIVE._replace(waiting=MAX_WAITING))
    full.backlog.look_at_s = float("inf")
    full.receive(3)
    await full.intake().fill()
    assert len(full.queue) == 0
    dead = Rig(status=ALIVE._replace(dead_since=NOW))
    dead.receive(3)
    intake = dead.intake()
    await intake.fill()
    assert len(dead.queue) == 3, "a probe needs one"
    dead.receive(3)
    intake.log_grew()
    await intake.fill()
    assert len(dead.queue) == 3


async def test_due_retries_are_queued_once_and_the_state_is_asked_now_and_then() -> None:
    rig = Rig()
    rig.state.settle([Checkpoint(ID, undelivered=[waiting(1), waiting(2)])])
    intake = rig.intake()
    await intake.fill()
    assert rig.queue.has_retries
    assert queued(rig) == [1, 2]
    rig.state.settle([Checkpoint(ID, undelivered=[waiting(3)])])
    await intake.fill()
    assert queued(rig) == [], "not yet"
    rig.now_s += module.DUE_EVERY_S
    await intake.fill()
    assert queued(rig) == [3], "those in progress are not queued again"


async def test_a_state_that_is_away_for_a_moment_delays_new_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DUE_EVERY_S", 0.0)
    rig = Rig()
    rig.receive(2)
    due, failures = rig.state.due, [Transient("The disk is away.")]

    def fails_once(*args: Any, **more: Any) -> Any:
        if failures:
            raise failures.pop()
        return due(*args, **more)

    monkeypatch.setattr(rig.state, "due", fails_once)
    intake = rig.intake()
    assert not await intake.fill()
    assert await intake.fill()
    assert queued(rig) == [1, 2]


async def test_a_retry_that_is_committed_while_the_state_is_asked_is_not_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig, retry = Rig(), waiting(1)
    rig.state.settle([Checkpoint(ID, undelivered=[retry])])
    intake, due = rig.intake(), rig.state.due
    await intake.fill()
    assert queued(rig) == [1]

    def commits_meanwhile(*args: Any, **more: Any) -> Any:
        answer = due(*args, **more)
        rig.backlog.committed([retry.key])
        return answer

    monkeypatch.setattr(rig.state, "due", commits_meanwhile)
    rig.now_s += module.DUE_EVERY_S
    await intake.fill()
    assert queued(rig) == []
