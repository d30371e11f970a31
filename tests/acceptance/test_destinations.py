"""A destination of a real `tifo up`: a server that fails in bursts, a deliverer that is killed, and the numbers."""

import gzip
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.commands import command
from tifo.app import compose
from tifo.app.demo.local import LocalTifo
from tifo.app.settings import Settings
from tifo.kernel.errors import Rejected
from tifo.operations import delivery, destinations
from tifo.operations.delivery import ConnectionTotals

WITHIN_S = 60.0
Call = Callable[..., Any]


class Hook:
    """Answers as `judge` says of each message's n-th attempt; keeps what it has taken."""

    def __init__(self) -> None:
        self.judge: Callable[[str, int], int] = lambda *_: 200
        self.attempts: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()
        self._lock = threading.Lock()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told = json.loads(body)
                status = hook.receive(told if isinstance(told, list) else [told])
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def receive(self, messages: list[dict[str, Any]]) -> int:
        with self._lock:
            ids = [message["messageId"] for message in messages]
            self.attempts.update(ids)
            status = max(self.judge(each, self.attempts[each]) for each in ids)
            if status == 200:
                self.taken.update(ids)
            return status

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


@pytest.fixture
def tifo(tmp_path: Path) -> LocalTifo:
    return LocalTifo(tmp_path / "data", {"TIFO_EGRESS_ALLOW": "127.0.0.0/8"})


def send(tifo: LocalTifo, call: Call, key: str, ids: list[str], **more: Any) -> None:
    batch = [{"type": "track", "event": "Seen", "userId": "ada", "messageId": each, **more} for each in ids]
    assert call("POST", f"{tifo.address}/v1/batch", {"batch": batch}, write_key=key).status == 200


def until(told: Callable[[], Any], wanted: Any) -> None:
    deadline = time.monotonic() + WITHIN_S
    while (found := told()) != wanted:
        assert time.monotonic() < deadline, (found, wanted)
        time.sleep(0.1)


def loaded(settings: Settings) -> int:
    try:
        return len(command(settings, "sql", "select id from shop.tracks"))
    except Rejected:  # nothing is there yet
        return 0


def overview(settings: Settings) -> Sequence[ConnectionTotals]:
    with compose.opened(settings) as backend:
        return delivery.overview(backend)


def add(settings: Settings, kind: str, name: str, **made: str) -> None:
    with compose.opened(settings) as backend:
        destinations.add(backend, kind, "shop", made, name=name)


def parts(settings: Settings) -> dict[str, int]:
    """As `tifo delivery overview` has them; they always add up."""
    (row,) = overview(settings)
    told = {name: getattr(row, name) for name in ("filtered_at_destination", "waiting", "failed", "delivered")}
    assert sum(told.values()) == row.received, row
    return {name: number for name, number in told.items() if number}


def test_every_events_fate_is_known_whatever_the_server_does(tifo: LocalTifo, call: Call, hook: Hook) -> None:
    settings = Settings(data=tifo.data)
    key = command(settings, "source", "create", "shop", "--type", "http")["write_key"]
    hook.judge = lambda message, attempt: (
        400 if message.endswith("7") else 500 if attempt <= int(message[1:]) % 3 else 200
    )
    with tifo.up():
        asked = ["--source", "shop", "--name", "hook", "--set", f"url={hook.url}", "--set", "shared_secret=hush"]
        made = tifo.command("destination", "add", "webhook", *asked)
        assert made.keys() == {"id", "name", "kind"}
        ids = [f"m{number}" for number in range(100)]
        send(tifo, call, key, ids)
        send(tifo, call, key, ["kept-out"], integrations={"Webhooks": False})
        until(lambda: parts(settings), {"delivered": 90, "failed": 10, "filtered_at_destination": 1})
        assert hook.taken == Counter(each for each in ids if not each.endswith("7")), (
            "each once, none after it was taken"
        )
        told = tifo.command("delivery", "overview")["connections"]
        assert told[0]["latency_ms"]["p50"] > 0
        codes = {each["code"]: each["count"] for each in command(settings, "delivery", "errors")}
        assert codes["400"] == 10
        (refused,) = [row for row in tifo.command("delivery", "errors") if row["code"] == "400"]
        assert json.loads(refused["received"])["event"] == "Seen"
        assert refused["request"].startswith("POST http://127.0.0.1")
        assert refused["response"].startswith("400")
        (counted,) = tifo.command("delivery", "overview", "--by", "eventName", "--since", "1h")["breakdown"]
        told = (counted["eventName"], counted["delivered"], counted["failed"], counted["filtered"])
        assert told == ("Seen", 90, 10, 1)
        assert codes["FILTERED_BY_INTEGRATIONS_OBJECT"] == 1
        hook.judge = lambda *_: 200
        assert tifo.command("delivery", "replay", "--destination", "hook") == {"replayed": 10}
        until(lambda: parts(settings), {"delivered": 100, "filtered_at_destination": 1})
        assert hook.taken == Counter(ids)

        def loads() -> dict[str, Any]:
            rows = tifo.command("delivery", "overview")["connections"]
            (row,) = [each for each in rows if each["kind"] == "duckdb"]
            told = {name: row[name] for name in ("filtered_at_destination", "waiting", "failed", "delivered")}
            assert sum(told.values()) == row["received"]
            return {**told, "p50": row["latency_ms"]["p50"] is not None}

        send(tifo, call, key, ["not-for-warehouses"], integrations={"Warehouses": {"all": False}})
        all_loaded = {"filtered_at_destination": 1, "waiting": 0, "failed": 0, "delivered": 101, "p50": True}
        until(loads, all_loaded)
    assert b"hush" not in (tifo.data / "tifo.db").read_bytes()


def test_a_server_that_is_away_gets_everything_once_it_is_back(tifo: LocalTifo, call: Call, hook: Hook) -> None:
    settings = Settings(data=tifo.data)
    key = command(settings, "source", "create", "shop", "--type", "http")["write_key"]
    is_back = threading.Event()
    hook.judge = lambda *_: 200 if is_back.is_set() else 503
    with tifo.up():
        add(settings, "webhook", "hook", url=hook.url)
        ids = [f"m{number}" for number in range(2_000)]
        send(tifo, call, key, ids)
        until(lambda: overview(settings)[0].dead is not None, True)
        assert parts(settings) == {"waiting": 2_000}
        assert sum(hook.attempts.values()) < 100, "a dead server is not hammered"
        until(lambda: loaded(settings), 2_000)  # and it holds up no warehouse
        is_back.set()
        until(lambda: parts(settings), {"delivered": 2_000})
    assert hook.taken == Counter(ids)


def test_events_are_forwarded_as_they_are_to_another_pipeline(tifo: LocalTifo, call: Call) -> None:
    """To another source of the same Tifo, which could as well be Segment's: same ids, fields and times."""
    settings = Settings(data=tifo.data)
    key, other = (
        command(settings, "source", "create", name, "--type", "http")["write_key"] for name in ("shop", "other")
    )
    with tifo.up("--flush-s", "0.3"):
        add(settings, "segment", "on", endpoint=tifo.address, write_key=other)
        at = {"timestamp": "2026-11-20T10:00:00.000Z", "sentAt": "2026-11-20T10:00:05.000Z"}
        calls: list[dict[str, Any]] = [
            {"type": "track", "event": "Seen", "properties": {"deep": {"n": 1.5}, "list": [1, 2]}},
            {"type": "identify", "traits": {"name": "Zoë"}},
            {"type": "page", "name": "Home", "context": {"ip": "1.2.3.4"}},
            {"type": "group", "groupId": "north"},
            {"type": "alias", "previousId": "before"},
            {"type": "screen", "name": "Lobby"},
        ]
        batch = [{**each, **at, "userId": "ada", "messageId": f"m{n}"} for n, each in enumerate(calls)]
        assert call("POST", f"{tifo.address}/v1/batch", {"batch": batch}, write_key=key).status == 200
        tables = ["seen", "tracks", "identifies", "users", "pages", "groups", "accounts", "aliases", "screens"]
        until(
            lambda: [rows(settings, "other", each) == rows(settings, "shop", each) != [] for each in tables], [True] * 9
        )
        assert parts(settings) == {"delivered": 6}
        moved = "select max(abs(epoch(a.timestamp) - epoch(b.timestamp))) as s"
        moved += " from shop.tracks a join other.tracks b using (id)"
        assert command(settings, "sql", moved)[0]["s"] < 5, "corrected once, not twice"


def rows(settings: Settings, schema: str, table: str) -> list[dict[str, Any]]:
    """But for the times: each pipeline has its own."""
    try:
        found = command(settings, "sql", f"select * from {schema}.{table} order by id")
    except Rejected:  # nothing is there yet
        return []
    own = {"timestamp", "original_timestamp", "sent_at", "received_at", "uuid_ts"}
    return [{name: value for name, value in row.items() if name not in own} for row in found]


@pytest.mark.kill
def test_a_deliverer_that_is_killed_again_and_again_loses_nothing(tifo: LocalTifo, call: Call, hook: Hook) -> None:
    """At least once: what was under way at a kill may be sent again, under its message id."""
    settings = Settings(data=tifo.data)
    key = command(settings, "source", "create", "shop", "--type", "http")["write_key"]
    chance = random.Random(5)
    hook.judge = lambda *_: chance.choices([200, 500, 400], [90, 8, 2])[0]
    kills = 20
    ids: list[str] = []
    with tifo.up("--roles", "api,loader"):
        add(settings, "webhook", "hook", url=hook.url)
        for round_ in range(kills):
            more = [f"m{round_}-{number}" for number in range(300)]
            send(tifo, call, key, more)
            ids += more
            before = hook.attempts.total()
            deliverer = tifo.start("--roles", "deliverer")
            until(partial(_has_more, hook, before), True)
            time.sleep(chance.uniform(0, 0.5))  # the moment of death, not a wait for something
            deliverer.kill()
            assert deliverer.wait(10) == -signal.SIGKILL
        hook.judge = lambda *_: 200
        deliverer = tifo.start("--roles", "deliverer")
        until(lambda: parts(settings).get("waiting", 0), 0)
        told = parts(settings)
        deliverer.terminate()
        assert deliverer.wait(15) == 0
    assert told.get("failed", 0) + told["delivered"] == len(ids)
    assert len(hook.taken) >= told["delivered"]
    assert len(set(ids) - set(hook.taken)) <= told.get("failed", 0)


def _has_more(hook: Hook, before: int) -> bool:
    return hook.attempts.total() > before


@pytest.mark.concurrency
def test_a_second_deliverer_of_the_same_folder_is_refused(tifo: LocalTifo) -> None:
    with tifo.up():
        second = subprocess.run(
            [sys.executable, "-m", "tifo", "up", "--roles", "deliverer", "--data", str(tifo.data)],
            capture_output=True,
            timeout=30,
            check=False,
        )
    assert second.returncode == 75
    assert b"Another process delivers" in second.stderr


def test_filters_choice_replay_and_trace_are_one_story(tifo: LocalTifo, call: Call, hook: Hook, tmp_path: Path) -> None:
    settings = Settings(data=tifo.data)
    key = command(settings, "source", "create", "shop", "--type", "http")["write_key"]
    event = tmp_path / "event.json"
    secret = {"type": "track", "event": "Secret", "messageId": "x", "properties": {"email": "a"}}
    event.write_text(json.dumps(secret))
    previewed = tifo.command(
        *("destination", "filter", "preview", str(event)),
        *("--if", "event = 'Secret'", "--drop-properties", "properties.email"),
    )
    assert previewed["result"]["properties"] == {}
    with tifo.up():
        send(tifo, call, key, ["before"])
        tifo.command("destination", "add", "webhook", "--source", "shop", "--name", "hook", "--set", f"url={hook.url}")
        told = tifo.command("destination", "test", "hook", "--event", str(event))
        assert (told["outcome"], hook.taken.pop("x")) == ("delivered", 1)
        assert told["request"].startswith("POST http://127.0.0.1")
        tifo.command("destination", "disable", "hook")
        condition = ["--if", "properties.secret", "--drop", "--title", "No secrets"]
        tifo.command("destination", "filter", "add", "hook", *condition)
        tifo.command("destination", "events", "hook", "--without", "Boring")
        hook.judge = lambda message, _: 400 if message == "bad" else 200
        send(tifo, call, key, ["m1", "m2"])
        send(tifo, call, key, ["hidden"], properties={"secret": True})
        send(tifo, call, key, ["boring"], event="Boring")
        send(tifo, call, key, ["bad"])
        tifo.command("destination", "enable", "hook")
        until(lambda: parts(settings), {"filtered_at_destination": 2, "failed": 1, "delivered": 2})
        until(lambda: loaded(settings), 6)

        def fate(message: str) -> tuple[str, str]:
            steps = tifo.command("delivery", "trace", message)["steps"]
            assert steps[0]["outcome"] == "stored"
            (last,) = [step for step in steps if step["where"] == "destination hook" and step["what"] == "delivery"]
            rows = [step["detail"] for step in steps if step["outcome"] == "loaded"]
            assert rows == ["shop.boring" if message == "boring" else "shop.seen", "shop.tracks"]
            return last["outcome"], last["detail"].partition(":")[0].partition(" ")[0]

        assert fate("m1") == ("delivered", "")
        assert fate("hidden") == fate("boring") == ("filtered", "FILTERED_BY_RULES")
        assert fate("bad") == ("failed", "400")
        assert fate("before")[0] == "not meant for it"
        assert len(tifo.command("delivery", "trace", "ada")["steps"]) > 18

        replay = ["delivery", "replay", "--destination", "hook"]
        assert tifo.command(*replay, "--event", "Seen", "--since", "1h")["replayed"] == 4  # "before" came too early
        until(lambda: (hook.taken["m1"], hook.taken["m2"], hook.attempts["bad"]), (2, 2, 2))
        hook.judge = lambda *_: 200
        assert tifo.command(*replay, "--message", "bad", "--failed")["replayed"] == 2
        until(lambda: hook.taken["bad"], 2)
        until(lambda: parts(settings), {"filtered_at_destination": 2, "delivered": 3})
        assert overview(settings)[0].replayed == 4
        assert hook.taken["before"] == 1
        assert not hook.taken["hidden"] + hook.taken["boring"]


def test_files_and_functions_get_every_event(tifo: LocalTifo, call: Call, tmp_path: Path) -> None:
    settings = Settings(data=tifo.data)
    key = command(settings, "source", "create", "shop", "--type", "http")["write_key"]
    told = tmp_path / "told"
    function = tmp_path / "mine.py"
    function.write_text(
        f"def on_track(event, settings):\n"
        f"    if event['messageId'] == 'm7' and settings['strict'] == 'yes':\n"
        f"        raise InvalidEventPayload('seven')\n"
        f"    open({str(told)!r}, 'a').write(event['messageId'] + '\\n')\n"
    )
    add = ["--source", "shop", "--name"]
    tifo.command("destination", "add", "files", *add, "lake", "--set", f"place={tmp_path / 'lake'}")
    asked = ["--set", f"file={function}", "--set", "settings=strict: yes"]
    tifo.command("destination", "add", "function", *add, "mine", *asked)
    with tifo.up():
        send(tifo, call, key, [f"m{number}" for number in range(50)])
        send(tifo, call, key, ["who"], type="identify")

        def fates() -> dict[str, tuple[int, int, int]]:
            rows = overview(settings)
            return {row.name: (row.delivered, row.failed, row.filtered_at_destination) for row in rows}

        until(fates, {"lake": (51, 0, 0), "mine": (49, 1, 1)})
        steps = tifo.command("delivery", "trace", "who")["steps"]
        told_of = {step["where"]: (step["outcome"], step["detail"].partition(":")[0]) for step in steps}
        assert told_of["destination lake"] == ("delivered", "")
        assert told_of["destination mine"] == ("filtered", "UNSUPPORTED_EVENT_TYPE")
    lines = [
        json.loads(line)["messageId"]
        for file in (tmp_path / "lake").rglob("*.ndjson.gz")
        for line in gzip.decompress(file.read_bytes()).splitlines()
    ]
    assert Counter(lines) == Counter(["who", *(f"m{number}" for number in range(50))])
    assert Counter(told.read_text().split()) == Counter(f"m{number}" for number in range(50) if number != 7)
