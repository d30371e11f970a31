"""A row that is too wide for the product lands all the same; the values for which it has no room are in `_discards`."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.postgres import PostgresServer
from tifo.warehouses.drivers.postgres import PostgresWarehouse
from tifo.warehouses.drivers.postgres_rows import COMPRESSED_BYTES, MAX_ROW_BYTES, POINTER_BYTES
from tifo.warehouses.ports import Load, Loaded, Warehouse

Loading = Callable[..., Load]
_STANDARD_BYTES = 400
"""More than the standard columns and the header take."""
_TIME = "2026-11-24T10:00:00Z"


def identify(second: int, user_id: str = "ada", /, **traits: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": user_id, "traits": traits, "receivedAt": f"2026-11-24T10:00:{second:02}.000Z"}


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture
def server(address: str) -> PostgresWarehouse:
    return PostgresWarehouse(address)


def held(warehouse: Warehouse, table: str, row_id: str, names: Mapping[str, Any]) -> dict[str, Any]:
    (row,) = [row for row in warehouse.query(f"SELECT * FROM one.{table}") if row["id"] == row_id]
    return {name: row.get(name) for name in names if row.get(name) is not None}


def discarded(warehouse: Warehouse, table: str) -> Counter[str]:
    if "_discards" not in warehouse.tables("one"):
        return Counter()
    rows = warehouse.query(f"SELECT column_name FROM one._discards WHERE table_name = '{table}'")
    return Counter(str(row["column_name"]) for row in rows)


@pytest.mark.parametrize("value", [1.5, _TIME, "x" * 10, "y" * 20, "z" * 200])
def test_an_event_with_many_properties_lands_everywhere(warehouse: Warehouse, load: Loading, value: Any) -> None:
    wide = {f"p{number}": value for number in range(980)}
    (loaded,) = warehouse.load([load(0, ("before", {"p1": value}), ("wide", wide), ("after", {"p979": value}))])
    assert loaded.rows == {"tracks": 3, "goal": 3}
    landed, lost = held(warehouse, "goal", "wide", wide), discarded(warehouse, "goal")
    assert landed.keys() | lost.keys() == wide.keys()
    assert not landed.keys() & lost.keys()
    assert held(warehouse, "goal", "after", wide).keys() == {"p979"}
    assert loaded.discarded == lost.total()
    if isinstance(warehouse, PostgresWarehouse) and isinstance(value, str) and value != _TIME:
        in_row = min(len(value) + 1, COMPRESSED_BYTES)
        # The row is filled, and by the earlier of columns that are of one width.
        assert (MAX_ROW_BYTES - _STANDARD_BYTES) // in_row <= len(landed) <= MAX_ROW_BYTES // min(in_row, POINTER_BYTES)
        assert list(landed) == list(wide)[: len(landed)]
        assert any(f"{lost.total():,} values of goal" in notice for notice in loaded.notices)
    else:
        assert not lost


_LEAVES = st.sampled_from([True, 1, 2.5, _TIME, "", "s" * 20, "s" * 24, "t" * 200])


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_rows_of_any_mixture_land_and_what_has_no_room_is_discarded(
    postgres: PostgresServer, load: Loading, data: st.DataObject
) -> None:
    server = PostgresWarehouse(postgres.new_database())
    kinds = data.draw(st.lists(_LEAVES, min_size=1, max_size=5))
    sizes = data.draw(st.lists(st.integers(300, 990), min_size=1, max_size=3))
    sent = {f"m{n}": {f"p{i}": kinds[(i * 7 + n) % len(kinds)] for i in range(size)} for n, size in enumerate(sizes)}
    (loaded,) = server.load([load(0, *sent.items())])
    assert loaded.rows == {"tracks": len(sent), "goal": len(sent)}
    landed = sum(len(held(server, "goal", row_id, properties)) for row_id, properties in sent.items())
    assert landed + discarded(server, "goal").total() == sum(map(len, sent.values()))


def test_a_context_that_has_no_room_leaves_the_event_in_tracks(server: PostgresWarehouse, load_calls: Loading) -> None:
    device = {f"c{number}": f"{number:022}" for number in range(399)}
    call = {"type": "track", "event": "Goal", "properties": {}, "context": {"device": device}}
    (loaded,) = server.load([load_calls(0, ("a", call))])
    assert loaded.rows == {"tracks": 1, "goal": 1}
    (row,) = server.query("SELECT id, user_id, event_text, received_at FROM one.tracks")
    assert row == {"id": "a", "user_id": "fan-1", "event_text": "Goal", "received_at": "2026-11-24T10:00:00.000Z"}
    columns = {f"context_device_{name}" for name in device}
    lost = discarded(server, "tracks")
    assert lost.keys() | held(server, "tracks", "a", dict.fromkeys(columns)).keys() == columns
    assert lost


def test_users_whose_traits_add_up_to_too_wide_a_row_keep_what_has_room(
    server: PostgresWarehouse, load_calls: Loading
) -> None:
    first, second, third = ({f"{letter}{n}": f"{letter}{n:012}" for n in range(450)} for letter in "abc")
    server.load([load_calls(0, ("m0", identify(5, **first)))])
    (loaded,) = server.load([load_calls(1, ("m1", identify(6, **second)))])
    assert loaded.rows == {"identifies": 1, "users": 1}
    users = held(server, "users", "ada", first | second)
    assert first.keys() < users.keys()
    assert loaded.discarded > 0
    assert users.keys() | discarded(server, "users").keys() == {*first, *second}
    (late,) = server.load([load_calls(2, ("m2", identify(1, **third)))])
    assert late.rows == {"identifies": 1, "users": 1}
    assert server.query("SELECT count(*) AS n FROM one.identifies") == [{"n": 3}]


def test_an_older_identify_that_makes_the_user_too_wide_lands(server: PostgresWarehouse, load_calls: Loading) -> None:
    first, second = ({f"{letter}{n}": f"{letter}{n:012}" for n in range(450)} for letter in "ab")
    server.load([load_calls(0, ("m0", identify(5, "bob", **second)), ("m1", identify(5, **first)))])
    (loaded,) = server.load([load_calls(2, ("m2", identify(1, **second)))])
    assert loaded.rows == {"identifies": 1, "users": 1}
    assert held(server, "users", "ada", first) == first
    assert 0 < len(held(server, "users", "ada", second)) < len(second)
    assert any("users." in notice for notice in loaded.notices)
    assert held(server, "identifies", "m2", second) == second


def test_a_user_id_that_is_too_long_for_a_key_costs_the_row_of_users_alone(
    warehouse: Warehouse, load_calls: Loading
) -> None:
    long = random.Random(7).randbytes(5_000).hex()
    calls = ("a", identify(1, long, club="Ajax", city=None)), ("b", identify(2, "bob", club=None, city="Ede"))
    (loaded,) = warehouse.load([load_calls(0, *calls)])
    assert warehouse.query("SELECT id, user_id = 'bob' AS is_bob, club FROM one.identifies ORDER BY id") == [
        {"id": "a", "is_bob": False, "club": "Ajax"},
        {"id": "b", "is_bob": True, "club": None},
    ]
    assert {"id": "bob", "city": "Ede"} in warehouse.query("SELECT id, city FROM one.users")
    if isinstance(warehouse, PostgresWarehouse):
        assert discarded(warehouse, "users") == {"id": 1}
        assert loaded.discarded == 1


def test_columns_that_somebody_dropped_count_and_the_load_goes_on(
    server: PostgresWarehouse, postgres: PostgresServer, address: str, load: Loading
) -> None:
    server.load([load(0, ("a", {"x": 1}))])
    adds = ", ".join(f"ADD COLUMN z{n} int" for n in range(1_580))
    drops = ", ".join(f"DROP COLUMN z{n}" for n in range(1_580))
    postgres.run(f"ALTER TABLE one.goal {adds}; ALTER TABLE one.goal {drops}", address)
    (loaded,) = server.load([load(1, ("b", {f"n{n}": n for n in range(20)}))])
    assert loaded.rows == {"tracks": 1, "goal": 1}
    assert loaded.discarded > 0


def test_a_column_that_would_widen_beyond_the_row_stays(server: PostgresWarehouse, load: Loading) -> None:
    full = {f"p{number}": -(2**62) - number for number in range(900)}
    server.load([load(0, ("a", full))])
    (loaded,) = server.load([load(1, ("b", dict.fromkeys(full, "a text that does not convert") | {"new": 1}))])
    assert loaded.rows == {"tracks": 1, "goal": 1}
    assert held(server, "goal", "a", full) == full
    assert held(server, "goal", "b", {"new": 1}) == {"new": 1}
    assert discarded(server, "goal").keys() == full.keys()


def test_a_load_without_wide_rows_says_nothing_of_them(warehouse: Warehouse, load: Loading) -> None:
    loaded: Loaded
    (loaded,) = warehouse.load([load(0, ("a", {"x": 1}))])
    assert (loaded.discarded, list(loaded.notices)) == (0, ["table tracks made", "table goal made"])
