"""Who gets which name, and when."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tifo.warehouses.budgets import MAX_CONTEXT, UNRATIONED, Allowance, Budget, Budgets, share_of
from tifo.warehouses.names import CONTEXT, ColumnWish, TableWish, Wishes
from tifo.warehouses.naming import property_name, short_name
from tifo.warehouses.settling import SourceNames

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
name_of = property_name(("id",), "property")


def key(name: str, *, count: int = 1, is_planned: bool = False, table: str = "goal") -> ColumnWish:
    wanted = name_of((name,))
    return ColumnWish(table=table, path=(name,), wanted=wanted, count=count, is_planned=is_planned)


def event(name: str, *, count: int = 1, is_planned: bool = False, is_there: bool = False) -> TableWish:
    return TableWish(
        table=name,
        events=(name,),
        ids=tuple(f"{name}{number}" for number in range(min(3, count))),
        count=count,
        first_at=NOW,
        is_planned=is_planned,
        is_there=is_there,
    )


def tables(names: SourceNames, *wishes: TableWish, budgets: Budgets | None = None, **fields: Any) -> list[str]:
    made = names.settle(Wishes(tables=wishes, **fields), budgets or Budgets(), NOW)
    names.allowances.update(made.allowances)
    return [table.name for table in made.tables.values() if table.made_at is not None]


def columns(names: SourceNames, *wishes: ColumnWish, budgets: Budgets | None = None, **fields: Any) -> list[str]:
    made = names.settle(Wishes(columns=wishes, **fields), budgets or Budgets(), NOW)
    names.allowances.update(made.allowances)
    return [column.name for column in made.columns]


@given(st.lists(st.lists(st.text(max_size=6) | st.sampled_from(["a", "A", "a_2", "a 2", "id", "property_id"]))))
def test_no_two_keys_share_a_column_and_none_ever_changes(loads: list[list[str]]) -> None:
    names = SourceNames()
    before: dict[tuple[str, ...], str] = {}
    for load in loads:
        columns(names, *map(key, dict.fromkeys(load)), budgets=UNRATIONED)
        now = names.columns.get("goal", {})
        assert before.items() <= now.items()
        assert len({short_name(name) for name in now.values()}) == len(now)
        before = dict(now)


def test_a_flood_of_event_names_leaves_room_for_the_next_one() -> None:
    names = SourceNames()
    assert len(tables(names, *(event(f"junk_{n}") for n in range(1_100)))) == 50
    assert tables(names, event("order_completed")) == ["order_completed"]


def test_a_flood_in_which_each_name_comes_often_leaves_room_too() -> None:
    names = SourceNames()
    flood = [event(f"junk_{number}", count=9) for number in range(200)]
    made = tables(names, *flood, event("order_completed", count=10))
    assert (len(made), made[0]) == (90, "order_completed"), "the most frequent comes first"
    assert tables(names, event("signed_up")) == ["signed_up"]


def test_a_small_source_gets_every_table_at_once() -> None:
    assert len(tables(SourceNames(), *(event(f"event_{n}") for n in range(50)))) == 50


def test_a_planned_event_has_its_table_whatever_is_used_up() -> None:
    names = SourceNames(allowances={"": Allowance(0, NOW)}, table_count=1_000)
    assert tables(names, event("junk"), event("order_completed", is_planned=True)) == ["order_completed"]


def test_tables_that_the_warehouse_has_cost_nothing_and_count() -> None:
    names = SourceNames(allowances={"": Allowance(0, NOW)})
    old = [event(f"old_{n}", is_there=True) for n in range(900)]
    assert len(tables(names, *old, event_tables=900)) == 900
    names.allowances.clear()
    assert len(tables(names, *(event(f"new_{n}", count=3) for n in range(200)), max_tables=910)) == 10


def test_where_all_tables_are_there_nothing_waits() -> None:
    names = SourceNames(table_count=5)
    wishes = Wishes(tables=[event("late")], max_tables=5)
    made = names.settle(wishes, Budgets(), NOW)
    assert made.tables == {}
    assert names.answer(wishes, made).tables == {}


def test_the_keys_that_most_messages_have_come_first() -> None:
    budgets = Budgets(columns=Budget(burst=2, per_hour=1, share=1, limit=9))
    wishes = [key("rare"), key("frequent", count=5), key("often", count=3)]
    assert columns(SourceNames(), *wishes, budgets=budgets) == ["frequent", "often"]


def test_planned_keys_and_stored_columns_cost_nothing() -> None:
    names = SourceNames(allowances={"goal": Allowance(0, NOW)})
    wishes = [key("junk"), key("planned", is_planned=True), key("Old Name"), key("oldName"), key("old name!")]
    given_names = columns(names, *wishes, existing={"goal": ["old_name", "old_name_2"]})
    assert given_names == ["planned", "old_name", "old_name_2"], "a third key would be a new column"


def test_a_table_whose_budget_is_used_up_says_when_to_ask_again() -> None:
    budgets = Budgets(columns=Budget(burst=1, per_hour=2, share=1, limit=9))
    names = SourceNames()
    made = names.settle(Wishes(columns=[key("a"), key("b")]), budgets, NOW)
    assert made.again_at == {"goal": NOW + timedelta(minutes=30)}
    assert made.allowances == {"goal": Allowance(0, NOW)}


def test_keys_of_an_event_without_a_table_cost_nothing() -> None:
    names = SourceNames(allowances={"": Allowance(0, NOW)})
    made = names.settle(Wishes(tables=[event("junk")], columns=[key("a", table="junk")]), Budgets(), NOW)
    assert (made.columns, made.allowances) == ([], {})
    assert made.tables["junk"].made_at is None


def test_context_has_a_limit_of_its_own() -> None:
    names = SourceNames()
    many = [key(f"c{n}", table=CONTEXT) for n in range(MAX_CONTEXT + 1)]
    assert len(columns(names, *many, budgets=UNRATIONED)) == MAX_CONTEXT


def test_a_budget_comes_back_by_the_hour_up_to_its_burst() -> None:
    budget = Budget(burst=10, per_hour=4, share=0.5, limit=99)
    assert [budget.left(Allowance(2, NOW), NOW + timedelta(hours=hours)) for hours in (-1, 0, 1, 9)] == [2, 2, 6, 10]
    assert budget.left(None, NOW) == 10


def test_a_load_gets_at_least_one_whole_name() -> None:
    shares = [share_of(left, 0.5) for left in (0.9, 1, 1.5, 2, 7)]
    assert shares == [0, 1, 1, 1, 3]
