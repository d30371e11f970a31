"""`users` and `accounts`: one row each, the latest values, in whatever order they are loaded."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tifo.warehouses.ports import Load, Warehouse

Loading = Callable[..., Load]


def identify(second: int, user_id: str = "fan-1", **traits: Any) -> dict[str, Any]:
    at = f"2026-11-24T10:00:{second:02}.000Z"
    return {"type": "identify", "userId": user_id, "traits": traits, "receivedAt": at}


def test_a_user_is_one_row_with_the_latest_traits(warehouse: Warehouse, load_calls: Loading) -> None:
    first = load_calls(0, ("a", identify(1, club="Ajax", city="Delft")), ("b", identify(1, "fan-2", club="PSV")))
    assert warehouse.load([first])[0].rows == {"identifies": 2, "users": 2}
    (loaded,) = warehouse.load([load_calls(2, ("c", identify(2, club="Feyenoord", age=30)))])
    assert loaded.rows == {"identifies": 1, "users": 1}
    rows = warehouse.query("SELECT id, club, city, age FROM one.users ORDER BY id")
    assert rows == [
        {"id": "fan-1", "club": "Feyenoord", "city": "Delft", "age": 30},
        {"id": "fan-2", "club": "PSV", "city": None, "age": None},
    ]
    assert "anonymous_id" not in warehouse.query("SELECT * FROM one.users")[0]


def test_an_account_is_one_row(warehouse: Warehouse, load_calls: Loading) -> None:
    for number, plan in enumerate(("free", "pro")):
        call = {"type": "group", "groupId": "g1", "traits": {"plan": plan}}
        warehouse.load([load_calls(number, (f"m{number}", call))])
    assert warehouse.query("SELECT id, plan FROM one.accounts") == [{"id": "g1", "plan": "pro"}]


def test_what_is_older_does_not_replace_what_is_newer(warehouse: Warehouse, load_calls: Loading) -> None:
    warehouse.load([load_calls(0, ("a", identify(5, club="new")))])
    warehouse.load([load_calls(1, ("b", identify(1, club="old", city="Delft")))])
    assert warehouse.query("SELECT club, city FROM one.users") == [{"club": "new", "city": "Delft"}]


def test_a_traits_type_widens_with_the_users(warehouse: Warehouse, load_calls: Loading) -> None:
    for number, (second, age) in enumerate([(5, 30), (6, None), (2, "thirty"), (1, 2.5)]):
        warehouse.load([load_calls(number, (f"m{number}", identify(second, age=age)))])
    assert warehouse.query("SELECT age FROM one.users") == [{"age": "30"}]


_VALUES = st.fixed_dictionaries({}, optional={name: st.integers(0, 9) | st.just("text") for name in ("a", "b", "c")})
_MESSAGES = st.lists(st.tuples(st.sampled_from(["fan-1", "fan-2"]), _VALUES), min_size=2, max_size=6)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=_MESSAGES, data=st.data())
def test_users_are_the_same_in_whatever_order_they_come(
    fresh_warehouse: Callable[[], Warehouse], load_calls: Loading, messages: list[tuple[str, Any]], data: st.DataObject
) -> None:
    numbers = data.draw(st.permutations(range(len(messages))))
    at_once = data.draw(st.integers(1, 3))
    expected: dict[str, dict[str, str | None]] = {}
    for user_id, traits in messages:
        expected.setdefault(user_id, {}).update({name: str(value) for name, value in traits.items()})
    warehouse = fresh_warehouse()
    for start in range(0, len(numbers), at_once):
        batch = [(f"m{n}", identify(n, messages[n][0], **messages[n][1])) for n in numbers[start : start + at_once]]
        warehouse.load([load_calls(start, *batch)])
    found = {
        row["id"]: {name: str(row[name]) for name in "abc" if row.get(name) is not None}
        for row in warehouse.query("SELECT * FROM one.users")
    }
    assert found == expected
