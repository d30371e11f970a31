"""Segment's and RudderStack's own clients, unmodified, against the real `tifo up`: every call with every field, a
server that is killed under them, and a limit that they run into.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.commands import command
from tifo.app.demo.local import LocalTifo
from tifo.app.settings import Settings
from tifo.kernel.errors import Rejected

FOLDER = Path(__file__).parent / "clients"
COMMANDS = {
    "segment_python": [sys.executable, "send.py", "segment"],
    "segment_node": ["node", "send.cjs", "segment"],
    "segment_browser": [sys.executable, "browse.py"],
    "rudder_python": [sys.executable, "send.py", "rudder"],
    "rudder_node": ["node", "send.cjs", "rudder"],
}
NEEDS = ("node", "npm", "chromium")
AT = "2026-11-20T18:30:00.250+00:00"
WITHIN_S = 90.0
BEFORE, AFTER = 60, 120
LIMITED, PER_SECOND = 150, 60
CONTEXT = {"campaign": {"name": "Cup"}, "groupId": "north"}
CALLS: dict[str, dict[str, Any]] = {
    "identify": {"userId": "ada", "traits": {"plan": "gold", "age": 36.5, "address": {"city": "London"}}},
    "track": {"userId": "ada", "event": "Ticket Bought", "properties": {"price": 12.5, "seats": [1, 2], "vip": True}},
    "page": {"userId": "ada", "category": "Shop", "name": "Home", "properties": {"theme": "dark"}},
    "screen": {"userId": "ada", "category": "App", "name": "Lobby", "properties": {"theme": "light"}},
    "group": {"userId": "ada", "groupId": "north", "traits": {"seats": 40}},
    "alias": {"userId": "ada", "previousId": "ada-before"},
}
EXPECTED: dict[str, dict[str, Any]] = {
    "identifies": {"user_id": "ada", "plan": "gold", "age": 36.5, "address_city": "London"},
    "users": {"id": "ada", "plan": "gold", "age": 36.5, "address_city": "London"},
    "ticket_bought": {"user_id": "ada", "event_text": "Ticket Bought", "price": 12.5, "seats": "[1,2]", "vip": True},
    "pages": {"user_id": "ada", "category": "Shop", "name": "Home", "theme": "dark"},
    "screens": {"user_id": "ada", "category": "App", "name": "Lobby", "theme": "light"},
    "groups": {"user_id": "ada", "group_id": "north", "seats": 40},
    "aliases": {"user_id": "ada", "previous_id": "ada-before"},
}

ID_OF = {"ticket_bought": "track", "identifies": "identify", "aliases": "alias"}


class Sender:
    """A process that runs a client."""

    def __init__(self, name: str, address: str, source: Mapping[str, str]) -> None:
        self.schema = source["schema"]
        self._process = subprocess.Popen(
            [*COMMANDS[name], address, source["write_key"]],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, **asked: object) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()

    def failures(self) -> list[str]:
        """What the client gave up on by the end of the last command."""
        assert self._process.stdout
        failures: list[str] = json.loads(self._process.stdout.readline())["failures"]
        return failures

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module", autouse=True)
def npm_packages() -> None:
    stop = pytest.fail if "CI" in os.environ else pytest.skip
    if missing := [tool for tool in NEEDS if shutil.which(tool) is None]:
        stop(f"needs {', '.join(missing)} on PATH")
    wanted, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= wanted.stat().st_mtime:
        return
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        stop(f"npm ci failed: {done.stderr[-500:]}")


@contextlib.contextmanager
def senders(tifo: LocalTifo) -> Iterator[dict[str, Sender]]:
    """All clients, each with a source of its own."""
    with contextlib.ExitStack() as stack:
        started: dict[str, Sender] = {}
        for name in COMMANDS:
            started[name] = Sender(name, tifo.address, tifo.command("source", "create", name, "--type", "http"))
            stack.callback(started[name].close)
        yield started


def wait_for(tifo: LocalTifo, clients: Mapping[str, Sender], count: int) -> dict[str, list[int]]:
    """The numbers that have landed of each, once that many have of all, or when time is up."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        landed = streamed(tifo, clients)
        if all(len(numbers) >= count for numbers in landed.values()) or time.monotonic() > deadline:
            return landed


def streamed(tifo: LocalTifo, clients: Mapping[str, Sender]) -> dict[str, list[int]]:
    known = "select table_schema from information_schema.tables where table_name = 'streamed'"
    there = {row["table_schema"] for row in tifo.query(known)} if (tifo.data / "warehouse.duckdb").exists() else set()
    parts = [
        f"select '{name}' as name, list(number order by number) as numbers from {sender.schema}.streamed"
        for name, sender in clients.items()
        if sender.schema in there
    ]
    found = {row["name"]: row["numbers"] for row in tifo.query(" union all ".join(parts))} if parts else {}
    return {name: found.get(name, []) for name in clients}


@pytest.mark.kill
def test_all_calls_land_with_all_their_fields_and_a_killed_server_loses_none(tmp_path: Path) -> None:
    tifo = LocalTifo(tmp_path / "data")
    flags = ("--flush-s", "0.3")
    process = tifo.start(*flags)
    try:
        tifo.wait_until_healthy(process)
        with senders(tifo) as clients:
            for name, sender in clients.items():
                marked = {"timestamp": AT, "context": CONTEXT}
                calls = [
                    (call, {**message, **marked, "messageId": f"{name}-{call}"}) for call, message in CALLS.items()
                ]
                sender.tell(calls=calls, tracks=[0, BEFORE])
            for sender in clients.values():
                assert sender.failures() == []
            process.kill()
            process.wait()
            for sender in clients.values():
                sender.tell(tracks=[BEFORE, AFTER])
                assert sender.failures() == []
            process = tifo.start(*flags)
            tifo.wait_until_healthy(process)
            for sender in clients.values():
                sender.tell(end=True)
            landed = wait_for(tifo, clients, AFTER)
            assert {name: sender.failures() for name, sender in clients.items()} == {name: [] for name in clients}
            assert landed == {name: list(range(AFTER)) for name in clients}, "each once, and in no other source"
            check_calls(tifo, clients)
    finally:
        process.terminate()
        process.wait()


def check_calls(tifo: LocalTifo, clients: Mapping[str, Sender]) -> None:
    places = [(name, table) for name in clients for table in EXPECTED]
    query = " union all ".join(
        f"select '{name}' as name, '{table}' as into_table, to_json(t) as found from {clients[name].schema}.{table} t"
        + (" where user_id = 'ada'" if table != "users" else "")
        for name, table in places
    )
    rows = [(row["name"], row["into_table"], row["found"]) for row in tifo.query(query)]
    assert sorted(row[:2] for row in rows) == sorted(places)
    for name, table, document in rows:
        found = document if isinstance(document, dict) else json.loads(document)
        expected = EXPECTED[table]
        assert {column: found.get(column) for column in expected} == expected, (name, table)
        if table != "users":
            assert found["context_campaign_name"] == "Cup", (name, table)
            assert found["id"] == f"{name}-{ID_OF.get(table, table[:-1])}", (name, table)
            assert found["original_timestamp"].startswith("2026-11-20 18:30:00.25"), (name, table, found)


def test_a_client_over_the_limit_slows_down_and_finishes(tmp_path: Path) -> None:
    tifo = LocalTifo(tmp_path / "data", {"TIFO_RATE_LIMIT": str(PER_SECOND)})
    with tifo.up("--flush-s", "0.3"), senders(tifo) as clients:
        began = time.monotonic()
        for sender in clients.values():
            sender.tell(tracks=[0, LIMITED])
            sender.failures()
            sender.tell(end=True)
        landed = wait_for(tifo, clients, LIMITED)
        took_s = time.monotonic() - began
        assert {name: sender.failures() for name, sender in clients.items()} == {name: [] for name in clients}
        assert landed == {name: list(range(LIMITED)) for name in clients}
        assert took_s > LIMITED / PER_SECOND - 1, "the limit was none"


SET_UPS = {
    "http": ["bash", "setup.sh"],
    "python": [sys.executable, "-W", "ignore", "setup.py"],
    "node": ["node", "setup.mjs"],
    "rudder-python": [sys.executable, "-W", "ignore", "setup.py"],
    "rudder-node": ["node", "setup.mjs"],
}


def test_what_a_source_prints_to_be_pasted_sends_an_event(tifo: LocalTifo, tmp_path: Path) -> None:
    """As it is printed by `tifo source setup`, into a file, and run."""
    settings = Settings(data=tifo.data, port=tifo.port)
    running = []
    for kind, (program, *rest) in SET_UPS.items():
        made = command(settings, "source", "create", f"pasted {kind}", "--type", kind)
        folder = tmp_path / made["schema"]
        folder.mkdir()
        (folder / rest[-1]).write_text(command(settings, "source", "setup", made["slug"])["setup"])
        (folder / "node_modules").symlink_to(FOLDER / "node_modules")
        running.append(subprocess.Popen([program, *rest], cwd=folder, stdout=subprocess.DEVNULL))
    assert [process.wait(60) for process in running] == [0] * len(SET_UPS)
    query = " union all ".join(
        f"select '{each.name}' as kind, user_id, price from {each.name}.ticket_bought" for each in tmp_path.iterdir()
    )
    deadline = time.monotonic() + WITHIN_S
    while len(rows := _rows(settings, query)) < len(SET_UPS):
        assert time.monotonic() < deadline, rows
        time.sleep(0.2)
    assert {(row["user_id"], row["price"]) for row in rows} == {("fan-1", 25)}
    assert len({row["kind"] for row in rows}) == len(rows) == len(SET_UPS)


def _rows(settings: Settings, query: str) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = command(settings, "sql", query)
    except Rejected:  # a table is not there yet
        return []
    return found
