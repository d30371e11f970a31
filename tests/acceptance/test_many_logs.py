"""Several nodes share one PostgreSQL: each loads and delivers what it received, whatever is killed, exactly once."""

import itertools
import os
import signal
import subprocess
import threading
import time
import urllib.error
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.acceptance.conftest import Call
from tests.acceptance.test_backup import Shop, wait_for
from tests.postgres import PostgresServer

FLAGS = ("--flush-s", "0.2")
SETTLES_WITHIN_S = 60.0


class Node:
    """A node that is killed and started again. What it answered with 200 is in `acknowledged`."""

    def __init__(self, shop: Shop, name: str, *flags: str) -> None:
        self.shop = shop
        self.name = name
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, waits: bool = True) -> None:
        self._process = self.shop.tifo.start(*FLAGS, *self._flags)
        if waits:
            self.shop.tifo.wait_until_healthy(self._process)

    def kill(self) -> None:
        """Kills the supervisor and all its roles at once, as a machine that fails does."""
        assert self._process is not None
        for process in [*psutil.Process(self._process.pid).children(recursive=True), psutil.Process(self._process.pid)]:
            with suppress(psutil.NoSuchProcess):
                os.kill(process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=20)

    @contextmanager
    def loaded(self) -> Iterator[list[str]]:
        """Sends batches until the block ends; what is not answered is sent again, with the same ids."""
        over, acknowledged = threading.Event(), list[str]()

        def send() -> None:
            for number in itertools.count():
                ids = [f"{self.name}-{number}-{n}" for n in range(10)]
                while True:
                    try:
                        self.shop.send(*ids)
                        break
                    except (AssertionError, urllib.error.URLError, OSError):
                        if over.is_set():
                            return
                        time.sleep(0.1)
                acknowledged.extend(ids)
                if over.is_set():
                    return

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield acknowledged
        finally:
            over.set()
            thread.join()


@pytest.fixture
def nodes(tmp_path: Path, postgres: PostgresServer, call: Call) -> Iterator[list[Node]]:
    """Two full nodes and one that only receives."""
    state, warehouse = postgres.new_database(), postgres.new_database()
    made = []
    for name, flags in (("a", ()), ("b", ()), ("c", ("--roles", "api"))):
        shop = Shop(tmp_path / name, tmp_path / "lake", warehouse, postgres, call)
        shop.tifo.settings = {"TIFO_DATABASE_URL": state}
        made.append(Node(shop, name, *flags))
    made[0].start()
    made[0].shop.set_up()
    for node in made[1:]:
        node.shop.key = made[0].shop.key
        node.start()
    yield made
    for node in made:
        with suppress(psutil.NoSuchProcess, AssertionError):
            node.kill()


@pytest.mark.kill
def test_nodes_on_one_postgresql_lose_nothing_and_load_nothing_twice(
    nodes: list[Node], capfd: pytest.CaptureFixture[str]
) -> None:
    a, b, c = nodes
    with a.loaded() as from_a, b.loaded() as from_b, c.loaded() as from_c:
        for node in nodes:
            time.sleep(2.0)
            node.kill()
            node.start()
        time.sleep(1.0)
    acknowledged = {*from_a, *from_b, *from_c}
    assert "Nobody reads the event log" in capfd.readouterr().err
    shown = {row["folder"]: row for row in a.shop.tifo.command("log", "list")}
    assert len(shown) == 3
    wait_for(lambda: a.shop.in_postgres() >= {*from_a, *from_b}, expected=True)
    assert not any(each.startswith("c-") for each in a.shop.in_postgres()), "nobody reads the third node's log"

    # Somebody reads it now: a loader and a deliverer on its folder.
    readers = c.shop.tifo.start(*FLAGS, "--roles", "loader,deliverer")
    try:
        deadline = time.monotonic() + SETTLES_WITHIN_S
        while not a.shop.in_postgres() >= acknowledged and time.monotonic() < deadline:
            time.sleep(0.5)
        assert acknowledged <= a.shop.in_postgres()
        settle(a)
        delivered = Counter(a.shop.in_files())
        assert acknowledged <= delivered.keys()
        for node in (a, b):
            verdict = node.shop.tifo.audit()
            assert verdict["ok"], verdict
    finally:
        readers.send_signal(signal.SIGTERM)
        readers.wait(timeout=20)
    for node in nodes:
        node.stop()


def settle(node: Node) -> None:
    """Waits until each connection has delivered as many events as there are, of every node together."""
    deadline = time.monotonic() + SETTLES_WITHIN_S
    while True:
        events = len(node.shop.in_postgres())
        rows = node.shop.tifo.command("delivery", "overview")["connections"]
        told = {row["name"]: (row["received"], row["delivered"], row["waiting"]) for row in rows}
        if set(told.values()) == {(events, events, 0)} or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    assert set(told.values()) == {(events, events, 0)}, told


def test_a_retry_that_lands_on_another_node_is_one_row(nodes: list[Node], postgres: PostgresServer) -> None:
    a, b, _ = nodes
    ids = [f"retried-{number}" for number in range(20)]
    a.shop.send(*ids)
    b.shop.send(*ids, "once")
    wait_for(a.shop.in_postgres, {*ids, "once"})
    rows = postgres.run("select id from shop.tracks", a.shop.warehouse).split()
    assert sorted(rows) == sorted([*ids, "once"])
