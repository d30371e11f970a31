"""Segment's and RudderStack's own clients, unmodified, against the real `tifo up`: every call with every field, a
server that is killed under them, and a limit that they run into.
"""

import itertools
import json
import math
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.clients import FOLDER, Commands, Sender, installed, senders
from tests.commands import command
from tifo.app.demo.local import LocalTifo
from tifo.app.settings import Settings
from tifo.kernel.errors import Rejected

AT = "2026-11-20T18:30:00.250123456+00:00"
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
LIBRARIES = {
    "segment_python": "analytics-python",
    "segment_node": "@segment/analytics-node",
    "segment_browser": "analytics.js",
    "segment_go": "analytics-go",
    "segment_java": "analytics-java",
    "rudder_python": "analytics-python",
    "rudder_node": "analytics-node",
    "rudder_browser": "RudderLabs JavaScript SDK",
}
"""Go's and Java's stand in the context of the batch, the others' in that of each message."""
MILLISECONDS = {"segment_python", "segment_node", "segment_java", "rudder_node"}
"""Clients that cut a time to milliseconds. Go's sends nanoseconds, and those in a browser whatever they are given."""
NO_SCREENS = NO_IDS_OF_OURS = {"rudder_browser"}


@pytest.fixture(scope="module", autouse=True)
def commands(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    return installed(tmp_path_factory.mktemp("clients"))


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
def test_all_calls_land_with_all_their_fields_and_a_killed_server_loses_none(
    tmp_path: Path, commands: Commands
) -> None:
    tifo = LocalTifo(tmp_path / "data")
    flags = ("--flush-s", "0.3")
    process = tifo.start(*flags)
    try:
        tifo.wait_until_healthy(process)
        with senders(commands, tifo) as clients:
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
    places = [(name, table) for name in clients for table in EXPECTED if table != "screens" or name not in NO_SCREENS]
    query = " union all ".join(
        f"select '{name}' as name, '{table}' as into_table, to_json(t) as found from {clients[name].schema}.{table} t"
        + (" where user_id = 'ada' and original_timestamp < '2026-11-21'" if table != "users" else "")
        for name, table in places
    )
    rows = [(row["name"], row["into_table"], row["found"]) for row in tifo.query(query)]
    assert sorted(row[:2] for row in rows) == sorted(places)
    for name, table, document in rows:
        found = document if isinstance(document, dict) else json.loads(document)
        expected = EXPECTED[table]
        assert {column: found.get(column) for column in expected} == expected, (name, table)
        if table != "users":
            check_common(name, ID_OF.get(table, table[:-1]), found)


def check_common(name: str, call: str, found: Mapping[str, Any]) -> None:
    """Checks what every call has: its id, its context, and its times, corrected by the skew of the client's clock."""
    assert found["context_campaign_name"] == "Cup", (name, call)
    assert found["context_library_name"] == LIBRARIES[name], (name, call)
    if name not in NO_IDS_OF_OURS:
        assert found["id"] == f"{name}-{call}"
    fraction = 250_000 if name in MILLISECONDS else 250_123
    original = datetime(2026, 11, 20, 18, 30, 0, fraction, tzinfo=UTC)
    assert datetime.fromisoformat(found["original_timestamp"]) == original, (name, call)
    corrected, received, sent = (
        datetime.fromisoformat(found[column]) for column in ("timestamp", "received_at", "sent_at")
    )
    assert abs((corrected - original) - (received - sent)) < timedelta(milliseconds=2), (name, call, found)


def test_a_client_over_the_limit_slows_down_and_finishes(tmp_path: Path, commands: Commands) -> None:
    tifo = LocalTifo(tmp_path / "data", {"TIFO_RATE_LIMIT": str(PER_SECOND)})
    with tifo.up("--flush-s", "0.3"), senders(commands, tifo) as clients:
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


OddCalls = Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]]
HUGE = 2**70
PYTHONS: OddCalls = {
    "numbers as ids": [("group", {"groupId": 7}), ("alias", {"previousId": 8})],
    "an integer beyond 64 bits": [("track", {"event": "Huge", "properties": {"number": HUGE}})],
    "a number that JSON has not": [("track", {"event": "Streamed", "properties": {"number": math.nan}})],
}
CUT: OddCalls = {
    "half a surrogate pair": [("track", {"event": "Cut \ud83d", "properties": {"emoji": "half of one: \ud83d"}})]
}
"""As `slice` leaves an emoji in JavaScript."""
ODD = {"segment_python": PYTHONS, "rudder_python": PYTHONS, "segment_node": CUT, "rudder_node": CUT}
NEIGHBOURS = 12


def test_an_odd_event_of_a_client_costs_none_of_its_neighbours(tmp_path: Path, commands: Commands) -> None:
    tifo = LocalTifo(tmp_path / "data")
    odd_ones = {name: command for name, command in commands.items() if name in ODD}
    with tifo.up("--flush-s", "0.3"), senders(odd_ones, tifo) as clients:
        for name, sender in clients.items():
            calls = itertools.chain.from_iterable(ODD[name].values())
            marked = [(call, {"userId": "ada", "timestamp": AT, **message}) for call, message in calls]
            sender.tell(calls=marked, tracks=[0, NEIGHBOURS])
            assert sender.failures() == []
            sender.tell(end=True)
        landed = wait_for(tifo, clients, NEIGHBOURS)
        assert {name: sender.failures() for name, sender in clients.items()} == {name: [] for name in clients}
        assert landed == {name: list(range(NEIGHBOURS)) for name in clients}
        check_odd_ones(tifo, clients)


def check_odd_ones(tifo: LocalTifo, clients: Mapping[str, Sender]) -> None:
    pythons = [clients[name].schema for name in ODD if ODD[name] is PYTHONS]
    nodes = [clients[name].schema for name in ODD if ODD[name] is not PYTHONS]
    assert _of_each(tifo, pythons, "group_id, user_id from {}.groups") == [{"group_id": "7", "user_id": "ada"}] * 2
    assert _of_each(tifo, pythons, "previous_id from {}.aliases") == [{"previous_id": "8"}] * 2
    assert _of_each(tifo, pythons, "number from {}.huge") == [{"number": str(HUGE)}] * 2
    cut = {"event_text": "Cut \ufffd", "emoji": "half of one: \ufffd"}
    assert _of_each(tifo, nodes, "event_text, emoji from {}.cut") == [cut] * 2
    refused = {(each["source"], each["code"], each["count"]) for each in tifo.command("delivery", "errors")}
    assert refused == {(schema, "invalid_json", 1) for schema in pythons}


def _of_each(tifo: LocalTifo, schemas: Sequence[str], asked: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tifo.query(" union all ".join(f"select {asked.format(schema)}" for schema in schemas))
    return found


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
