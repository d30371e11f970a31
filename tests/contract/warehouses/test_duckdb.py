"""What only a file has: a lock, other programs that read it, and people who change its tables."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from tifo.kernel.errors import NotFound, Rejected, Transient
from tifo.warehouses.drivers.duckdb import DuckdbWarehouse
from tifo.warehouses.ports import Load

Loading = Callable[..., Load]


_HOLDER = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "True")
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "warehouse.duckdb"


@pytest.fixture
def duck(path: Path) -> DuckdbWarehouse:
    return DuckdbWarehouse(path)


@contextmanager
def held(path: Path, *, read_only: bool) -> Iterator[subprocess.Popen[str]]:
    """The file is open in another process until the block ends."""
    arguments = [sys.executable, "-c", _HOLDER, str(path), str(read_only)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        try:
            yield child
        finally:
            child.stdin.close()
            child.wait(10)


@pytest.mark.concurrency
def test_a_reader_delays_a_load_and_loses_nothing(duck: DuckdbWarehouse, path: Path, load: Loading) -> None:
    duck.load([load(0, ("a", {}))])
    with held(path, read_only=True):
        with pytest.raises(Transient) as raised:
            duck.load([load(1, ("b", {}))])
        assert duck.tables("one")["tracks"] == 1, "readers share the file"
    assert raised.value.code == "warehouse_busy"
    duck.load([load(1, ("b", {}))])
    assert duck.tables("one")["tracks"] == 2


@pytest.mark.concurrency
def test_a_query_waits_for_a_load_to_end(duck: DuckdbWarehouse, path: Path, load: Loading) -> None:
    duck.load([load(0, ("a", {}))])
    with held(path, read_only=False) as loader:
        with pytest.raises(Transient):
            duck.query("SELECT 1", wait_s=0.05)
        assert loader.stdin is not None
        threading.Timer(0.2, loader.stdin.close).start()
        assert duck.query("SELECT count(*) AS n FROM one.tracks") == [{"n": 1}]


@pytest.mark.concurrency
def test_a_reader_in_the_same_process_delays_a_load_too(duck: DuckdbWarehouse, path: Path, load: Loading) -> None:
    duck.load([load(0, ("a", {}))])
    with duckdb.connect(str(path), read_only=True), pytest.raises(Transient):
        duck.load([load(1, ("b", {}))])


def test_between_loads_the_file_is_closed(duck: DuckdbWarehouse, path: Path, load: Loading) -> None:
    duck.load([load(0, ("a", {}))])
    assert not path.with_name(path.name + ".wal").exists()
    with held(path, read_only=False):
        pass


def test_before_the_first_load_a_query_says_what_to_do(duck: DuckdbWarehouse, path: Path) -> None:
    with pytest.raises(NotFound, match="tifo up"):
        duck.query("SELECT 1")
    assert not path.exists()


def test_a_file_that_is_no_database_is_named(duck: DuckdbWarehouse, path: Path, load: Loading) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(Transient, match=path.name):
        duck.load([load(0, ("a", {}))])
    assert path.read_bytes() == b"no database" * 1000


def test_a_column_type_that_someone_chose_is_kept_and_what_it_cannot_take_is_discarded(
    duck: DuckdbWarehouse, path: Path, load: Loading
) -> None:
    duck.load([load(0, ("a", {"price": 1}))])
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE one.goal ALTER COLUMN price TYPE DECIMAL(10, 2)")
    (loaded,) = duck.load([load(1, ("b", {"price": 2.5}), ("c", {"price": 4}), ("d", {"price": 10**12}))])
    assert loaded.discarded == 1
    rows = duck.query("SELECT price FROM one.goal ORDER BY id")
    assert [row["price"] for row in rows] == [1, 2.5, 4, None]
    sql = "SELECT table_name, column_name, value::DOUBLE AS value, message_id FROM one._discards"
    assert duck.query(sql) == [{"table_name": "goal", "column_name": "price", "value": 1e12, "message_id": "d"}]


def test_a_constraint_that_someone_added_rejects_the_load(duck: DuckdbWarehouse, path: Path, load: Loading) -> None:
    duck.load([load(0, ("a", {"price": 1}))])
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE one.goal ALTER COLUMN price SET NOT NULL")
    with pytest.raises(Rejected):
        duck.load([load(1, ("b", {}))])
    assert duck.positions()["one"].position == 1


def test_every_value_of_a_query_is_json(duck: DuckdbWarehouse, load: Loading) -> None:
    duck.load([load(0, ("a", {}))])
    sql = """
    SELECT 1 AS a, 2 AS a, sum(x) AS total, 1.50 AS exact, 'nan'::DOUBLE AS nan, DATE '2026-11-24' AS day,
        TIMESTAMPTZ '2026-11-24 10:00:00.123456+00' AS at, [1, 2] AS list, {'k': 'v'} AS struct, 'ab'::BLOB AS blob,
        NULL AS nothing, (2::HUGEINT ** 80)::HUGEINT AS huge, INTERVAL 1 DAY IS NOT NULL AS interval
    FROM range(4) t(x)
    """
    (row,) = duck.query(sql)
    assert row == {
        "a": 1,
        "a_2": 2,
        "total": 6,
        "exact": 1.5,
        "nan": "nan",
        "day": "2026-11-24",
        "at": "2026-11-24T10:00:00.123456Z",
        "list": [1, 2],
        "struct": {"k": "v"},
        "blob": "6162",
        "nothing": None,
        "huge": 2**80,
        "interval": True,
    }


def test_sql_cannot_see_the_programs_variables(duck: DuckdbWarehouse, load: Loading) -> None:
    duck.load([load(0, ("a", {}))])
    with pytest.raises(Rejected):
        duck.query("SELECT * FROM rows")
