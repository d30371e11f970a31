"""Roles die by SIGKILL at random moments under load; nothing acknowledged is lost, and nothing comes twice."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import psutil
import pytest

from tifo.app.demo.local import LocalTifo

ROLES = ("api", "relay", "loader")
KILLS = 25
CLIENTS = 6
BATCH = 20


@pytest.mark.kill
def test_acknowledged_events_and_rewards_survive_kills_of_every_role(
    tmp_path_factory: pytest.TempPathFactory, rows_of: Callable[..., dict[str, int]]
) -> None:
    tifo = LocalTifo(tmp_path_factory.mktemp("crash") / "data")
    with tifo.up("--flush-s", "0.2") as supervisor:
        web = tifo.command("source", "create", "Web", "--type", "http")
        play = tifo.command("source", "create", "Play", "--type", "livelike")
        app = tifo.command("app", "create", "Club")
        tifo.command("app", "connect", app["client_id"], "--write-key", play["write_key"])
        load = asyncio.run(_load_while_killing(tifo, supervisor.pid, web["write_key"], app))

        expected = {"seen": len(load.acknowledged)}
        assert rows_of(tifo, web["schema"], expected) == expected
        assert {row["id"] for row in tifo.query(f"select id from {web['schema']}.seen")} == load.acknowledged
        paid = {"reward_item_rewarded": load.paid}
        assert rows_of(tifo, play["schema"], paid) == paid
        tracks = {"tracks": load.paid}
        assert rows_of(tifo, play["schema"], tracks) == tracks
        verdict = tifo.audit()
        told = _settled_overview(tifo)
    assert told[web["slug"]]["received"] == told[web["slug"]]["delivered"] == len(load.acknowledged)
    assert told[play["slug"]]["received"] == told[play["slug"]]["delivered"] == load.paid
    assert verdict["ok"], verdict
    assert verdict["rows"] == verdict["events"] == verdict["ledger"] == load.paid
    assert load.killed == {role: n for role, n in load.killed.items() if n > 0}, "every role must have died"
    assert len(load.acknowledged) > BATCH * KILLS, "the load must have kept on"


def _settled_overview(tifo: LocalTifo) -> dict[str, Any]:
    """Event Delivery of the warehouse, by source, once nothing waits."""
    deadline = time.monotonic() + 20
    while True:
        told = {row["source"]: row for row in tifo.command("delivery", "overview")["connections"]}
        if not any(row["waiting"] for row in told.values()) or time.monotonic() > deadline:
            return told
        time.sleep(0.2)


@dataclass
class _Load:
    acknowledged: set[str] = field(default_factory=set)
    paid: int = 0
    killed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ROLES, 0))
    over: bool = False


async def _load_while_killing(tifo: LocalTifo, supervisor: int, write_key: str, app: dict[str, str]) -> _Load:
    load = _Load()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        player = await _Player.set_up(session, tifo, app)
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(_track(session, tifo, write_key, load, number))
                group.create_task(player.play(load, number))
            await _kill(supervisor, load)
            load.over = True
    return load


async def _kill(supervisor: int, load: _Load) -> None:
    chance = random.Random(5)
    while sum(load.killed.values()) < KILLS:
        await asyncio.sleep(chance.uniform(0.05, 0.8))
        # Each role in turn for the first kills, so that none is spared by chance.
        done = sum(load.killed.values())
        role = ROLES[done] if done < len(ROLES) else chance.choice(ROLES)
        pid = await asyncio.to_thread(_pid_of, supervisor, role)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            load.killed[role] += 1


def _pid_of(supervisor: int, role: str) -> int | None:
    """None while the role is being started again."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(supervisor).children():
            if f"--roles {role}" in " ".join(child.cmdline()):
                return child.pid
    return None


async def _track(session: aiohttp.ClientSession, tifo: LocalTifo, write_key: str, load: _Load, client: int) -> None:
    """Batches and single calls; what is not answered is sent again, with the same ids, as the SDKs do."""
    number = 0
    while not load.over:
        number += 1
        size = BATCH if number % 2 else 1
        ids = [f"{client}-{number}-{n}" for n in range(size)]
        events = [{"type": "track", "event": "Seen", "userId": "u", "messageId": i, "properties": {}} for i in ids]
        path, body = ("batch", {"batch": events}) if size > 1 else ("track", events[0])
        url = f"{tifo.address}/v1/{path}"
        await _until_answered(session, "POST", url, {**body, "writeKey": write_key}, {}, {200})
        load.acknowledged.update(ids)


@dataclass
class _Player:
    session: aiohttp.ClientSession
    base: str
    headers: dict[str, str]
    program_id: str

    @classmethod
    async def set_up(cls, session: aiohttp.ClientSession, tifo: LocalTifo, app: dict[str, str]) -> "_Player":
        headers = {"Authorization": f"Bearer {app['producer_token']}"}
        player = cls(session, f"{tifo.address}/api/v1/", headers, app["program_id"])
        client = {"client_id": app["client_id"]}
        _, item = await player.post("reward-items/", {**client, "name": "Points"}, {201})
        await player.post("reward-actions/", {**client, "name": "Vote", "key": "vote"}, {201})
        entry = {"reward_item_id": item["id"], "reward_item_amount": 1, "action": "vote"}
        await player.post("reward-tables/", {**client, "name": "T", "entries": [entry]}, {201})
        for number in range(CLIENTS):
            path = f"profile-by-custom-id/{app['client_id']}/fan-{number}/"
            await player.post(path, {"nickname": "F"}, {201})
        return player

    async def post(self, path: str, body: object, expect: set[int]) -> tuple[int, Any]:
        return await _until_answered(self.session, "POST", self.base + path, body, self.headers, expect)

    async def play(self, load: _Load, number: int) -> None:
        """An action whose answer was lost is invoked again with its code: 409 then means that it was paid."""
        turn = 0
        while not load.over:
            turn += 1
            body = {
                "program_id": self.program_id,
                "custom_profile_id": f"fan-{number}",
                "reward_action_key": "vote",
                "code": f"{number}-{turn}",
            }
            await self.post("invoked-actions/", body, {201, 409})
            load.paid += 1


async def _until_answered(
    session: aiohttp.ClientSession, method: str, url: str, body: object, headers: dict[str, str], expect: set[int]
) -> tuple[int, Any]:
    deadline = time.monotonic() + 60
    while True:
        assert time.monotonic() < deadline, f"{url} was not answered"
        try:
            async with session.request(method, url, json=body, headers=headers) as answer:
                content = await answer.json()
                if answer.status in expect:
                    return answer.status, content
                assert answer.status in {429, 503}, (answer.status, content)
        except (aiohttp.ClientError, TimeoutError):
            pass
        await asyncio.sleep(0.05)
