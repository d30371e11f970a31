"""The contract of delivery's state: cursors and undelivered events."""

import dataclasses

import pytest
from msgspec.structs import replace

from tests.contract.delivery.conftest import NOW, SECOND, Rig, event, sample, undelivered
from tifo.delivery.ports import (
    Attempt,
    Checkpoint,
    Counted,
    DeliveryCursor,
    LatencyBucket,
    ReplaySelection,
    Result,
)
from tifo.destinations.ports import Event, Exchange
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import DestinationId, Position, SourceId


def test_a_cursor_moves_with_events_received_counted_and_undelivered(rig: Rig) -> None:
    state, begin = rig
    hook = begin("hook", 5)
    assert state.status(hook)[:6] == (5, 5, 0, 0, 0, 0)
    waiting = undelivered(7, exchange=Exchange("POST x", "500"))
    minute = int(NOW.timestamp() // 60)
    change = Checkpoint(
        hook,
        position=Position(9),
        received=4,
        undelivered=[waiting, undelivered(8, next_at=None)],
        counts={Counted(minute, "track", "Vote", Result.DELIVERED, ""): 2},
        latencies={LatencyBucket(minute, 3): 2},
        samples=[sample("m9")],
        dead_since=NOW,
        dead_reason="500",
    )
    state.settle([change, dataclasses.replace(change, position=Position(12), received=3, undelivered=())])
    status = state.status(hook)
    assert status[:6] == (5, 12, 7, 1, 1, 0)
    assert (status.dead_since, status.dead_reason) == (NOW, "500")
    assert state.due(hook, NOW, limit=10, in_order=False) == ([waiting], 1)
    state.settle([Checkpoint(hook, settled=[(Position(7), "")])])
    assert state.status(hook)[1:5] == (12, 7, 0, 1)


def test_what_waits_is_due_when_its_time_has_come_the_longest_overdue_first(rig: Rig) -> None:
    state, begin = rig
    hook, other = begin("hook", 0), begin("other", 0)
    rows = [
        undelivered(1, next_at=NOW + 9 * SECOND),
        undelivered(2, next_at=NOW - SECOND),
        undelivered(3, next_at=NOW - 5 * SECOND),
        undelivered(4, next_at=None),
    ]
    state.settle([Checkpoint(hook, undelivered=rows), Checkpoint(other, undelivered=[undelivered(5)])])
    due = state.due(hook, NOW, limit=10, in_order=False)
    assert [each.event.position for each in due.undelivered] == [3, 2]
    assert due.waiting == 3
    assert [each.event.position for each in state.due(hook, NOW, limit=1, in_order=False).undelivered] == [3]


def test_in_order_a_users_first_is_due_and_nothing_behind_it(rig: Rig) -> None:
    state, begin = rig
    hook = begin("hook", 0)
    rows = [
        undelivered(1, "a", next_at=NOW + 9 * SECOND),
        undelivered(2, "a"),
        undelivered(3, "b"),
        undelivered(4, "b"),
        undelivered(5, ""),
        undelivered(6, ""),
    ]
    state.settle([Checkpoint(hook, undelivered=rows)])
    assert [each.event.position for each in state.due(hook, NOW, limit=10, in_order=True).undelivered] == [3, 5, 6]
    assert dict(state.waiting_by_user(hook)) == {"a": 2, "b": 2, "": 2}


def test_an_undelivered_event_is_stored_whole(rig: Rig) -> None:
    state, begin = rig
    hook = begin("hook", 0)
    whole = replace(undelivered(1, replay="r1", exchange=Exchange("POST x", "500 ü")), event=event(1, left=b"\0left"))
    state.settle([Checkpoint(hook, undelivered=[whole])])
    assert state.due(hook, NOW, limit=1, in_order=False).undelivered == [whole]


def test_names_that_a_database_cannot_hold_stop_nothing(rig: Rig) -> None:
    state, begin = rig
    hook = begin("hook", 0)
    odd = Event(Position(1), "m\0", "track", "Vo\0te", "\0", NOW.timestamp(), b'{"event":"\\u0000"}')
    row = replace(undelivered(1), event=odd, history=(Attempt(NOW, "500", "\0", 0.1),), detail="\0")
    state.settle([Checkpoint(hook, undelivered=[row], counts={Counted(1, "track", "\0", Result.DELIVERED, ""): 1})])
    (due,) = state.due(hook, NOW, limit=1, in_order=False).undelivered
    assert due.event.body == odd.body


def test_dead_letters_are_redriven_or_expire_and_the_expired_are_counted(rig: Rig) -> None:
    state, begin = rig
    hook = begin("hook", 0)
    state.settle(
        [
            Checkpoint(
                hook,
                position=Position(4),
                received=4,
                undelivered=[undelivered(each, next_at=None) for each in (1, 2, 3)],
            )
        ]
    )
    assert state.redrive(hook, ReplaySelection(message_ids=["m2", "m9"]), NOW + 5 * SECOND) == 1
    (again,) = state.due(hook, NOW + 5 * SECOND, limit=9, in_order=False).undelivered
    assert (again.event.position, again.attempts, len(again.history), again.first_at) == (
        2,
        0,
        1,
        NOW + 5 * SECOND,
    )
    assert state.expire_dead_letters(NOW + SECOND, limit=1) == 1
    assert state.expire_dead_letters(NOW + SECOND, limit=9) == 1
    assert state.status(hook)[3:6] == (1, 0, 2)
    with pytest.raises(NotFound):
        state.redrive(DestinationId("nobody"), ReplaySelection(), NOW)


def test_a_checkpoint_from_another_place_than_the_cursor_is_refused(rig: Rig) -> None:
    state, begin = rig
    hook, other = begin("hook", 5), begin("other", 5)
    ahead = Checkpoint(hook, position=Position(9), received=4, previous=Position(5), expired=3)
    behind = Checkpoint(hook, position=Position(7), received=2, undelivered=[undelivered(6)], previous=Position(5))
    assert list(state.settle([ahead])) == [True]
    beside = Checkpoint(other, position=Position(7), received=2, previous=Position(5))
    assert list(state.settle([behind, beside])) == [False, True]
    assert state.status(hook)[:6] == (5, 9, 4, 0, 0, 3)
    assert state.status(other)[:3] == (5, 7, 2)


def test_the_checkpoint_of_a_gone_destination_is_refused_and_its_neighbours_are_stored(
    rig: Rig,
) -> None:
    state, begin = rig
    hook = begin("hook", 0)
    gone = DestinationId("gone")
    lost = Checkpoint(gone, position=Position(3), received=3, undelivered=[undelivered(1)])
    assert list(state.settle([lost, Checkpoint(hook, position=Position(3), received=3)])) == [False, True]
    assert state.status(hook).received == 3
    with pytest.raises(NotFound):
        state.status(gone)


def test_a_replay_queues_what_does_not_wait_already(rig: Rig) -> None:
    state, begin = rig
    hook = begin("hook", 0)
    state.settle(
        [Checkpoint(hook, position=Position(9), received=9, undelivered=[undelivered(2), undelivered(3, next_at=None)])]
    )
    assert state.queue(hook, [undelivered(each, replay="r") for each in (1, 2, 3)]) == 2
    assert state.queue(hook, [undelivered(each, replay="r") for each in (1, 3, 4)]) == 1
    assert state.queued(hook, "r") == 3
    assert state.status(hook)[2:5] == (9, 1, 1)
    assert state.due(hook, NOW, limit=10, in_order=False).waiting == 4
    with pytest.raises(NotFound):
        state.queue(DestinationId("nobody"), [undelivered(1)])


def test_dead_letters_are_chosen_by_what_they_are(rig: Rig) -> None:
    state, begin = rig
    hook = begin("hook", 0)
    rows = [undelivered(number, "ab"[number % 2], next_at=None) for number in range(1, 7)]
    state.settle([Checkpoint(hook, undelivered=rows)])
    assert state.redrive(hook, ReplaySelection(since=NOW + SECOND), NOW) == 0
    assert state.redrive(hook, ReplaySelection(until=NOW), NOW) == 0
    assert state.redrive(hook, ReplaySelection(names=["Other"]), NOW) == 0
    assert state.redrive(hook, ReplaySelection(users=["a"], names=["Vote"], since=NOW, until=NOW + SECOND), NOW) == 3
    assert state.redrive(hook, ReplaySelection(), NOW) == 3


def test_the_cursor_of_every_destination_is_shown_with_its_source(rig: Rig) -> None:
    state, begin = rig
    assert list(state.cursors()) == []
    hook, other = begin("hook", 5), begin("other", 7)
    state.settle([Checkpoint(hook, position=Position(9), received=4)])
    source = SourceId("source")
    expected = [DeliveryCursor(hook, source, Position(9)), DeliveryCursor(other, source, Position(7))]
    assert sorted(state.cursors()) == sorted(expected)


def test_a_message_is_found_wherever_it_waits_or_has_failed(rig: Rig) -> None:
    state, begin = rig
    hook, other = begin("hook", 0), begin("other", 0)
    waiting, dead, replayed = undelivered(1), undelivered(1, next_at=None), undelivered(1, replay="r")
    state.settle([Checkpoint(hook, undelivered=[replayed, dead, undelivered(2)])])
    state.settle([Checkpoint(other, undelivered=[waiting])])
    expected = sorted([(hook, dead), (hook, replayed), (other, waiting)], key=lambda each: (each[0], each[1].replay))
    assert list(state.of_message("m1")) == expected
    assert list(state.of_message("m9")) == []
    state.settle([Checkpoint(other, settled=[(Position(1), "")])])
    assert other not in dict(state.of_message("m1"))


def test_a_replays_events_that_wait_are_counted_and_a_gone_destination_has_none(rig: Rig) -> None:
    state, begin = rig
    hook = begin("hook", 0)
    state.queue(hook, [undelivered(1, replay="r"), undelivered(2, replay="other")])
    assert state.queued(hook, "r") == 1
    assert state.queued(DestinationId("nobody"), "r") == 0


def test_an_expired_replay_is_not_counted_as_an_expired_event(rig: Rig) -> None:
    state, begin = rig
    hook = begin("hook", 0)
    state.settle([Checkpoint(hook, undelivered=[undelivered(1, next_at=None, replay="r")])])
    assert state.expire_dead_letters(NOW, limit=9) == 0, "it failed at that moment, not before it"
    assert state.expire_dead_letters(NOW + SECOND, limit=9) == 1
    assert state.status(hook).expired == 0
