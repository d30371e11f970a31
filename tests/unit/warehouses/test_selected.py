import json
from typing import Any

import pytest

from tifo.warehouses.messages import convert
from tifo.warehouses.selected import admitted, selected

OFF = {("goal", "minute"), ("identifies", "plan")}


class Taken:
    def __init__(self, *tables_off: str) -> None:
        self._tables_off = tables_off

    def takes_table(self, table: str) -> bool:
        return table not in self._tables_off

    def takes_column(self, table: str, column: str) -> bool:
        return table not in self._tables_off and (table, column) not in OFF


def lines(*messages: dict[str, Any]) -> bytes:
    common = {"userId": "ada", "receivedAt": "2026-11-24T10:00:00.000Z"}
    numbered = ({"messageId": f"m{number}", **common, **message} for number, message in enumerate(messages))
    return b"".join(json.dumps(message).encode() + b"\n" for message in numbered)


def goal(**more: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Goal", "properties": {"minute": 12, "by": "Ada"}, **more}


@pytest.mark.parametrize(
    ("integrations", "goes_in"),
    [
        ({}, True),
        (None, True),
        ({"All": False}, True),
        ({"Warehouses": True}, True),
        ({"Warehouses": {}}, True),
        ({"Warehouses": {"all": True}}, True),
        ({"Warehouses": {"warehouseIds": ["duckdb", "other"]}}, True),
        ({"Warehouses": {"warehouseIds": ["other"]}}, False),
        ({"Warehouses": {"warehouseIds": []}}, False),
        ({"Warehouses": {"all": False}}, False),
        ({"All": True, "Warehouses": False}, False),
    ],
)
def test_a_messages_integrations_say_which_warehouses_it_goes_into(integrations: Any, goes_in: bool) -> None:
    mentions = goal(properties={"Warehouses": {"all": False}})
    kept, withheld = admitted(lines(goal(integrations=integrations), mentions, goal()), ["duckdb"])
    ids = [json.loads(line)["messageId"] for line in kept.splitlines()]
    assert (ids, withheld) == ((["m0"] if goes_in else []) + ["m1", "m2"], 0 if goes_in else 1)


def test_what_is_no_canonical_message_is_left_to_the_conversion() -> None:
    broken = b'{"Warehouses": \n'
    assert admitted(broken, ["duckdb"]) == (broken, 0)


def test_columns_and_tables_that_are_turned_off_stay_out_and_are_counted() -> None:
    converted = convert(lines(goal(), goal(properties={"by": "Bo"}), {"type": "page", "name": "Home"}))
    (tables, _), left_out = selected(converted, Taken("pages"))
    assert tables.keys() == {"tracks", "goal"}
    assert "minute" not in tables["goal"].types
    assert tables["goal"].rows.column_names == list(tables["goal"].types)
    assert tables["goal"].rows["by"].to_pylist() == ["Ada", "Bo"]
    assert left_out == {"column goal.minute is turned off": 1, "table pages is turned off": 1}


def test_users_hold_nothing_that_identifies_do_not() -> None:
    converted = convert(lines({"type": "identify", "traits": {"plan": "gold", "age": 3}}))
    (tables, _), left_out = selected(converted, Taken())
    assert "plan" not in tables["users"].types
    assert "age" in tables["users"].types
    assert left_out == {"column identifies.plan is turned off": 1, "column users.plan is turned off": 1}
    (tables, _), left_out = selected(converted, Taken("identifies"))
    assert tables == {}
    assert left_out == {"table identifies is turned off": 1, "table users is turned off": 1}


def test_discards_of_what_is_turned_off_stay_out_too() -> None:
    late = {"type": "track", "event": "Goal", "timestamp": "9999-99-99T00:00:00Z"}
    converted = convert(lines(late))
    assert {each.table for each in converted.discards} == {"tracks"}
    assert selected(converted, Taken("tracks")).converted.discards == []
    assert len(selected(converted, Taken()).converted.discards) == 1


def test_a_null_clears_no_column_that_is_turned_off() -> None:
    converted = convert(lines({"type": "identify", "traits": {"plan": None, "age": None}}))
    latest = selected(converted, Taken()).converted.tables["users"].latest
    assert latest is not None
    assert latest.nulls is not None
    assert latest.nulls.cleared.keys() == {"age"}
    assert latest.nulls.by_message == {"m0": ["age"]}
