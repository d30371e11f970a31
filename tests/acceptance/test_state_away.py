"""The state goes away under a running node: requests fail at once and in words, and all goes on when it is back."""

import base64
import contextlib
import hashlib
import hmac
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.postgres import PostgresServer, postgres_server
from tifo.app.demo.local import LocalTifo

WITHIN_S = 2.0
_UNTIL_S = 30.0
_SECRET = "secret"
_AT = "2026-11-24T12:41:24Z"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


class Outage(NamedTuple):
    settings: dict[str, str]
    begin: Callable[[], object]
    end: Callable[[], object]


@pytest.fixture(params=["stopped", "paused", "locked"])
def outage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outage]:
    with contextlib.ExitStack() as under_way:
        if request.param == "locked":
            lock = _locked(tmp_path / "data" / "tifo.db")
            yield Outage({}, lambda: under_way.enter_context(lock), under_way.close)
            return
        server: PostgresServer = request.getfixturevalue("postgres")
        begin, end = (server.stop, server.start) if request.param == "stopped" else (server.pause, server.resume)

        def begun() -> None:
            begin()
            under_way.callback(end)

        yield Outage({"TIFO_DATABASE_URL": server.new_database()}, begun, under_way.close)


@contextlib.contextmanager
def _locked(database: Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None, check_same_thread=False)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


class Node:
    """Writes to each API of a node, anew each time."""

    def __init__(self, tifo: LocalTifo) -> None:
        self.http = httpx.Client(base_url=tifo.address, timeout=30)
        self._app = tifo.command("app", "create", "Club")
        self._source = tifo.command("source", "create", "Site", "--type", "http")
        hooks = tifo.command("source", "create", "Hooks", "--type", "livelike")
        self._hooks = tifo.command("source", "webhooks-in", hooks["slug"], "--secret", _SECRET)["path"]
        self._token = tifo.command("workspace", "token", "create", "--name", "Console", "--role", "editor")["token"]
        self._numbers = iter(range(1_000_000))

    def writes(self) -> dict[str, Callable[[], httpx.Response]]:
        return {
            "tracking": self._track,
            "livelike": self._make_fan,
            "management": self._make_source,
            "webhooks": self._receive,
        }

    def close(self) -> None:
        self.http.close()

    def until_all_succeed(self) -> None:
        deadline_s = time.monotonic() + _UNTIL_S
        for name, write in self.writes().items():
            while not (answer := write()).is_success:
                assert time.monotonic() < deadline_s, (name, answer.status_code, answer.text)

    def _track(self) -> httpx.Response:
        body = {"userId": "ada", "event": "Seen", "writeKey": self._source["write_key"]}
        return self.http.post("/v1/track", json=body)

    def _make_fan(self) -> httpx.Response:
        path = f"/api/v1/profile-by-custom-id/{self._app['client_id']}/fan{next(self._numbers)}/"
        return self._livelike(path)

    def _livelike(self, path: str, **body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._app['producer_token']}"}
        return self.http.post(path, json=body, headers=headers)

    def _make_source(self) -> httpx.Response:
        slug = f"site-{next(self._numbers)}"
        body = {"slug": slug, "metadataId": "node", "enabled": True}
        return self.http.post("/management/sources", json=body, headers={"Authorization": f"Bearer {self._token}"})

    def _receive(self) -> httpx.Response:
        body, headers = _signed(next(self._numbers))
        return self.http.post(self._hooks, content=body, headers=headers)


def _signed(number: int) -> tuple[bytes, dict[str, str]]:
    body = json.dumps({"id": f"hook-{number}", "event": "badge-awarded", "data": {}, "created_at": _AT}).encode()
    mark = base64.b64encode(hmac.new(_SECRET.encode(), body, hashlib.sha1).digest()).decode()
    return body, {"X-Webhook-Signature": mark}


def test_writes_fail_within_two_seconds_in_words_and_succeed_when_the_state_is_back(
    tmp_path: Path, outage: Outage
) -> None:
    tifo = LocalTifo(tmp_path / "data", outage.settings)
    with tifo.up(), contextlib.closing(Node(tifo)) as node:
        node.until_all_succeed()
        outage.begin()
        for _ in range(2):  # what is found out at first is remembered
            with ThreadPoolExecutor(32) as threads:
                asked = [
                    (name, threads.submit(_timed, write)) for name, write in node.writes().items() for _ in "12345678"
                ]
            for name, answered in asked:
                answer, took_s = answered.result()
                if name == "tracking" and answer.status_code == 200:
                    continue  # stored in the log, which is not the state
                assert (name, answer.status_code) == (name, 503)
                assert int(answer.headers["retry-after"]) >= 1
                assert took_s < WITHIN_S, name
        answer, took_s = _timed(lambda: node.http.get("/health"))
        assert (answer.status_code, took_s < WITHIN_S) == (200, True)
        ready = node.http.get("/ready")
        assert ready.status_code == 503
        assert ready.json()["state"]["status"] == "down"
        outage.end()
        node.until_all_succeed()
        _until(lambda: node.http.get("/ready").status_code == 200)


def test_sigterm_ends_with_0_while_the_state_is_away(tmp_path: Path, outage: Outage) -> None:
    tifo = LocalTifo(tmp_path / "data", outage.settings)
    with tifo.up(), contextlib.closing(Node(tifo)) as node:
        node.until_all_succeed()
        outage.begin()
        for write in node.writes().values():
            write()
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 10
    outage.end()


def _timed(ask: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    began_s = time.monotonic()
    return ask(), time.monotonic() - began_s


def _until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _UNTIL_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
