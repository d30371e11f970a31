"""The game over HTTP with 32 connections, on SQLite and on PostgreSQL: invoked actions, each durable, paying an item
and progressing a task, one by one and in batches; steps of tasks; reads of balances; and how long an action takes to
become a row.
"""

import argparse
import asyncio
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from benchmarks.http_load import drive, get, peak_mb, report, request
from benchmarks.ingest import bare
from tests.postgres import postgres_server
from tifo.app import compose
from tifo.app.demo.local import LocalTifo
from tifo.app.settings import load_settings

TARGET = 1_000_000
BATCH = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--fans", type=int, default=1000)
    options = parser.parse_args()
    with bare() as port:
        empty = drive(port, lambda n: request("/", b'{"code":"%020d"}' % n), seconds=options.seconds)
    report("bare HTTP, one action", empty.per_second, "req", result=empty)
    _engine("SQLite", {}, options.seconds, options.fans, empty.per_second)
    with postgres_server(durable=True) as server:
        settings = {"TIFO_DATABASE_URL": server.new_database()}
        _engine("PostgreSQL", settings, options.seconds, options.fans, empty.per_second)
    _latency(options.seconds)
    _sqlite(options.seconds)


def _engine(on: str, settings: Mapping[str, str], seconds: float, fans: int, bare_rate: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tifo = LocalTifo(Path(folder) / "data", settings)
        app = tifo.command("app", "create", "Bench")
        with tifo.up("--roles", "api") as api:
            game = asyncio.run(_set_up(tifo, app, fans))
            result = drive(tifo.port, game.action, seconds=seconds, ok=b"HTTP/1.1 201")
            settings_of = load_settings({"data": tifo.data}, settings)
            with compose.opened(settings_of) as backend:
                facts = sum(backend.ledger_audit.facts_by_application().values())
            batches = drive(tifo.port, game.batch, seconds=seconds, connections=4, ok=b"HTTP/1.1 201")
            memory = peak_mb(api.pid)
            reads = drive(tifo.port, game.balances, seconds=seconds)
            steps = drive(tifo.port, game.step, seconds=seconds, ok=b"HTTP/1.1 201")
        print(f"on {on}")
        report("durable invoked actions", result.per_second, "action", result=result, bare=bare_rate)
        report(f"the same in batches of {BATCH}", BATCH * batches.per_second, "grant", result=batches)
        report("durable steps of tasks", steps.per_second, "step", result=steps, bare=bare_rate)
        report("reads of a fan's balances", reads.per_second, "read", result=reads, bare=bare_rate)
        assert facts == 2 * result.requests, "each action paid one item and progressed one task, once"
        print(f"{'':<34} peak memory {memory:,.0f} MB")


class _Game(NamedTuple):
    """The n-th requests, each of one of the fans, all of whom have started the quest."""

    action: Callable[[int], bytes]
    batch: Callable[[int], bytes]
    """`BATCH` actions of as many fans, each with a code."""
    step: Callable[[int], bytes]
    balances: Callable[[int], bytes]


async def _set_up(tifo: LocalTifo, app: dict[str, str], fans: int) -> _Game:
    headers = {"Authorization": f"Bearer {app['producer_token']}"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def post(path: str, body: dict[str, Any]) -> Any:
            async with session.post(f"{tifo.address}/api/v1/{path}", json=body) as answer:
                assert answer.status == 201, await answer.text()
                return await answer.json()

        client = {"client_id": app["client_id"]}
        item = await post("reward-items/", {**client, "name": "Points"})
        await post("reward-actions/", {**client, "name": "Vote", "key": "vote"})
        entry = {"reward_item_id": item["id"], "reward_item_amount": 1, "action": "vote"}
        await post("reward-tables/", {**client, "name": "Table", "entries": [entry]})
        quest = await post("quests/", {**client, "name": "Quest"})
        task = {"quest_id": quest["id"], "name": "Task", "target_value": TARGET, "reward_action_key": "vote"}
        await post("quest-tasks/", task)

        async def fan(number: int) -> tuple[str, str]:
            profile = await post(f"profile-by-custom-id/{app['client_id']}/fan-{number}/", {"nickname": "Fan"})
            run = await post("user-quests/", {"quest_id": quest["id"], "profile_id": profile["id"]})
            return str(profile["id"]), str(run["user_quest_tasks"][0]["id"])

        made = await asyncio.gather(*map(fan, range(fans)))
    auth = f"Authorization: Bearer {app['producer_token']}\r\n"

    def action(number: int) -> bytes:
        body = {
            "program_id": app["program_id"],
            "profile_id": made[number % fans][0],
            "reward_action_key": "vote",
            "code": f"{number:012}",
        }
        return request("/api/v1/invoked-actions/", json.dumps(body).encode(), auth)

    def batch(number: int) -> bytes:
        updates = [
            {
                "profile_id": made[(number * BATCH + each) % fans][0],
                "reward_actions": [{"reward_action_key": "vote", "code": f"batch-{number}-{each}"}],
            }
            for each in range(BATCH)
        ]
        body = json.dumps({"program_id": app["program_id"], "updates": updates}).encode()
        return request("/api/v1/batch-invoked-actions/", body, auth)

    def step(number: int) -> bytes:
        body = json.dumps({"user_quest_task_id": made[number % fans][1]}).encode()
        return request("/api/v1/user-quest-task-progress/", body, auth)

    def balances(number: int) -> bytes:
        return get(f"/api/v1/profiles/{made[number % fans][0]}/reward-item-balances/", auth)

    return _Game(action, batch, step, balances)


def _latency(seconds: float) -> None:
    """At a tenth of the full rate or so: one connection, all roles."""
    with tempfile.TemporaryDirectory() as folder:
        tifo = LocalTifo(Path(folder) / "data")
        app = tifo.command("app", "create", "Bench")
        source = tifo.command("source", "create", "Bench", "--type", "livelike")
        tifo.command("app", "connect", app["client_id"], "--write-key", source["write_key"])
        with tifo.up():
            game = asyncio.run(_set_up(tifo, app, 50))
            result = drive(tifo.port, game.action, seconds=seconds, connections=1, ok=b"HTTP/1.1 201")
            expected = 2 * result.requests
            deadline = time.monotonic() + 30
            while tifo.rows(source["schema"], ["tracks"]).get("tracks", 0) < expected:
                assert time.monotonic() < deadline, "the rows did not arrive"
                time.sleep(0.2)
            [row] = tifo.query(
                'with arrived as (select epoch_ms(finished_at) - epoch_ms("timestamp") as ms'
                f" from {source['schema']}.tracks join _tifo.loads on uuid_ts = started_at)"
                " select quantile_cont(ms, 0.5) / 1000 as median, quantile_cont(ms, 0.99) / 1000 as p99 from arrived"
            )
    rate = result.per_second
    print(f"action to queryable row at {rate:,.0f}/s: median {row['median']:.2f} s  p99 {row['p99']:.2f} s", flush=True)


def _sqlite(seconds: float) -> None:
    """The rows of one action (ledger, balance, action, task, two facts) in one process, 32 actions a commit."""
    with tempfile.TemporaryDirectory() as folder:
        db = sqlite3.connect(Path(folder) / "bare.db", isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE facts (position INTEGER PRIMARY KEY, client TEXT, body TEXT)")
        db.execute("CREATE TABLE actions (position INTEGER PRIMARY KEY, fan TEXT, code TEXT, body TEXT)")
        db.execute("CREATE UNIQUE INDEX codes ON actions (fan, code)")
        db.execute("CREATE TABLE ledger (position INTEGER PRIMARY KEY, fan TEXT, amount INT, balance INT, body TEXT)")
        db.execute("CREATE TABLE balances (fan TEXT PRIMARY KEY, balance INT) WITHOUT ROWID")
        db.execute("CREATE TABLE tasks (id TEXT PRIMARY KEY, progress TEXT) WITHOUT ROWID")
        body, done, started = "x" * 400, 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            numbers = range(done, done + 32)
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO facts VALUES (NULL, 'c', ?)", [(body,)] * 64)
            fans = [(f"fan{n % 1000}", n) for n in numbers]
            db.executemany("INSERT INTO actions VALUES (NULL, ?, ?, ?)", [(*fan, body) for fan in fans])
            db.executemany("INSERT INTO ledger VALUES (NULL, ?, 1, ?, ?)", [(*fan, body) for fan in fans])
            db.executemany("REPLACE INTO balances VALUES (?, ?)", fans)
            db.executemany("REPLACE INTO tasks VALUES (?, ?)", fans)
            db.execute("COMMIT")
            done += 32
        report("bare SQLite, an action's rows", done / (time.perf_counter() - started), "action")
        db.close()


if __name__ == "__main__":
    main()
