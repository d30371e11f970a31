"""PostgreSQL is killed and started again under load: who sends again loses nothing, and is paid once."""

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest

from tests.postgres import postgres_server
from tifo.app.demo.local import LocalTifo

RESTARTS = 3
CLIENTS = 16
PAID = 5


@pytest.mark.kill
def test_a_database_that_restarts_under_load_costs_no_accepted_command_and_pays_nothing_twice(tmp_path: Path) -> None:
    with postgres_server() as server:
        tifo = LocalTifo(tmp_path / "data", {"TIFO_DATABASE_URL": server.new_database()})
        with tifo.up("--roles", "api"):
            app = tifo.command("app", "create", "Club")

            async def play() -> tuple[list[int], int]:
                headers = {"Authorization": f"Bearer {app['producer_token']}"}
                async with aiohttp.ClientSession(f"{tifo.address}/api/v1/", headers=headers) as session:
                    load = _Load(session, app)
                    await load.set_up()
                    clients = [asyncio.create_task(load.vote_on(number)) for number in range(CLIENTS)]
                    for _ in range(RESTARTS):
                        await load.more(200)
                        await asyncio.to_thread(server.stop)
                        await asyncio.to_thread(server.start)
                    await load.more(200)
                    load.over = True
                    await asyncio.gather(*clients)
                    return load.statuses, await load.balance()

            statuses, balance = asyncio.run(play())
        assert set(statuses) == {201}
        assert balance == PAID * len(statuses)
        ledger = server.run("SELECT count(*), sum(amount) FROM transactions", tifo_url(tifo))
        facts = server.run("SELECT count(DISTINCT id) FROM facts", tifo_url(tifo))
        assert ledger == f"{len(statuses)}|{balance}"
        assert facts == str(len(statuses))


def tifo_url(tifo: LocalTifo) -> str:
    return tifo.settings["TIFO_DATABASE_URL"]


class _Load:
    def __init__(self, session: aiohttp.ClientSession, app: dict[str, str]) -> None:
        self.session = session
        self.app = app
        self.statuses: list[int] = []
        self.over = False
        self.fan = self.item = ""

    async def set_up(self) -> None:
        self.item = await self._make("reward-items/", name="Points")
        await self._make("reward-actions/", name="Vote", key="vote")
        entry = {"reward_item_id": self.item, "reward_item_amount": PAID, "action": "vote"}
        await self._make("reward-tables/", name="Match", entries=[entry])
        self.fan = await self._make(f"profile-by-custom-id/{self.app['client_id']}/ada/")

    async def vote_on(self, client: int) -> None:
        number = 0
        while not self.over:
            number += 1
            body = {
                "program_id": self.app["program_id"],
                "profile_id": self.fan,
                "reward_action_key": "vote",
                "code": f"{client}-{number}",
            }
            self.statuses.append(await self._accepted(body))

    async def _accepted(self, body: dict[str, str]) -> int:
        """Sends again under the same key, as `Retry-After` asks, until the state is back."""
        headers = {"Idempotency-Key": f"vote-{body['code']}-of-one-match"}
        while True:
            async with self.session.post("invoked-actions/", json=body, headers=headers) as answer:
                if answer.status != 503:
                    return answer.status
                assert int(answer.headers["Retry-After"]) >= 1

    async def more(self, votes: int) -> None:
        """Until so many more are answered."""
        wanted, deadline = len(self.statuses) + votes, time.monotonic() + 60
        while len(self.statuses) < wanted:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)

    async def balance(self) -> int:
        async with self.session.get(f"profiles/{self.fan}/reward-item-balances/{self.item}/") as answer:
            balance: int = (await answer.json())["reward_item_balance"]
            return balance

    async def _make(self, path: str, **body: object) -> str:
        async with self.session.post(path, json=body) as answer:
            made: str = (await answer.json())["id"]
            return made
