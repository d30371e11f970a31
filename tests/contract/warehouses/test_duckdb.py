"""What only files have: locks, other programs that read them, and people who change their tables."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from tests.contract.warehouses.conftest import held, working_file
from tests.shards import SHARD
from tifo.app.cli.output import show_table
from tifo.kernel.errors import NotFound, Rejected, Transient
from tifo.warehouses.drivers.duckdb import DuckdbWarehouse
from tifo.warehouses.ports import Load

Loading = Callable[..., Load]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "warehouse.duckdb"


@pytest.fixture
def duck(path: Path) -> DuckdbWarehouse:
    return DuckdbWarehouse(path)


@pytest.mark.concurrency
def test_a_reader_in_another_process_delays_no_load(duck: DuckdbWarehouse, path: Path, load: Loading) -> None:
    duck.load([load(0, ("a", {}))])
    with held(path, read_only=True):
        duck.load([load(1, ("b", {}))])
        assert duck.tables("one")["tracks"] == 2, "who opens it now reads the newest"


def test_an_open_reader_goes_on_reading_what_it_opened(duck: DuckdbWarehouse, path: Path, load: Loading) -> None:
    duck.load([load(0, ("a", {}))])
    with duckdb.connect(str(path), read_only=True) as reader:
        for number in range(1, 5):
            duck.load([load(number, (f"b{number}", {"wide": "text", f"n{number}": 1}))])
        assert reader.execute("SELECT count(*) FROM one.tracks").fetchall() == [(1,)]
    assert duck.tables("one")["tracks"] == 5


def test_a_query_does_not_wait_for_a_load(duck: DuckdbWarehouse, path: Path, load: Loading) -> None:
    duck.load([load(0, ("a", {}))])
    with held(working_file(str(path)), read_only=False):
        assert duck.query("SELECT count(*) AS n FROM one.tracks", wait_s=0) == [{"n": 1}]
        assert duck.positions(SHARD)["one"].position == 1


def test_another_writer_of_the_working_file_is_named(duck: DuckdbWarehouse, path: Path, load: Loading) -> None:
    duck.load([load(0, ("a", {}))])
    with (
        held(working_file(str(path)), read_only=False),
        pytest.raises(Transient, match=r"warehouse\.loading") as raised,
    ):
        duck.load([load(1, ("b", {}))])
    assert raised.value.code == "warehouse_busy"
    duck.load([load(1, ("b", {}))])
    assert duck.tables("one")["tracks"] == 2


def test_between_loads_both_files_are_closed_and_whole(duck: DuckdbWarehouse, path: Path, load: Loading) -> None:
    duck.load([load(0, ("a", {}))])
    working = working_file(str(path))
    assert sorted(file.name for file in working.parent.iterdir()) == ["lock", path.name]
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, working.parent.name]
    for file in (path, working):
        with held(file, read_only=False):
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
    with duckdb.connect(working_file(str(path))) as connection:
        connection.execute("ALTER TABLE one.goal ALTER COLUMN price TYPE DECIMAL(10, 2)")
    (loaded,) = duck.load([load(1, ("b", {"price": 2.5}), ("c", {"price": 4}), ("d", {"price": 10**12}))])
    assert loaded.discarded == 1
    rows = duck.query("SELECT price FROM one.goal ORDER BY id")
    assert [row["price"] for row in rows] == [1, 2.5, 4, None]
    sql = "SELECT table_name, column_name, value::DOUBLE AS value, message_id FROM one._discards"
    assert duck.query(sql) == [{"table_name": "goal", "column_name": "price", "value": 1e12, "message_id": "d"}]


def test_a_constraint_that_someone_added_rejects_the_load(duck: DuckdbWarehouse, path: Path, load: Loading) -> None:
    duck.load([load(0, ("a", {"price": 1}))])
    with duckdb.connect(working_file(str(path))) as connection:
        connection.execute("ALTER TABLE one.goal ALTER COLUMN price SET NOT NULL")
    with pytest.raises(Rejected):
        duck.load([load(1, ("b", {}))])
    assert duck.positions(SHARD)["one"].position == 1


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


def test_a_value_of_every_type_of_duckdb_is_answered(
    duck: DuckdbWarehouse, load: Loading, capsys: pytest.CaptureFixture[str]
) -> None:
    duck.load([load(0, ("a", {}))])
    rows = duck.query("SELECT * FROM test_all_types()")
    assert len(rows) == 3
    assert json.loads(msgspec.json.encode(rows)) == rows
    show_table(rows)
    assert "infinity" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("TIMESTAMPTZ 'infinity'", "infinity"),
        ("TIMESTAMP '-infinity'", "-infinity"),
        ("DATE '-infinity'", "-infinity"),
        ("TIMESTAMPTZ '0000-01-01 00:00:00+00'", "0000-01-01T00:00:00.000Z"),
        ("TIMESTAMPTZ '10000-01-01 00:00:00.000001+00'", "10000-01-01T00:00:00.000001Z"),
        ("DATE '10000-01-01'", "10000-01-01"),
        ("TIMESTAMP_NS '2026-11-24 10:00:00.123456789'", "2026-11-24T10:00:00.123456789"),
        ("[DATE '10000-01-01', NULL]", ["10000-01-01", None]),
        ("{'at': TIMESTAMP 'infinity', 'n': 1}", {"at": "infinity", "n": 1}),
        ("MAP {'at': TIMESTAMP 'infinity'}", [["at", "infinity"]]),
        ("INTERVAL '14 months 2 days 1.5 seconds'", "P14M2DT1.5S"),
        ("'inf'::DOUBLE", "inf"),
        ("340282366920938463463374607431768211455::UHUGEINT", "340282366920938463463374607431768211455"),
        ("repeat('9', 60)::BIGNUM", "9" * 60),
        ("'101'::BIT", "101"),
        ("TIMETZ '12:00:00+02'", "12:00:00+02"),
        ("'a'::ENUM('a', 'b')", "a"),
        ("'{\"a\": 1}'::JSON", '{"a": 1}'),
        ("5::VARIANT", "5"),
    ],
)
def test_a_value_that_python_cannot_hold_is_answered_as_text(
    duck: DuckdbWarehouse, load: Loading, sql: str, answer: Any
) -> None:
    duck.load([load(0, ("a", {}))])
    assert duck.query(f"SELECT {sql} AS x, 1 AS x, 2 AS x_2") == [{"x": answer, "x_3": 1, "x_2": 2}]


def test_a_time_of_loading_that_somebody_made_infinite_is_no_answer_and_no_error(
    duck: DuckdbWarehouse, path: Path, load: Loading
) -> None:
    duck.load([load(0, ("a", {}))])
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE one.goal SET uuid_ts = 'infinity'")
    assert list(duck.loaded_at("one", "a")) == ["tracks"]


def test_sql_cannot_see_the_programs_variables(duck: DuckdbWarehouse, load: Loading) -> None:
    duck.load([load(0, ("a", {}))])
    with pytest.raises(Rejected):
        duck.query("SELECT * FROM rows")
