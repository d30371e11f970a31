"""The copy that readers of a DuckDB warehouse open: when it is renewed, and what it survives."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.contract.warehouses.conftest import held, working_file
from tests.shards import SHARD
from tifo.kernel.errors import Transient
from tifo.kernel.ids import Position
from tifo.warehouses.drivers import published as module
from tifo.warehouses.drivers.duckdb import DuckdbWarehouse
from tifo.warehouses.drivers.published import SMALL_BYTES, pause_s
from tifo.warehouses.ports import Load

Loading = Callable[..., Load]
_DIES_BEFORE_PUBLISHING = """
import os, sys
from pathlib import Path
from tifo.kernel.ids import Position, Shard
from tifo.warehouses.drivers import published
from tifo.warehouses.drivers.duckdb import DuckdbWarehouse
from tifo.warehouses.ports import Load
def die(source, target):
    target.write_bytes(source.read_bytes()[:100_000])
    os._exit(9)
published.copy_file = die
DuckdbWarehouse(Path(sys.argv[1])).load([Load("one", "one", Position(1), Position(7), shard=Shard("memory"))])
"""
_WRITES = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("SET wal_autocheckpoint = '1TB'")
connection.execute("CREATE TABLE mine AS SELECT 1 AS n")
os._exit(9)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


@pytest.fixture
def duck(path: Path) -> DuckdbWarehouse:
    return DuckdbWarehouse(path)


def killed(script: str, path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == 9


def test_a_process_killed_while_it_copies_leaves_the_last_copy_and_the_next_one_catches_up(
    duck: DuckdbWarehouse, path: Path, load: Loading
) -> None:
    duck.load([load(0, ("a", {}))])
    killed(_DIES_BEFORE_PUBLISHING, path)
    assert duck.positions(SHARD)["one"].position == 1, "readers see the copy before it, whole"
    assert duck.committed_positions(SHARD)["one"].position == 7, "the load itself is durable"
    DuckdbWarehouse(path).publish()
    assert duck.positions(SHARD)["one"].position == 7


def test_what_a_killed_load_left_in_the_log_is_published(duck: DuckdbWarehouse, path: Path, load: Loading) -> None:
    duck.load([load(0, ("a", {}))])
    killed(_WRITES, working_file(str(path)))
    DuckdbWarehouse(path).publish()
    assert duck.query("SELECT n FROM mine") == [{"n": 1}]


def test_a_copy_that_is_up_to_date_is_not_made_again_after_a_restart(
    duck: DuckdbWarehouse, path: Path, load: Loading
) -> None:
    duck.load([load(0, ("a", {}))])
    before = path.stat().st_ino
    DuckdbWarehouse(path).publish()
    assert path.stat().st_ino == before


def test_a_warehouse_of_an_earlier_version_goes_on_where_it_was(path: Path, load: Loading) -> None:
    DuckdbWarehouse(path).load([load(0, ("a", {}))])
    shutil.rmtree(working_file(str(path)).parent)  # as it was when `path` itself was loaded
    path.chmod(0o644)
    duck = DuckdbWarehouse(path)
    with held(path, read_only=True):
        assert duck.committed_positions(SHARD)["one"].position == 1
        duck.load([load(1, ("b", {}))])
    assert duck.tables("one")["tracks"] == 2
    assert path.stat().st_mode & 0o777 == 0o444


def test_a_warehouse_of_an_earlier_version_that_was_killed_keeps_what_is_only_in_its_log(
    path: Path, load: Loading
) -> None:
    killed(_WRITES, path)
    assert path.with_name("warehouse.duckdb.wal").exists()
    duck = DuckdbWarehouse(path)
    duck.load([load(0, ("a", {}))])
    assert duck.query("SELECT n FROM mine") == [{"n": 1}]
    assert not path.with_name("warehouse.duckdb.wal").exists()


def test_a_deleted_copy_comes_back(duck: DuckdbWarehouse, path: Path, load: Loading) -> None:
    duck.load([load(0, ("a", {}))])
    path.unlink()
    duck.publish()
    assert duck.tables("one")["tracks"] == 1


def test_a_program_that_writes_the_copy_is_left_behind_with_it(
    duck: DuckdbWarehouse, path: Path, load: Loading
) -> None:
    duck.load([load(0, ("a", {}))])
    path.chmod(0o644)
    killed(_WRITES, path)
    duck.publish()
    assert duck.query("SELECT count(*) AS n FROM duckdb_tables() WHERE table_name = 'mine'") == [{"n": 0}]
    duck.load([load(1, ("b", {}))])
    assert duck.tables("one")["tracks"] == 2


def test_a_link_to_another_folder_stays_a_link(tmp_path: Path, path: Path, load: Loading) -> None:
    (tmp_path / "large").mkdir()
    path.symlink_to(tmp_path / "large" / "warehouse.duckdb")
    duck = DuckdbWarehouse(path)
    duck.load([load(0, ("a", {}))])
    assert path.is_symlink()
    assert sorted(each.name for each in (tmp_path / "large").iterdir()) == ["warehouse.duckdb", "warehouse.loading"]


def test_a_rewound_source_is_gone_for_readers_at_once(duck: DuckdbWarehouse, load: Loading) -> None:
    duck.load([load(0, ("a", {}))])
    duck.rewind("one", None)
    assert duck.positions(SHARD)["one"].position == 0
    assert duck.tables("one")["tracks"] == 0


def test_a_full_disk_costs_the_copy_and_not_the_load(
    duck: DuckdbWarehouse, load: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    duck.load([load(0, ("a", {}))])

    def full(source: Path, target: Path) -> bool:  # noqa: ARG001 (what it replaces)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "copy_file", full)
    (loaded,) = duck.load([load(1, ("b", {}))])
    assert loaded.rows["tracks"] == 1
    assert duck.committed_positions(SHARD)["one"].position == 2
    assert duck.positions(SHARD)["one"].position == 1


def test_a_copy_for_an_upgrade_that_fails_is_tried_again(
    duck: DuckdbWarehouse, path: Path, load: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    duck.load([load(0, ("a", {}))])
    shutil.rmtree(working_file(str(path)).parent)

    def full(source: Path, target: Path) -> bool:  # noqa: ARG001 (likewise)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module, "copy_file", full)
        with pytest.raises(Transient, match="No space left"):
            duck.load([load(1, ("b", {}))])
    duck.load([load(1, ("b", {}))])
    assert duck.tables("one")["tracks"] == 2


def test_a_large_warehouse_is_published_seldom_and_at_the_end(
    path: Path, load: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "pause_s", lambda written_bytes, took_s: 60.0)  # noqa: ARG005 (likewise)
    duck = DuckdbWarehouse(path)
    duck.load([load(0, ("a", {}))])
    duck.load([load(1, ("b", {}))])
    assert (duck.positions(SHARD)["one"].position, duck.committed_positions(SHARD)["one"].position) == (1, 2)
    duck.publish()
    assert duck.positions(SHARD)["one"].position == 1, "too early"
    duck.publish(at_end=True)
    assert duck.positions(SHARD)["one"].position == 2


@pytest.mark.parametrize(
    ("size", "took_s", "pause"),
    [
        (SMALL_BYTES, 9.0, 0.0),
        (SMALL_BYTES + (64 << 20), 0.01, 2.0),
        (SMALL_BYTES + (10 << 30), 5.0, 320.0),
        (SMALL_BYTES + (32 << 20), 1.5, 30.0),
    ],
)
def test_the_pause_grows_with_what_is_written_and_how_long_it_takes(size: int, took_s: float, pause: float) -> None:
    assert pause_s(size, took_s) == pytest.approx(pause)


def test_nothing_is_published_before_the_first_load(duck: DuckdbWarehouse, path: Path) -> None:
    duck.publish()
    duck.publish(at_end=True)
    assert not path.exists()
    assert duck.committed_positions(SHARD) == {}
    assert list(path.parent.iterdir()) == []


def test_an_older_duckdb_reads_the_file(duck: DuckdbWarehouse, path: Path, load: Loading) -> None:
    duck.load([load(0, ("a", {}))])
    with duckdb.connect(str(path), read_only=True) as reader:
        tags = reader.execute("SELECT tags FROM duckdb_databases() WHERE database_name = 'warehouse'").fetchall()
    assert tags[0][0]["storage_version"].startswith("v1.4.0")


def test_positions_are_committed_with_the_rows(duck: DuckdbWarehouse, load: Loading) -> None:
    duck.load([load(0, ("a", {}))])
    assert duck.committed_positions(SHARD) == duck.positions(SHARD)
    assert duck.committed_positions(SHARD)["one"].position == Position(1)
