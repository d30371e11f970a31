"""A process that plays on a PostgreSQL, for test_many_writers: `player.py URL NAME`, its game on stdin.

It plays until its stdin ends: a load that ended by itself could not be told from one that stands still.
"""

import asyncio
import contextlib
import json
import random
import sys
from collections import Counter
from typing import Any

from tifo.engagement import commands as c
from tifo.engagement.model import Fan
from tifo.engagement.ports import Idempotency
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Conflict, Interrupted, Rejected
from tifo.kernel.ids import ProfileId, uuid7
from tifo.store.engagement.engine import SqlEngine
from tifo.store.engagement.queries import SqlQueries
from tifo.store.sql.database import Database, open_postgres

CLIENTS = 16


class Player:
    """Whatever the engine refuses otherwise than by its rules ends the process with a traceback."""

    def __init__(self, database: Database, game: dict[str, Any], chance: random.Random) -> None:
        self.engine = SqlEngine(database, system_clock, uuid7)
        self.queries = SqlQueries(database)
        self.game = game
        self.chance = chance
        self.moved = [0] * len(game["circle"])
        self.seen: Counter[str] = Counter()

    async def do(self, command: type[Any], **fields: Any) -> Any:
        return await self.engine.handle(command(client_id=self.game["client_id"], **fields))

    async def pass_on(self) -> None:
        """Between two neighbours of a circle, in either direction."""
        fans = self.game["circle"]
        giver = self.chance.randrange(len(fans))
        taker = (giver + self.chance.choice((1, -1))) % len(fans)
        amount = self.chance.randint(1, 30)
        try:
            await self.do(
                c.Transfer,
                profile_id=fans[giver],
                recipient_profile_id=fans[taker],
                reward_item_id=self.game["item"],
                reward_item_amount=amount,
            )
        except Rejected:
            self.seen["balance did not suffice"] += 1
        else:
            self.moved[giver] -= amount
            self.moved[taker] += amount
            self.seen["transfer"] += 1

    async def play_fan(self, number: int) -> None:
        """All that a fan does once, which the other processes do for the same fan too."""
        program = self.game["program_id"]
        fan = await self.find(f"fan-{number}")
        try:
            invoked = {"custom_profile_id": f"fan-{number}", "reward_action_key": "vote", "code": "once"}
            await self.do(c.InvokeAction, program_id=program, **invoked)
            self.seen["vote"] += 1
        except Conflict:
            self.seen["vote refused"] += 1
        try:
            run = await self.do(c.StartQuest, profile_id=fan, quest_id=self.game["quest"])
        except Conflict:
            run = (await asyncio.to_thread(self.look_up, fan)).user_quests[self.game["quest"]]
        await self.do(c.ProgressTask, user_quest_task_id=run.tasks[0].id)
        await self.do(c.ClaimQuestRewards, user_quest_id=run.id)
        self.seen["quest"] += 1

    def look_up(self, fan: str) -> Fan:
        """Asked again where it was interrupted, as the api does."""
        while True:
            with contextlib.suppress(Interrupted):
                return self.queries.fan(self.game["client_id"], ProfileId(fan))

    async def find(self, custom_id: str) -> str:
        """Made by whichever process comes first; the same answer under the same key in each."""
        command = c.CreateProfile(client_id=self.game["client_id"], custom_id=custom_id)
        fan: str = (await self.engine.handle(command, Idempotency(custom_id, b"digest"))).id
        return fan


async def main(url: str, name: str) -> None:
    game = json.loads(sys.stdin.readline())
    database = open_postgres(url)
    player = Player(database, game, random.Random(name))
    over = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    _tell("ready")

    async def client() -> None:
        number = 0
        while not over.done():
            await player.pass_on()
            await player.play_fan(number)
            number += 1

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    await player.engine.close()
    database.dispose()
    _tell(json.dumps({"moved": player.moved, "seen": player.seen}))


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
