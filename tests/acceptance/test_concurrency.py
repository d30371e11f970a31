"""Sixty-four clients ask for the same thing at once, round after round: it happens once, and every balance is exact."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.postgres import PostgresServer
from tifo.app.demo.local import LocalTifo

CLIENTS = 64
ROUNDS = 200
CIRCLE = 4
STAKE = 1_000
VOTE, TROPHY = 5, 50


@pytest.fixture(params=["sqlite", "postgres"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> list[LocalTifo]:
    """Where Tifo runs: one place on SQLite, two on the same PostgreSQL."""
    if request.param == "sqlite":
        return [LocalTifo(tmp_path / "data")]
    server: PostgresServer = request.getfixturevalue("postgres")
    settings = {"TIFO_DATABASE_URL": server.new_database()}
    return [LocalTifo(tmp_path / f"data-{number}", settings) for number in range(2)]


@pytest.mark.concurrency
def test_what_is_asked_for_at_once_is_paid_once(places: list[LocalTifo]) -> None:
    tifo, *others = places
    with tifo.up("--flush-s", "0.5"), contextlib.ExitStack() as beside:
        for other in others:
            beside.enter_context(other.up("--roles", "api"))
        app = tifo.command("app", "create", "Club")
        source = tifo.command("source", "create", "Play", "--type", "livelike")
        tifo.command("app", "connect", app["client_id"], "--write-key", source["write_key"])
        asyncio.run(_play(app, [place.address for place in places]))
        verdict = tifo.audit()
    assert verdict["ok"], verdict
    # A round: a vote and a quest reward paid, and two steps, a task and a quest.
    assert verdict["ledger"] == verdict["events"] == verdict["rows"] == ROUNDS * 6


async def _play(app: dict[str, str], addresses: Sequence[str]) -> None:
    connector = aiohttp.TCPConnector(limit=CLIENTS)
    headers = {"Authorization": f"Bearer {app['producer_token']}"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        crowd = _Crowd(session, addresses, app)
        await crowd.set_up()
        for number in range(ROUNDS):
            await crowd.play(number)
        await crowd.check_circle()


class _Crowd:
    def __init__(self, session: aiohttp.ClientSession, addresses: Sequence[str], app: dict[str, str]) -> None:
        self.session = session
        self.addresses = addresses
        self.app = app
        self.item = self.quest = ""
        self.circle: list[str] = []
        self.expected: list[int] = []

    async def set_up(self) -> None:
        mine = {"client_id": self.app["client_id"]}
        self.item = (await self.made("reward-items", {**mine, "name": "Points"}))["id"]
        await self.made("reward-actions", {**mine, "key": "vote", "name": "Vote"})
        entry = {"reward_item_id": self.item, "reward_item_amount": VOTE, "action": "vote"}
        await self.made("reward-tables", {**mine, "name": "Match", "entries": [entry]})
        self.quest = (await self.made("quests", {**mine, "name": "Derby"}))["id"]
        await self.made("quest-tasks", {**mine, "quest_id": self.quest, "name": "Twice", "target_value": 2})
        reward = {"reward_item_id": self.item, "reward_item_amount": TROPHY}
        await self.made("quest-rewards", {"quest_id": self.quest, "quest_rewards": [reward]})
        self.circle = [await self.fan(f"circle-{n}") for n in range(CIRCLE)]
        self.expected = [STAKE] * CIRCLE
        for fan in self.circle:
            credit = {"reward_item_id": self.item, "reward_item_amount": STAKE}
            await self.asked("POST", f"profiles/{fan}/reward-item-credits", credit)

    async def play(self, number: int) -> None:
        fan = await self.fan(f"fan-{number}")
        run = await self.made("user-quests", {"quest_id": self.quest, "profile_id": fan})
        step = {"user_quest_task_id": run["user_quest_tasks"][0]["id"]}
        await self.made("user-quest-task-progress", step)
        vote = {
            "program_id": self.app["program_id"],
            "profile_id": fan,
            "reward_action_key": "vote",
            "code": f"vote-{number}",
        }
        votes = await self.at_once("POST", "invoked-actions", vote)
        assert votes == {201: 1, 409: CLIENTS - 1}
        # The last step: it completes the task once, and those that come later find it completed.
        assert await self.at_once("POST", "user-quest-task-progress", step) == {201: CLIENTS}
        claim = {"rewards_status": "claimed"}
        assert await self.at_once("PATCH", f"user-quests/{run['id']}", claim) == {200: CLIENTS}
        await self.turn_circle(number)
        assert await self.balance(fan) == VOTE + TROPHY

    async def turn_circle(self, number: int) -> None:
        """Each fan passes some on to the next, all at once and many times: what is taken here arrives there."""

        async def pass_on(client: int) -> None:
            giver = client % CIRCLE
            taker = (giver + 1) % CIRCLE
            amount = 1 + (client * 7 + number) % 300
            body = {
                "reward_item_id": self.item,
                "reward_item_amount": amount,
                "recipient_profile_id": self.circle[taker],
            }
            status, _ = await self.asked("POST", f"profiles/{self.circle[giver]}/reward-item-transfers", body, client)
            assert status in {201, 400}  # 400: the balance did not suffice
            if status == 201:
                self.expected[giver] -= amount
                self.expected[taker] += amount

        await asyncio.gather(*map(pass_on, range(CLIENTS)))

    async def check_circle(self) -> None:
        assert [await self.balance(fan) for fan in self.circle] == self.expected
        assert sum(self.expected) == STAKE * CIRCLE

    async def at_once(self, method: str, path: str, body: dict[str, Any]) -> dict[int, int]:
        """How often each status was the answer to the same request of every client."""
        answers = await asyncio.gather(*(self.asked(method, path, body, client) for client in range(CLIENTS)))
        return dict(Counter(status for status, _ in answers))

    async def made(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        status, answer = await self.asked("POST", path, body)
        assert status == 201, answer
        return answer

    async def fan(self, custom_id: str) -> str:
        fan: str = (await self.made(f"profile-by-custom-id/{self.app['client_id']}/{custom_id}", {}))["id"]
        return fan

    async def balance(self, fan: str) -> int:
        _, answer = await self.asked("GET", f"profiles/{fan}/reward-item-balances/{self.item}")
        balance: int = answer["reward_item_balance"]
        return balance

    async def asked(
        self, method: str, path: str, body: dict[str, Any] | None = None, client: int = 0
    ) -> tuple[int, dict[str, Any]]:
        url = f"{self.addresses[client % len(self.addresses)]}/api/v1/{path}/"
        async with self.session.request(method, url, json=body) as response:
            return response.status, await response.json()
