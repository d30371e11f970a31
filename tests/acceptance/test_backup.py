"""Data folders are backed up, restored and copied: nothing is lost, nothing twice, and each says what it is."""

import gzip
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import pytest

from tests.acceptance.conftest import ARRIVES_WITHIN_S, Call
from tests.postgres import PostgresServer
from tifo.app.demo.local import LocalTifo

FLAGS = ("--flush-s", "0.2")


class Shop:
    """A node whose source is loaded into DuckDB, a shared PostgreSQL and files."""

    def __init__(self, data: Path, place: Path, warehouse: str, postgres: PostgresServer, call: Call) -> None:
        self.tifo = LocalTifo(data)
        self.warehouse = warehouse
        self.place = place
        self._postgres = postgres
        self._call = call
        self.key = ""

    def set_up(self) -> None:
        made = self.tifo.command("source", "create", "Shop", "--type", "http")
        self.key = made["write_key"]
        self.tifo.command("warehouse", "add", "postgres", self.warehouse)
        self.tifo.command(
            "destination", "add", "files", "--source", "shop", "--name", "lake", "--set", f"place={self.place}"
        )

    def copied_to(self, data: Path, place: Path | None = None) -> "Shop":
        copy = Shop(data, place or self.place, self.warehouse, self._postgres, self._call)
        copy.key = self.key
        return copy

    def send(self, *ids: str) -> None:
        for start in range(0, len(ids), 20):
            batch = [
                {"type": "track", "event": "Bought", "userId": "u", "messageId": each}
                for each in ids[start : start + 20]
            ]
            answer = self._call("POST", f"{self.tifo.address}/v1/batch", {"batch": batch}, write_key=self.key)
            assert answer.status == 200, answer

    def in_postgres(self) -> set[str]:
        there = "select count(*) from information_schema.tables where table_schema = 'shop' and table_name = 'bought'"
        if self._postgres.run(there, self.warehouse) == "0":
            return set()
        return set(self._postgres.run("select id from shop.bought", self.warehouse).split())

    def in_duckdb(self) -> set[str]:
        if not self.tifo.rows("shop", ["bought"]):
            return set()
        return {row["id"] for row in self.tifo.query("select id from shop.bought")}

    def in_files(self) -> list[str]:
        """Every delivery, so that one that came twice shows."""
        lines = [
            line for file in self.place.rglob("*.ndjson.gz") for line in gzip.decompress(file.read_bytes()).splitlines()
        ]
        return [json.loads(line)["messageId"] for line in lines]


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number}" for number in range(count)]


def wait_for(found: Callable[[], object], expected: object) -> None:
    deadline = time.monotonic() + ARRIVES_WITHIN_S
    while (now := found()) != expected and time.monotonic() < deadline:
        time.sleep(0.2)
    assert now == expected


@pytest.fixture
def shop(tmp_path: Path, postgres: PostgresServer, call: Call) -> Shop:
    return Shop(tmp_path / "data", tmp_path / "lake", postgres.new_database(), postgres, call)


@contextmanager
def sending(shop: Shop, prefix: str) -> Iterator[list[str]]:
    """Sends events without a pause until the block ends. Yields the ids that were acknowledged."""
    over, acknowledged = threading.Event(), list[str]()

    def send() -> None:
        number = 0
        while not over.is_set():
            ids = [f"{prefix}-{number}-{n}" for n in range(20)]
            shop.send(*ids)
            acknowledged.extend(ids)
            number += 1

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield acknowledged
    finally:
        over.set()
        thread.join()


def totals(shop: Shop) -> Mapping[str, tuple[int, int]]:
    """Received and delivered by connection, once nothing waits."""
    deadline = time.monotonic() + ARRIVES_WITHIN_S
    while True:
        rows = shop.tifo.command("delivery", "overview")["connections"]
        if not any(row["waiting"] for row in rows) or time.monotonic() > deadline:
            return {row["name"]: (row["received"], row["delivered"]) for row in rows}
        time.sleep(0.2)


def test_a_folder_put_back_by_hand_loses_nothing_that_comes_next(shop: Shop, tmp_path: Path) -> None:
    first, lost, after = names("first", 20), names("lost", 50), names("after", 60)
    with shop.tifo.up(*FLAGS):
        shop.set_up()
        shop.send(*first)
        wait_for(shop.in_postgres, set(first))
        # What waits when the folder is copied would come twice: once before the loss, once after.
        wait_for(lambda: sorted(shop.in_files()), sorted(first))
    shutil.copytree(shop.tifo.data, tmp_path / "by-hand")
    with shop.tifo.up(*FLAGS):
        shop.send(*lost)
        wait_for(shop.in_postgres, {*first, *lost})
        wait_for(lambda: sorted(shop.in_files()), sorted([*first, *lost]))
    shutil.rmtree(shop.tifo.data)
    shutil.copytree(tmp_path / "by-hand", shop.tifo.data)
    with shop.tifo.up(*FLAGS):
        shop.send(*after)
        wait_for(shop.in_postgres, {*first, *lost, *after})
        wait_for(shop.in_duckdb, {*first, *after})
        wait_for(lambda: sorted(shop.in_files()), sorted([*first, *lost, *after]))
        assert totals(shop) == {"duckdb": (80, 80), "postgres": (80, 80), "lake": (80, 80)}
        verdict = shop.tifo.audit()
        notices = shop.tifo.command("log", "notices")
    assert verdict["ok"], verdict
    assert any("restored from a backup" in note for note in verdict["notes"]), verdict
    assert any("postgres" in notice["notice"] for notice in notices), notices


def test_a_backup_under_load_restores_to_a_whole_node(shop: Shop, tmp_path: Path) -> None:
    backups = tmp_path / "backups"
    with shop.tifo.up(*FLAGS):
        shop.set_up()
        with sending(shop, "before") as before:
            for _ in range(3):
                acknowledged = set(before)
                made = shop.tifo.command("backup", str(backups), "--keep", "2")
                assert made["state"] == "sqlite"
        with sending(shop, "lost"):
            time.sleep(1)
        assert len(list(backups.iterdir())) == 2
    shutil.move(shop.tifo.data, tmp_path / "gone")
    restored = shop.tifo.command("restore", str(backups))
    assert restored["backup"] == made["backup"]
    with shop.tifo.up(*FLAGS):
        after = names("after", 60)
        shop.send(*after)
        # A client's retry of what the backup holds is known, of what it lacks is not.
        shop.send(*sorted(acknowledged)[:20])
        wait_for(lambda: shop.in_postgres() >= {*acknowledged, *after}, expected=True)
        wait_for(lambda: shop.in_duckdb() >= {*acknowledged, *after}, expected=True)
        delivered = shop.in_files
        wait_for(lambda: set(delivered()) >= {*acknowledged, *after}, expected=True)
        assert len([each for each in delivered() if each in set(after)]) == len(after)
        for received, done in totals(shop).values():
            assert received == done
        verdict = shop.tifo.audit()
    assert verdict["ok"], verdict


def test_a_damaged_backup_or_a_folder_in_use_is_refused(shop: Shop, tmp_path: Path) -> None:
    with shop.tifo.up(*FLAGS):
        shop.set_up()
        shop.send(*names("a", 5))
        made = Path(shop.tifo.command("backup", str(tmp_path / "backups"))["backup"])
    with pytest.raises(CalledProcessError) as in_use:
        shop.tifo.command("restore", str(made))
    assert in_use.value.returncode == 2
    segment = next((made / "log").glob("*.db"))
    segment.write_bytes(segment.read_bytes()[:-4096])
    fresh = shop.copied_to(tmp_path / "fresh")
    with pytest.raises(CalledProcessError) as damaged:
        fresh.tifo.command("restore", str(made))
    assert damaged.value.returncode == 2
    assert not fresh.tifo.data.exists()


def test_a_clone_beside_its_original_delivers_nothing_until_it_is_named(
    shop: Shop, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clone = shop.copied_to(tmp_path / "clone")
    first, originals, clones = names("first", 20), names("original", 40), names("clone", 40)
    with shop.tifo.up(*FLAGS):
        shop.set_up()
        shop.send(*first)
        wait_for(shop.in_postgres, set(first))
        wait_for(lambda: sorted(shop.in_files()), sorted(first))
    shutil.copytree(shop.tifo.data, clone.tifo.data)
    clone.key = shop.key
    with shop.tifo.up(*FLAGS):
        with clone.tifo.up(*FLAGS):
            clone.send(*clones)
            shop.send(*originals)
            wait_for(shop.in_postgres, {*first, *originals})
            time.sleep(1.0)  # several flushes of the clone, if it had any
            assert shop.in_postgres() == {*first, *originals}
            wait_for(lambda: sorted(shop.in_files()), sorted([*first, *originals]))
        assert "tifo restore --as-copy" in capfd.readouterr().err
        named = clone.tifo.command("restore", "--as-copy")
        assert named["copied_from"] != named["log"]
        with clone.tifo.up(*FLAGS):
            wait_for(shop.in_postgres, {*first, *originals, *clones})
            wait_for(lambda: sorted(shop.in_files()), sorted([*first, *originals]))
            more = names("more", 20)
            clone.send(*more)
            wait_for(lambda: sorted(shop.in_files()), sorted([*first, *originals, *more]))
            for node in (shop, clone):
                verdict: Any = node.tifo.audit()
                assert verdict["ok"], verdict
