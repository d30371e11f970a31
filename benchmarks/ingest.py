"""The Tracking API, answered after fsync: single events over 32 connections, and batches of 100."""

import argparse
import base64
import contextlib
import json
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.http_load import Result, drive, peak_mb, report, request
from tifo.app.demo.local import LocalTifo
from tifo.eventlog.sqlite import SqliteEventLog
from tifo.kernel.ids import START
from tifo.web.listening import free_port

BATCH = 100
_TURNS = 4
_FRESH = 1_000_000
"""So that no turn sends message ids that another has sent."""
_MARK = b"N" * 20
_UUID = "01a20b4b-4224-7d0f-b3a4-423990486580"
EVENT = {
    "type": "track",
    "event": "Reward Item Rewarded",
    "userId": "fan-1",
    "messageId": _MARK.decode(),
    "timestamp": "2026-11-24T10:00:00.123Z",
    "properties": {
        "livelike_profile_id": _UUID,
        "reward_item_name": "Points",
        "reward_item_amount": 5,
        "reward_item_balance": 25,
        "reward_item_id": _UUID,
        "reward_item_transaction_id": _UUID,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    seconds = parser.parse_args().seconds
    with bare() as port:
        single = drive(port, _singles("k"), seconds=seconds)
        batches = drive(port, _batches("k"), seconds=seconds)
    report("bare HTTP, one event", single.per_second, "req", result=single)
    report(f"bare HTTP, {BATCH} events", batches.per_second * BATCH, "event", result=batches)
    _tifo("durable /v1/track", _singles, seconds, 1, single)
    _tifo(f"durable /v1/batch of {BATCH}", _batches, seconds, BATCH, batches)
    _planned(seconds)
    _sqlite(seconds)


def _tifo(what: str, make: Callable[[str], Callable[[int], bytes]], seconds: float, size: int, bare: Result) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tifo = LocalTifo(Path(folder) / "data")
        source = tifo.command("source", "create", "Bench", "--type", "http")
        with tifo.up("--roles", "api") as api:
            result = drive(tifo.port, make(source["write_key"]), seconds=seconds)
            memory = peak_mb(api.pid)
        report(what, result.per_second * size, "event", result=result, bare=bare.per_second * size)
        log = SqliteEventLog(tifo.data / "log", read_only=True)
        assert log.behind(START) == result.requests * size, "every acknowledged event is in the log, once"
        assert log.read(START, max_events=1)
        log.close()
        print(f"{'':<34} peak memory {memory:,.0f} MB")


def _planned(seconds: float) -> None:
    """Batches into two sources of one Tifo by turns: one without a tracking plan, one with that of the six events."""
    with tempfile.TemporaryDirectory() as folder:
        tifo = LocalTifo(Path(folder) / "data")
        keys = [tifo.command("source", "create", kind, "--type", kind)["write_key"] for kind in ("http", "livelike")]
        sent, took_s = [0, 0], [0.0, 0.0]
        with tifo.up("--roles", "api"):
            for turn in range(_TURNS * 2):
                make, first = _batches(keys[turn % 2]), turn * _FRESH
                result = drive(tifo.port, partial(_later, make, first), seconds=seconds / _TURNS)
                sent[turn % 2] += result.requests * BATCH
                took_s[turn % 2] += result.seconds
    without, planned = (sent[which] / took_s[which] for which in (0, 1))
    report(f"batches of {BATCH}, no plan", without, "event")
    report(f"batches of {BATCH}, a tracking plan", planned, "event")
    print(f"{'':<34} {planned / without:.2f} of the rate without")


def _later(make: Callable[[int], bytes], first: int, number: int) -> bytes:
    return make(first + number)


@contextlib.contextmanager
def bare() -> Iterator[int]:
    port = free_port()
    with subprocess.Popen([sys.executable, "-m", "benchmarks.bare_server", str(port)]) as server:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield port
        server.terminate()


def _singles(write_key: str) -> Callable[[int], bytes]:
    head, tail = _around(json.dumps(EVENT).encode(), write_key, "/v1/track")
    return lambda number: head + b"%020d" % number + tail


def _batches(write_key: str) -> Callable[[int], bytes]:
    """Each event's message id is its request's number and its place, written over the prepared bytes."""
    body = json.dumps({"batch": [EVENT] * BATCH, "sentAt": "2026-11-24T10:00:01.123Z"}).encode()
    first, *rest = request("/v1/batch", body, _auth(write_key)).split(_MARK)
    after = [b"%05d" % place + part for place, part in enumerate(rest)]
    return lambda number: (b"%015d" % number).join([first, *after])


def _around(body: bytes, write_key: str, path: str) -> tuple[bytes, bytes]:
    head, _, tail = request(path, body, _auth(write_key)).partition(_MARK)
    return head, tail


def _auth(write_key: str) -> str:
    return f"Authorization: Basic {base64.b64encode(f'{write_key}:'.encode()).decode()}\r\n"


def _sqlite(seconds: float) -> None:
    """The same events as rows of their own, a thousand a commit, in one process."""
    body = json.dumps(EVENT)
    with tempfile.TemporaryDirectory() as folder:
        db = sqlite3.connect(Path(folder) / "bare.db", isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE events (position INTEGER PRIMARY KEY, id TEXT UNIQUE, body TEXT)")
        rows, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            db.execute("BEGIN")
            db.executemany("INSERT INTO events VALUES (NULL, ?, ?)", ((f"{rows + n:020}", body) for n in range(1000)))
            db.execute("COMMIT")
            rows += 1000
        report("bare SQLite, a row an event", rows / (time.perf_counter() - started), "event")
        db.close()


if __name__ == "__main__":
    main()
