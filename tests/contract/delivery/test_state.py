"""What delivery keeps: in memory, on SQLite and on PostgreSQL alike."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.conftest import NewState
from tifo.delivery.memory import MemoryDeliveryState
from tifo.delivery.ports import (
    Attempt,
    Checkpoint,
    Counted,
    DeliveryState,
    LatencyBucket,
    ReplaySelection,
    Result,
    Sample,
    Undelivered,
    UndeliveredState,
)
from tifo.destinations.ports import Event, Exchange
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import DestinationId, Position, SourceId
from tifo.store.delivery.deliveries import SqlDeliveryState
from tifo.store.workspace.catalog import SqlCatalog
from tifo.store.workspace.destinations import SqlDestinations
from tifo.store.workspace.vault import Vault
from tifo.workspace.model import SourceType

NOW = 1_795_000_000.5
AT = datetime.fromtimestamp(NOW, UTC)
Begin = Callable[[str, int], DestinationId]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def kept(request: pytest.FixtureRequest, new_state: NewState, tmp_path: Any) -> tuple[DeliveryState, Begin]:
    """The state, and how a destination comes to be that begins at a position."""
    if request.param == "memory":
        memory = MemoryDeliveryState()

        def remember(name: str, start: int) -> DestinationId:
            memory.begin(DestinationId(name), Position(start))
            return DestinationId(name)

        return memory, remember
    database = new_state(request.param)
    ids = (f"id{number}" for number in range(100))
    source = SqlCatalog(database, lambda: AT, lambda: next(ids)).create_source("Club", SourceType.HTTP)
    destinations = SqlDestinations(database, lambda: AT, lambda: next(ids), Vault("", tmp_path / "key"))

    def add(name: str, start: int) -> DestinationId:
        return destinations.add("webhook", name, SourceId(source.id), {}, start=Position(start)).id

    return SqlDeliveryState(database), add


def event(position: int, user: str = "fan", **more: Any) -> Event:
    body = f'{{"messageId":"m{position}"}}'.encode()
    return Event(Position(position), f"m{position}", "track", "Vote", user, NOW, body, **more)


def late(position: int, user: str = "fan", *, next_at: float | None = NOW, **more: Any) -> Undelivered:
    state = UndeliveredState.FAILED if next_at is None else UndeliveredState.WAITING
    history = (Attempt(NOW, "500", "as told", 0.25),)
    return Undelivered(event(position, user), state, NOW, next_at, 1, history, "500", "as told", **more)


def test_a_cursor_moves_with_what_was_received_counted_and_not_taken(kept: tuple[DeliveryState, Begin]) -> None:
    state, begin = kept
    hook = begin("hook", 5)
    assert state.standing(hook)[:6] == (5, 5, 0, 0, 0, 0)
    waiting = late(7, exchange=Exchange("POST x", "500"))
    minute = int(NOW // 60)
    change = Checkpoint(
        hook,
        Position(9),
        4,
        [waiting, late(8, next_at=None)],
        counts={Counted(minute, "track", "Vote", Result.DELIVERED, ""): 2},
        latencies={LatencyBucket(minute, 3): 2},
        samples=[Sample(Result.DELIVERED, "", "m9", NOW, b"{}", "", None)],
        dead_since=NOW,
        dead_reason="500",
    )
    state.settle([change, replace(change, position=Position(12), received=3, undelivered=())])
    standing = state.standing(hook)
    assert standing[:6] == (5, 12, 7, 1, 1, 0)
    assert (standing.dead_since, standing.dead_reason) == (NOW, "500")
    assert state.due(hook, NOW, limit=10, in_order=False) == ([waiting], 1)
    state.settle([Checkpoint(hook, None, 0, [], [(Position(7), "")])])
    assert state.standing(hook)[1:5] == (12, 7, 0, 1)


def test_what_waits_is_due_when_its_time_has_come_the_longest_overdue_first(kept: tuple[DeliveryState, Begin]) -> None:
    state, begin = kept
    hook, other = begin("hook", 0), begin("other", 0)
    rows = [late(1, next_at=NOW + 9), late(2, next_at=NOW - 1), late(3, next_at=NOW - 5), late(4, next_at=None)]
    state.settle([Checkpoint(hook, undelivered=rows), Checkpoint(other, undelivered=[late(5)])])
    due = state.due(hook, NOW, limit=10, in_order=False)
    assert [each.event.position for each in due.late] == [3, 2]
    assert due.waiting == 3
    assert [each.event.position for each in state.due(hook, NOW, limit=1, in_order=False).late] == [3]


def test_in_order_a_users_first_is_due_and_nothing_behind_it(kept: tuple[DeliveryState, Begin]) -> None:
    state, begin = kept
    hook = begin("hook", 0)
    rows = [late(1, "a", next_at=NOW + 9), late(2, "a"), late(3, "b"), late(4, "b"), late(5, ""), late(6, "")]
    state.settle([Checkpoint(hook, undelivered=rows)])
    assert [each.event.position for each in state.due(hook, NOW, limit=10, in_order=True).late] == [3, 5, 6]
    assert dict(state.held_up(hook)) == {"a": 2, "b": 2, "": 2}


def test_an_event_keeps_all_that_is_known_of_it(kept: tuple[DeliveryState, Begin]) -> None:
    state, begin = kept
    hook = begin("hook", 0)
    whole = replace_event(late(1, replay="r1", exchange=Exchange("POST x", "500 ü")), left=b"\0left")
    state.settle([Checkpoint(hook, undelivered=[whole])])
    assert state.due(hook, NOW, limit=1, in_order=False).late == [whole]


def test_names_that_a_database_cannot_hold_stop_nothing(kept: tuple[DeliveryState, Begin]) -> None:
    state, begin = kept
    hook = begin("hook", 0)
    odd = Event(Position(1), "m\0", "track", "Vo\0te", "\0", NOW, b'{"event":"\\u0000"}')
    row = Undelivered(odd, UndeliveredState.WAITING, NOW, NOW, 1, (Attempt(NOW, "500", "\0", 0.1),), "500", "\0")
    state.settle([Checkpoint(hook, undelivered=[row], counts={Counted(1, "track", "\0", Result.DELIVERED, ""): 1})])
    (due,) = state.due(hook, NOW, limit=1, in_order=False).late
    assert due.event.body == odd.body


def test_dead_letters_are_redriven_or_forgotten_and_the_forgotten_counted(kept: tuple[DeliveryState, Begin]) -> None:
    state, begin = kept
    hook = begin("hook", 0)
    state.settle([Checkpoint(hook, Position(4), 4, [late(each, next_at=None) for each in (1, 2, 3)])])
    assert state.redrive(hook, ReplaySelection(message_ids=["m2", "m9"]), NOW + 5) == 1
    (again,) = state.due(hook, NOW + 5, limit=9, in_order=False).late
    assert (again.event.position, again.attempts, len(again.history), again.first_at) == (2, 0, 1, NOW + 5)
    assert state.forget(datetime.fromtimestamp(NOW + 1, UTC), limit=1) == 1
    assert state.forget(datetime.fromtimestamp(NOW + 1, UTC), limit=9) == 1
    assert state.standing(hook)[3:6] == (1, 0, 2)
    with pytest.raises(NotFound):
        state.redrive(DestinationId("nobody"), ReplaySelection(), NOW)


def test_what_was_found_from_another_place_than_the_cursor_is_not_kept(kept: tuple[DeliveryState, Begin]) -> None:
    state, begin = kept
    hook, other = begin("hook", 5), begin("other", 5)
    ahead = Checkpoint(hook, Position(9), 4, since=Position(5), forgotten=3)
    behind = Checkpoint(hook, Position(7), 2, [late(6)], since=Position(5))
    assert list(state.settle([ahead])) == [True]
    beside = Checkpoint(other, Position(7), 2, since=Position(5))
    assert list(state.settle([behind, beside])) == [False, True]
    assert state.standing(hook)[:6] == (5, 9, 4, 0, 0, 3)
    assert state.standing(other)[:3] == (5, 7, 2)


def test_of_a_destination_that_is_gone_nothing_is_kept_and_its_neighbours_are(
    kept: tuple[DeliveryState, Begin],
) -> None:
    state, begin = kept
    hook = begin("hook", 0)
    gone = DestinationId("gone")
    assert list(state.settle([Checkpoint(gone, Position(3), 3, [late(1)]), Checkpoint(hook, Position(3), 3)])) == [
        False,
        True,
    ]
    assert state.standing(hook).received == 3
    with pytest.raises(NotFound):
        state.standing(gone)


def replace_event(row: Undelivered, **changes: Any) -> Undelivered:
    return Undelivered(
        event(int(row.event.position), row.event.user, **changes),
        *(getattr(row, name) for name in row.__struct_fields__[1:]),
    )


def test_a_replay_queues_what_does_not_wait_already(kept: tuple[DeliveryState, Begin]) -> None:
    state, begin = kept
    hook = begin("hook", 0)
    state.settle([Checkpoint(hook, Position(9), 9, [late(2), late(3, next_at=None)])])
    assert state.queue(hook, [late(each, replay="r") for each in (1, 2, 3)]) == 2
    assert state.queue(hook, [late(each, replay="r") for each in (1, 3, 4)]) == 1
    assert state.queued(hook, "r") == 3
    assert state.standing(hook)[2:5] == (9, 1, 1)
    assert state.due(hook, NOW, limit=10, in_order=False).waiting == 4
    with pytest.raises(NotFound):
        state.queue(DestinationId("nobody"), [late(1)])


def test_dead_letters_are_chosen_by_what_they_are(kept: tuple[DeliveryState, Begin]) -> None:
    state, begin = kept
    hook = begin("hook", 0)
    rows = [late(number, "ab"[number % 2], next_at=None) for number in range(1, 7)]
    state.settle([Checkpoint(hook, undelivered=rows)])
    assert state.redrive(hook, ReplaySelection(since=NOW + 1), NOW) == 0
    assert state.redrive(hook, ReplaySelection(until=NOW), NOW) == 0
    assert state.redrive(hook, ReplaySelection(names=["Other"]), NOW) == 0
    assert state.redrive(hook, ReplaySelection(users=["a"], names=["Vote"], since=NOW, until=NOW + 1), NOW) == 3
    assert state.redrive(hook, ReplaySelection(), NOW) == 3
