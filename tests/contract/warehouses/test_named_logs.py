"""Several logs load one warehouse, each from its own position; those of earlier versions had no name."""

from collections.abc import Callable

import duckdb
import pytest

from tests.shards import SHARD
from tifo.kernel.errors import Conflict
from tifo.kernel.ids import NO_SHARD, START, Position, Shard
from tifo.warehouses.ports import Cursor, Load, Warehouse

Loading = Callable[..., Load]
OTHER = Shard("other")
_OLD = (
    "CREATE SCHEMA _tifo",
    """CREATE TABLE _tifo.positions (
    connection text PRIMARY KEY, schema_name text NOT NULL, position bigint NOT NULL, updated_at timestamptz NOT NULL
)""",
    """CREATE TABLE _tifo.loads (
    connection text NOT NULL, schema_name text NOT NULL, after_position bigint NOT NULL, position bigint NOT NULL,
    started_at timestamptz NOT NULL, finished_at timestamptz NOT NULL,
    rows json NOT NULL, duplicates bigint NOT NULL, discarded bigint NOT NULL, notices json NOT NULL
)""",
    "INSERT INTO _tifo.positions VALUES ('one', 'one', 7, now())",
    "INSERT INTO _tifo.loads VALUES ('one', 'one', 0, 7, now(), now(), '{}', 0, 0, '[]')",
)


@pytest.fixture
def run_old(kind: str, place: str, run_sql: Callable[[str], None]) -> Callable[[str], None]:
    """Runs SQL in the warehouse of an earlier version, which had no working file beside the one that people read."""
    if kind != "duckdb":
        return run_sql

    def run(sql: str) -> None:
        with duckdb.connect(place) as connection:
            connection.execute(sql)

    return run


def test_each_log_has_a_position_of_its_own(warehouse: Warehouse, load: Loading) -> None:
    warehouse.load([load(0, ("a", {}), ("b", {}))])
    warehouse.load([load(0, ("c", {}), shard=OTHER)])
    warehouse.load([load(2, ("d", {}))])
    assert warehouse.positions(SHARD) == {"one": Cursor("one", Position(3))}
    assert warehouse.positions(OTHER) == {"one": Cursor("one", Position(1))}
    assert warehouse.tables("one") == {"tracks": 4, "goal": 4}
    with pytest.raises(Conflict):
        warehouse.load([load(3, ("e", {}), shard=OTHER)])


def test_a_retry_that_came_by_another_log_is_one_row(warehouse: Warehouse, load: Loading) -> None:
    warehouse.load([load(0, ("a", {}))])
    (loaded,) = warehouse.load([load(0, ("a", {}), ("b", {}), shard=OTHER)])
    assert (loaded.rows, loaded.duplicates) == ({"tracks": 1, "goal": 1}, 2)


def test_a_connection_is_rewound_for_every_log(warehouse: Warehouse, load: Loading) -> None:
    warehouse.load([load(0, ("a", {}))])
    warehouse.load([load(0, ("b", {}), shard=OTHER)])
    warehouse.rewind("one", None)
    assert [warehouse.positions(shard)["one"].position for shard in (SHARD, OTHER)] == [START, START]
    assert warehouse.tables("one")["tracks"] == 0


def test_a_position_of_an_earlier_version_is_taken_over_by_the_log_that_goes_on_from_it(
    warehouse: Warehouse, load: Loading, run_old: Callable[[str], None]
) -> None:
    for statement in _OLD:
        run_old(statement)
    assert warehouse.positions(NO_SHARD) == {"one": Cursor("one", Position(7))}
    assert warehouse.positions(SHARD) == {}
    warehouse.load([load(7, ("a", {}))])
    assert warehouse.positions(SHARD) == {"one": Cursor("one", Position(8))}
    assert warehouse.positions(NO_SHARD) == {}
    history = warehouse.query("SELECT shard, position FROM _tifo.loads ORDER BY position")
    assert [tuple(row.values()) for row in history] == [("", 7), (SHARD, 8)]
    warehouse.load([load(8, ("b", {}))])


def test_another_log_begins_at_its_start_beside_a_position_of_an_earlier_version(
    warehouse: Warehouse, load: Loading, run_old: Callable[[str], None]
) -> None:
    for statement in _OLD:
        run_old(statement)
    warehouse.load([load(0, ("a", {}), shard=OTHER)])
    assert warehouse.positions(OTHER) == {"one": Cursor("one", Position(1))}
    assert warehouse.positions(NO_SHARD) == {"one": Cursor("one", Position(7))}
