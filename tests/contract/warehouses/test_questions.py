"""What audit, event checks and traces ask of a warehouse."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tifo.warehouses.ports import Discard, EventCount, FilledCount, Load, RowCount, RowSelection, Warehouse

Loading = Callable[..., Load]
GOAL = RowSelection("one", "goal")


@pytest.fixture
def loaded(warehouse: Warehouse, load: Loading) -> Warehouse:
    goals = load(0, ("a", {"club": "PSV", "n": 1}), ("b", {"club": None, "n": 2}), ("c'", {"shirt": {"size": "L"}}))
    warehouse.load([goals, load(0, ("d", {}), connection="two", event="Own Goal")])
    warehouse.load([load(3, ("e", {}), event="Own Goal"), load(1, ("f", {}), connection="two", event="Half-time")])
    return warehouse


def test_before_the_first_load_every_answer_is_empty(warehouse: Warehouse) -> None:
    assert warehouse.columns("one") == {}
    assert warehouse.loaded_at("one", "a") == {}


def test_the_columns_of_each_table_are_named(loaded: Warehouse) -> None:
    columns = loaded.columns("one")
    assert set(columns) == {"tracks", "goal", "own_goal"}
    assert set(columns["goal"]) - set(columns["tracks"]) == {"club", "n", "shirt_size"}
    assert loaded.columns("nothing") == {}


def test_ids_that_are_stored_are_found(loaded: Warehouse) -> None:
    assert loaded.stored_ids("one", "goal", ["a", "c'", "d", "'); DROP TABLE one.goal; --"]) == {"a", "c'"}
    assert loaded.stored_ids("one", "goal", []) == set()
    many = [f"other-{n}" for n in range(2_000)]
    assert loaded.stored_ids("one", "tracks", [*many, "e"]) == {"e"}


def test_rows_and_their_different_ids_are_counted(loaded: Warehouse, run_sql: Callable[[str], None], kind: str) -> None:
    assert loaded.row_counts("one", ["tracks", "goal"]) == {"tracks": RowCount(4, 4), "goal": RowCount(3, 3)}
    assert loaded.row_counts("one", []) == {}
    if kind == "postgres":
        run_sql("ALTER TABLE one.goal DROP CONSTRAINT goal_pkey")
    run_sql("INSERT INTO one.goal (id) VALUES ('a')")
    assert loaded.row_counts("one", ["goal"]) == {"goal": RowCount(4, 3)}


def test_rows_that_have_a_value_in_a_group_of_columns_are_counted(loaded: Warehouse) -> None:
    assert loaded.filled_count(GOAL, [["club"], ["club", "shirt_size"], [], ["n"]]) == FilledCount(3, (1, 2, 0, 2))
    assert loaded.filled_count(GOAL, []) == FilledCount(3, ())


def test_a_question_can_be_about_the_rows_of_one_name(loaded: Warehouse) -> None:
    named = RowSelection("one", "goal", "event_text", "Goal")
    assert loaded.filled_count(named, [["club"]]) == FilledCount(3, (1,))
    assert loaded.filled_count(named._replace(value="Goal' OR 'a' = 'a"), [["club"]]) == FilledCount(0, (0,))
    assert loaded.ids_without(named._replace(value="goal"), ["club"], limit=5) == []


def test_ids_of_rows_without_a_value_come_in_their_order(loaded: Warehouse) -> None:
    assert loaded.ids_without(GOAL, ["club"], limit=5) == ["b", "c'"]
    assert loaded.ids_without(GOAL, ["club"], limit=1) == ["b"]
    assert loaded.ids_without(GOAL, [], limit=5) == ["a", "b", "c'"]


def test_events_that_no_plan_names_come_by_their_frequency(loaded: Warehouse, load: Loading) -> None:
    loaded.load([load(2, ("g", {}), ("h", {}), connection="two", event="Anthem")])
    planned = loaded.unplanned_events("two", ["Half-time", "It's over"], limit=9)
    assert planned == [EventCount("Anthem", 2), EventCount("Own Goal", 1)]
    assert loaded.unplanned_events("two", ["x"], limit=2) == [EventCount("Anthem", 2), EventCount("Half-time", 1)]


def test_when_a_message_was_loaded_is_known_by_table(
    warehouse: Warehouse, load: Loading, load_calls: Loading, now: datetime
) -> None:
    warehouse.load([load(0, ("a'", {}), discards=[Discard("goal", "x", "v", "why", "a'", None)])])
    found = warehouse.loaded_at("one", "a'")
    assert set(found) == {"goal", "tracks"}
    assert all(at.utcoffset() == timedelta(0) and now <= at <= datetime.now(UTC) for at in found.values())
    call: dict[str, Any] = {"type": "identify", "userId": "fan-9", "traits": {"club": "PSV"}}
    warehouse.load([load_calls(1, ("b", call))])
    assert set(warehouse.loaded_at("one", "b")) == {"identifies"}
    assert warehouse.loaded_at("one", "fan-9") == {}


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)
