from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.shards import SHARD
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import Position
from tifo.warehouses.ports import ColumnType, Cursor, Discard, Load, Table, Warehouse

Loading = Callable[..., Load]
Ids = Callable[[Warehouse, str], Sequence[Any]]


def test_a_new_warehouse_knows_no_position_and_no_table(warehouse: Warehouse) -> None:
    assert warehouse.positions(SHARD) == {}
    assert warehouse.tables("one") == {}


def test_rows_and_position_are_there_after_a_load(warehouse: Warehouse, load: Loading, ids: Ids) -> None:
    (loaded,) = warehouse.load([load(0, ("a", {"x": 1}), ("b", {}))])
    assert loaded.rows == {"tracks": 2, "goal": 2}
    assert warehouse.positions(SHARD) == {"one": Cursor("one", Position(2))}
    assert warehouse.tables("one") == {"tracks": 2, "goal": 2}
    assert ids(warehouse, "one.goal") == ["a", "b"]


def test_the_same_load_again_is_a_conflict_and_changes_nothing(warehouse: Warehouse, load: Loading) -> None:
    once = load(0, ("a", {"x": 1}), discards=[Discard("goal", "y", "?", "why", "a", None)])
    warehouse.load([once])
    with pytest.raises(Conflict):
        warehouse.load([once])
    assert warehouse.tables("one") == {"tracks": 1, "goal": 1, "_discards": 1}


def test_a_row_that_is_there_already_is_not_inserted_again(warehouse: Warehouse, load: Loading, ids: Ids) -> None:
    warehouse.load([load(0, ("a", {"x": 1}), ("b", {"x": 2}))])
    (loaded,) = warehouse.load([load(2, ("b", {"x": 3}), ("c", {"x": 4}), ("c", {"x": 5}))])
    assert loaded.rows == {"tracks": 1, "goal": 1}
    assert loaded.duplicates == 4
    assert ids(warehouse, "one.goal") == ["a", "b", "c"]
    assert [row["x"] for row in warehouse.query("SELECT x FROM one.goal ORDER BY id")] == [1, 2, 4]


def test_a_load_of_nothing_but_known_rows_moves_the_position(warehouse: Warehouse, load: Loading) -> None:
    warehouse.load([load(0, ("a", {"x": 1}))])
    warehouse.load([load(1, ("a", {"x": "other", "new": 1}))])
    assert warehouse.positions(SHARD)["one"].position == 2
    assert set(warehouse.query("SELECT * FROM one.goal")[0]) >= {"x"}
    assert "new" not in warehouse.query("SELECT * FROM one.goal")[0]


def test_an_empty_load_only_moves_the_position(warehouse: Warehouse, load: Loading) -> None:
    warehouse.load([load(0, position=Position(9))])
    assert warehouse.positions(SHARD) == {"one": Cursor("one", Position(9))}
    assert warehouse.tables("one") == {}


def test_several_loads_commit_together_or_not_at_all(warehouse: Warehouse, load: Loading) -> None:
    warehouse.load([load(0, ("a", {}))])
    good, stale = load(0, ("b", {}), connection="two"), load(0, ("c", {}))
    with pytest.raises(Conflict):
        warehouse.load([good, stale])
    assert warehouse.positions(SHARD) == {"one": Cursor("one", Position(1))}
    assert warehouse.tables("two") == {}
    warehouse.load([good, replace(stale, after=Position(1), position=Position(2))])
    assert warehouse.tables("two") == {"tracks": 1, "goal": 1}


def test_a_value_that_breaks_a_load_leaves_nothing_of_it(warehouse: Warehouse, load: Loading) -> None:
    good = load(0, ("a", {"at": "2026-11-24T10:00:00Z"}))
    rows = good.tables["goal"].rows
    lying = rows.set_column(rows.column_names.index("at"), "at", [["no time at all"]])
    with pytest.raises(Rejected):
        warehouse.load([replace(good, tables={**good.tables, "goal": Table(good.tables["goal"].types, lying)})])
    assert warehouse.positions(SHARD) == {}
    assert warehouse.tables("one") == {}


def test_a_new_property_becomes_a_column_and_older_rows_are_null(warehouse: Warehouse, load: Loading) -> None:
    warehouse.load([load(0, ("a", {"x": 1}))])
    (loaded,) = warehouse.load([load(1, ("b", {"y": True, "_order": "o"}))])
    assert any("goal.y" in notice for notice in loaded.notices)
    rows = warehouse.query("SELECT x, y, _order FROM one.goal ORDER BY id")
    assert rows == [{"x": 1, "y": None, "_order": None}, {"x": None, "y": True, "_order": "o"}]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (1, 2.5, [1.0, 2.5]),
        (2**53 + 1, 2.5, ["9007199254740993", "2.5"]),
        (2.5, 2**53 + 1, ["2.5", "9007199254740993"]),
        (2.5, 2, [2.5, 2.0]),
        (-(2**63), 2**63, ["-9223372036854775808", "9223372036854775808"]),
        (True, "x", ["true", "x"]),
        ("2026-11-24T10:00:00.5Z", "soon", ["2026-11-24T10:00:00.500Z", "soon"]),
        ("soon", "2026-11-24T10:00:00.5Z", ["soon", "2026-11-24T10:00:00.5Z"]),
        ("x", 1, ["x", "1"]),
        (0.1, "x", ["0.1", "x"]),
    ],
)
def test_a_column_widens_and_keeps_every_value(
    warehouse: Warehouse, load: Loading, first: Any, second: Any, expected: list[Any]
) -> None:
    warehouse.load([load(0, ("a", {"x": first}))])
    warehouse.load([load(1, ("b", {"x": second}))])
    assert [row["x"] for row in warehouse.query("SELECT x FROM one.goal ORDER BY id")] == expected


def test_each_type_is_a_type_of_the_warehouse(warehouse: Warehouse, load: Loading) -> None:
    values = {"t": "2026-11-24T10:00:00.123Z", "i": 7, "f": 0.5, "b": False, "s": "é'\"", "l": [1, {"a": None}]}
    made = load(0, ("a", values))
    assert {made.tables["goal"].types[name] for name in values} == set(ColumnType)
    warehouse.load([made])
    sql = "SELECT t, i + 1 AS i, f * 2 AS f, NOT b AS b, s, l FROM one.goal"
    expected = {"t": "2026-11-24T10:00:00.123Z", "i": 8, "f": 1.0, "b": True, "s": "é'\"", "l": '[1,{"a":null}]'}
    assert warehouse.query(sql) == [expected]


def test_names_in_any_script_and_with_quotes_can_be_queried(warehouse: Warehouse, load: Loading) -> None:
    warehouse.load([load(0, ("a", {"Клуб": "Спартак", '";drop': 1}), event="Покупка билета")])
    assert warehouse.query('SELECT клуб, "drop" FROM one.покупка_билета') == [{"клуб": "Спартак", "drop": 1}]


def test_discards_are_rows(warehouse: Warehouse, load: Loading) -> None:
    discard = Discard("goal", "x", "v", "too long", "m1", "2026-11-24T10:00:00.000Z")
    (loaded,) = warehouse.load([load(0, ("a", {}), discards=[discard, Discard(None, None, "{", "broken", None, None)])])
    assert loaded.discarded == 2
    columns = ("table_name", "column_name", "value", "reason", "message_id", "received_at")
    rows = warehouse.query(f"SELECT {', '.join(columns)} FROM one._discards ORDER BY table_name NULLS LAST")
    assert rows == [
        {
            "table_name": "goal",
            "column_name": "x",
            "value": "v",
            "reason": "too long",
            "message_id": "m1",
            "received_at": "2026-11-24T10:00:00.000Z",
        },
        dict.fromkeys(("table_name", "column_name"), None)
        | {"value": "{", "reason": "broken", "message_id": None, "received_at": None},
    ]


def test_each_load_is_remembered(warehouse: Warehouse, load: Loading) -> None:
    warehouse.load([load(0, ("a", {"x": 1}))])
    warehouse.load([load(1, position=Position(5))])
    warehouse.load([load(5, ("b", {"x": "?"}), ("a", {}))])
    history = warehouse.query("SELECT * FROM _tifo.loads ORDER BY position")
    assert [(row["after_position"], row["position"], row["duplicates"]) for row in history] == [(0, 1, 0), (5, 7, 2)]
    assert history[1]["rows"] == '{"tracks":1,"goal":1}'
    assert "widened from integer to varchar" in str(history[1]["notices"])


def test_wrong_sql_is_named_and_nothing_can_be_changed(warehouse: Warehouse, load: Loading) -> None:
    warehouse.load([load(0, ("a", {}))])
    for sql in (
        "SELEC 1",
        "SELECT * FROM one.nothing",
        "DROP TABLE one.tracks",
        "INSERT INTO one.tracks (id) VALUES (1)",
    ):
        with pytest.raises(Rejected) as raised:
            warehouse.query(sql)
        assert raised.value.message
    assert warehouse.tables("one") == {"tracks": 1, "goal": 1}


def test_someone_drops_a_table_and_a_column_and_loads_go_on(
    warehouse: Warehouse, load: Loading, run_sql: Callable[[str], None]
) -> None:
    warehouse.load([load(0, ("a", {"x": 1, "y": 2}))])
    run_sql("DROP TABLE one.tracks; ALTER TABLE one.goal DROP COLUMN x")
    (loaded,) = warehouse.load([load(1, ("b", {"x": 3, "y": 4}))])
    assert warehouse.query("SELECT id, x, y FROM one.goal ORDER BY id") == [
        {"id": "a", "x": None, "y": 2},
        {"id": "b", "x": 3, "y": 4},
    ]
    assert warehouse.tables("one")["tracks"] == 1
    assert {"table tracks made", "column goal.x added as integer"} <= set(loaded.notices)


def test_the_names_of_a_schemas_tables_are_known(warehouse: Warehouse, load: Loading) -> None:
    assert warehouse.table_names("one") == frozenset()
    warehouse.load([load(0, ("a", {}))])
    assert warehouse.table_names("one") == {"tracks", "goal"}


def test_a_text_with_a_null_character_is_kept_exactly(warehouse: Warehouse, load: Loading) -> None:
    warehouse.load([load(0, ("a", {"s": "é\0'"}), ("b", {"s": "plain"}))])
    rows = warehouse.query("SELECT s FROM one.goal ORDER BY id")
    assert rows[1] == {"s": "plain"}
    if "_discards" in warehouse.tables("one"):
        (kept,) = warehouse.query("SELECT column_name, value, message_id FROM one._discards")
        assert kept == {"column_name": "s", "value": '"é\\u0000\'"', "message_id": "a"}
    else:
        assert rows[0] == {"s": "é\0'"}


def test_a_connection_is_loaded_anew_and_what_the_log_no_longer_holds_stays(
    warehouse: Warehouse, load: Loading, load_calls: Loading, ids: Ids
) -> None:
    with pytest.raises(NotFound):
        warehouse.rewind("one", None)
    new = {"type": "identify", "traits": {"club": "PSV"}, "receivedAt": "2026-11-24T11:00:00.000Z"}
    warehouse.load([load(0, ("old", {}), discards=[Discard("goal", "x", "v", "why", "m", "2026-11-24T11:00:00Z")])])
    warehouse.load([load_calls(1, ("new", new), ("other", new))])
    warehouse.rewind("one", datetime(2026, 11, 24, 10, 30, tzinfo=UTC))
    assert warehouse.positions(SHARD)["one"] == Cursor("one", Position(0))
    assert warehouse.tables("one") == {"tracks": 1, "goal": 1, "identifies": 0, "users": 1, "_discards": 0}
    warehouse.load([load_calls(0, ("old", {"event": "Goal", "properties": {}}), ("new", new))])
    assert ids(warehouse, "one.identifies") == ["new"]
    assert ids(warehouse, "one.tracks") == ["old"]
    warehouse.rewind("one", None)
    assert warehouse.tables("one") == {"tracks": 0, "goal": 0, "identifies": 0, "users": 1, "_discards": 0}
