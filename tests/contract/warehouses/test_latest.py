"""`users` and `accounts`: one row each, the latest values, in whatever order they are loaded."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tifo.warehouses.ports import Load, Warehouse

Loading = Callable[..., Load]


def identify(second: int, user_id: str = "fan-1", /, **traits: Any) -> dict[str, Any]:
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
    for number, (second, age) in enumerate([(5, 30), (6, ...), (2, "thirty"), (1, 2.5)]):
        traits = {} if age is ... else {"age": age}
        warehouse.load([load_calls(number, (f"m{number}", identify(second, **traits)))])
    assert warehouse.query("SELECT age FROM one.users") == [{"age": "30"}]


def test_a_null_trait_clears_its_column_and_an_absent_one_leaves_it(warehouse: Warehouse, load_calls: Loading) -> None:
    warehouse.load(
        [load_calls(0, ("a", identify(1, club="Ajax", city="Delft")), ("b", identify(1, "fan-2", club="PSV")))]
    )
    warehouse.load([load_calls(2, ("c", identify(2, club=None)))])
    rows = "SELECT id, club, city FROM one.users ORDER BY id"
    untouched = {"id": "fan-2", "club": "PSV", "city": None}
    assert warehouse.query(rows) == [{"id": "fan-1", "club": None, "city": "Delft"}, untouched]
    warehouse.load([load_calls(3, ("d", identify(3, club="Feyenoord")))])
    assert warehouse.query(rows) == [{"id": "fan-1", "club": "Feyenoord", "city": "Delft"}, untouched]
    warehouse.load([load_calls(4, ("e", identify(4, club=None, city=None)), ("f", identify(5, city="Gouda")))])
    assert warehouse.query(rows) == [{"id": "fan-1", "club": None, "city": "Gouda"}, untouched]


def test_a_null_that_is_older_than_the_value_clears_nothing(warehouse: Warehouse, load_calls: Loading) -> None:
    warehouse.load([load_calls(0, ("a", identify(5, club="new", city="Delft")))])
    warehouse.load([load_calls(1, ("b", identify(1, club=None)), ("c", identify(6, city=None)))])
    assert warehouse.query("SELECT club, city FROM one.users") == [{"club": "new", "city": None}]
    warehouse.load([load_calls(3, ("d", identify(4, club="old", city="Gouda")))])
    assert warehouse.query("SELECT club, city FROM one.users") == [{"club": "new", "city": None}]


def test_a_null_makes_no_column(warehouse: Warehouse, load_calls: Loading) -> None:
    warehouse.load([load_calls(0, ("a", identify(1, club=None, address=None)))])
    warehouse.load([load_calls(1, ("b", identify(2, club=None, city="Delft")))])
    assert not {"club", "address"} & {*warehouse.columns("one")["users"], *warehouse.columns("one")["identifies"]}
    warehouse.load([load_calls(2, ("c", identify(1, club="late")))])
    assert warehouse.query("SELECT club, city FROM one.users") == [{"club": None, "city": "Delft"}]


def test_a_null_object_clears_what_was_flattened_from_it_and_nothing_else(
    warehouse: Warehouse, load_calls: Loading
) -> None:
    home = {"city": "Delft", "geo": {"lat": 52.0}}
    flat = {"address_book": "yes", "email_verified": True}
    warehouse.load([load_calls(0, ("a", identify(1, address=home, email=None, **flat)))])
    warehouse.load([load_calls(1, ("b", identify(2, address=None, email=None)))])
    columns = "SELECT address_city, address_geo_lat, address_book, email_verified FROM one.users"
    cleared = {"address_city": None, "address_geo_lat": None, "address_book": "yes", "email_verified": True}
    assert warehouse.query(columns) == [cleared]
    again = (
        ("c", identify(3, address=home)),
        ("d", identify(4, address=None)),
        ("e", identify(5, address={"city": "Ede"})),
    )
    warehouse.load([load_calls(2, *again)])
    assert warehouse.query(columns) == [{**cleared, "address_city": "Ede"}]
    warehouse.load([load_calls(5, ("f", identify(6, address={"city": None})), ("g", identify(2, address=home)))])
    assert warehouse.query(columns) == [cleared]


def test_a_null_trait_clears_the_column_of_accounts(warehouse: Warehouse, load_calls: Loading) -> None:
    for number, plan in enumerate(("pro", None)):
        call = {"type": "group", "groupId": "g1", "traits": {"plan": plan, "name": "north"}}
        warehouse.load([load_calls(number, (f"m{number}", call))])
    assert warehouse.query("SELECT id, plan, name FROM one.accounts") == [{"id": "g1", "plan": None, "name": "north"}]


def test_a_null_trait_is_cleared_again_when_its_source_is_loaded_anew(
    warehouse: Warehouse, load_calls: Loading
) -> None:
    calls = ("a", identify(1, club="Ajax")), ("b", identify(2, club=None)), ("c", identify(3, city="Delft"))
    warehouse.load([load_calls(0, *calls)])
    warehouse.rewind("one", None)
    warehouse.load([load_calls(0, *calls[1:])])
    warehouse.load([load_calls(2, calls[0])])
    assert warehouse.query("SELECT club, city FROM one.users") == [{"club": None, "city": "Delft"}]


def test_a_long_or_odd_trait_is_cleared_too(warehouse: Warehouse, load_calls: Loading) -> None:
    traits = {"x" * 100: 1, "любимый клуб": "Зенит", "order": 2, "user_id": "own", "a.b": 3}
    warehouse.load([load_calls(0, ("a", identify(1, **traits)))])
    warehouse.load([load_calls(1, ("b\0", identify(2, **dict.fromkeys(traits))))])
    (row,) = warehouse.query("SELECT * FROM one.users")
    standard = {"id", "received_at", "uuid_ts"}
    assert [name for name, value in row.items() if value is not None and name not in standard] == []


def test_a_null_for_each_of_many_columns_clears_them(warehouse: Warehouse, load_calls: Loading, kind: str) -> None:
    # PostgreSQL limits a query's expressions and a table's columns; DuckDB takes a minute for so many.
    many = {f"t{number}": number for number in range(950 if kind == "postgres" else 40)}
    warehouse.load([load_calls(0, ("a", identify(1, **many)))])
    warehouse.load([load_calls(1, ("b", identify(3, **dict.fromkeys(many))), ("c", identify(2, **many)))])
    warehouse.load([load_calls(3, ("d", identify(1, t7=8)))])
    (row,) = warehouse.query("SELECT * FROM one.users")
    assert {name for name in many if row[name] is not None} == set()


_LEAVES = st.integers(0, 9) | st.just("text") | st.none()
_NESTED = st.none() | st.fixed_dictionaries({}, optional={"in": _LEAVES, "out": _LEAVES})
_VALUES = st.fixed_dictionaries({}, optional={"a": _LEAVES, "b": _LEAVES, "c": _LEAVES, "d": _NESTED})
_MESSAGES = st.lists(st.tuples(st.sampled_from(["fan-1", "fan-2"]), _VALUES), min_size=2, max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=_MESSAGES, data=st.data())
def test_users_are_the_same_in_whatever_order_they_come(
    fresh_warehouse: Callable[[], Warehouse], load_calls: Loading, messages: list[tuple[str, Any]], data: st.DataObject
) -> None:
    numbers = data.draw(st.permutations(range(len(messages))))
    at_once = data.draw(st.integers(1, 3))
    expected: dict[str, dict[str, str]] = {}
    for user_id, traits in messages:
        user = expected.setdefault(user_id, {})
        nested = traits.get("d", {})
        if nested is None:
            user = {name: value for name, value in user.items() if not name.startswith("d_")}
        sent = {**traits, **{f"d_{name}": value for name, value in (nested or {}).items()}}
        sent.pop("d", None)
        user |= {name: str(value) for name, value in sent.items()}
        expected[user_id] = {name: value for name, value in user.items() if value != "None"}
    warehouse = fresh_warehouse()
    for start in range(0, len(numbers), at_once):
        batch = [(f"m{n}", identify(n, messages[n][0], **messages[n][1])) for n in numbers[start : start + at_once]]
        warehouse.load([load_calls(start, *batch)])
    names = ("a", "b", "c", "d_in", "d_out")
    found = {
        row["id"]: {name: str(row[name]) for name in names if row.get(name) is not None}
        for row in warehouse.query("SELECT * FROM one.users")
    }
    assert found == expected
