"""The SQL engine under many at once: paid once, neighbours unharmed, all or nothing."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tifo.engagement import commands as c
from tifo.engagement.model import Application
from tifo.engagement.ports import Idempotency, TransactionFilter
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import ProfileId, RewardItemId, uuid7
from tifo.store.audit import facts_by_application, state_problems
from tifo.store.database import Database, open_sqlite
from tifo.store.engine import SqlEngine, create_application
from tifo.store.facts import SqlFactFeed
from tifo.store.queries import SqlQueries


class Game:
    """A small game on a real database."""

    def __init__(self, database: Database, engine: SqlEngine, app: Application) -> None:
        self.database, self.engine, self.app = database, engine, app
        self.queries = SqlQueries(database)

    async def do(self, command: type[Any], **fields: Any) -> Any:
        return await self.engine.handle(command(client_id=self.app.id, **fields))

    async def set_up(self) -> None:
        self.points = RewardItemId((await self.do(c.CreateRewardItem, name="Points")).id)
        await self.do(c.CreateRewardAction, name="Vote", key="vote")
        entry = c.NewEntry(reward_item_id=self.points, reward_item_amount=5, action_key="vote")
        await self.do(c.CreateRewardTable, name="Table", entries=(entry,))
        self.quest = await self.do(c.CreateQuest, name="Quest")
        await self.do(c.AddQuestTask, quest_id=self.quest.id, name="Half by half", target_value=Decimal(1))
        reward = c.NewQuestReward(reward_item_id=self.points, reward_item_amount=10)
        await self.do(c.AddQuestRewards, quest_id=self.quest.id, rewards=(reward,))
        self.fan = ProfileId((await self.do(c.CreateProfile, custom_id="fan")).id)

    def balance(self, fan: ProfileId) -> int:
        return self.queries.fan(self.app.id, fan).balances.get(self.points, 0)

    async def vote(self, code: str) -> Any:
        return await self.do(
            c.InvokeAction,
            program_id=self.app.default_program_id,
            custom_profile_id="fan",
            reward_action_key="vote",
            code=code,
        )


@pytest.fixture
async def game(tmp_path: Path) -> AsyncIterator[Game]:
    database = open_sqlite(tmp_path / "tifo.db")
    app = create_application(database, "Club", system_clock, uuid7).application
    made = Game(database, SqlEngine(database, system_clock, uuid7), app)
    await made.set_up()
    yield made
    assert state_problems(database) == []
    await made.engine.close()
    database.dispose()


async def outcomes(*waiting: Any) -> Counter[str]:
    results = await asyncio.gather(*waiting, return_exceptions=True)
    return Counter(type(result).__name__ for result in results)


async def test_the_same_code_fired_64_times_at_once_is_paid_once(game: Game) -> None:
    for turn in range(5):
        assert await outcomes(*(game.vote(f"code-{turn}") for _ in range(64))) == {"InvokedAction": 1, "Conflict": 63}
    assert game.balance(game.fan) == 25
    assert facts_by_application(game.database) == {game.app.id: 5}


async def test_a_rejected_command_leaves_its_neighbours_in_the_batch_untouched(game: Game) -> None:
    credit = {"profile_id": game.fan, "reward_item_id": game.points}
    found = await outcomes(
        game.do(c.Credit, **credit, reward_item_amount=3),
        game.do(c.Debit, **credit, reward_item_amount=100),
        game.do(c.Credit, **credit, reward_item_amount=0),
        game.do(c.Credit, profile_id="nobody", reward_item_id=game.points, reward_item_amount=1),
        game.do(c.Credit, **credit, reward_item_amount=4),
    )
    assert found == {"Transaction": 2, "Rejected": 2, "NotFound": 1}
    assert game.balance(game.fan) == 7


async def test_the_last_step_and_the_claim_sent_at_once_pay_once(game: Game) -> None:
    user_quest = await game.do(c.StartQuest, profile_id=game.fan, quest_id=game.quest.id)
    with pytest.raises(Conflict):
        await game.do(c.StartQuest, profile_id=game.fan, quest_id=game.quest.id)
    task = user_quest.tasks[0].id
    half = {"user_quest_task_id": task, "custom_increment": Decimal("0.5")}
    with pytest.raises(Rejected):
        await game.do(c.ClaimQuestRewards, user_quest_id=user_quest.id)
    assert await outcomes(*(game.do(c.ProgressTask, **half) for _ in range(20))) == {"UserQuest": 20}
    claims = [game.do(c.ClaimQuestRewards, user_quest_id=user_quest.id) for _ in range(20)]
    assert await outcomes(*claims) == {"UserQuest": 20}
    assert game.balance(game.fan) == 10
    kinds = Counter(type(fact).__name__ for fact in SqlFactFeed(game.database).pending(game.app.id, 100))
    assert kinds == {
        "UserQuestTaskProgressed": 2,
        "QuestTaskCompleted": 1,
        "UserQuestCompleted": 1,
        "QuestRewardAwarded": 1,
    }


async def test_transfers_in_a_circle_keep_the_sum(game: Game) -> None:
    fans = [ProfileId((await game.do(c.CreateProfile)).id) for _ in range(4)]
    for fan in fans:
        await game.do(c.Credit, profile_id=fan, reward_item_id=game.points, reward_item_amount=10)
    moves = [
        game.do(
            c.Transfer,
            profile_id=fans[n % 4],
            recipient_profile_id=fans[(n + 1) % 4],
            reward_item_id=game.points,
            reward_item_amount=n % 7 + 1,
        )
        for n in range(64)
    ]
    await asyncio.gather(*moves, return_exceptions=True)
    assert sum(map(game.balance, fans)) == 40
    assert min(map(game.balance, fans)) >= 0


async def test_an_idempotency_key_gives_the_first_answer_again(game: Game) -> None:
    credit = c.Credit(client_id=game.app.id, profile_id=game.fan, reward_item_id=game.points, reward_item_amount=2)
    key = Idempotency("key", b"digest")
    answers = await asyncio.gather(*(game.engine.handle(credit, key) for _ in range(10)))
    assert all(answer == answers[0] for answer in answers)
    assert await game.engine.handle(credit, key) == answers[0]
    assert game.balance(game.fan) == 2
    with pytest.raises(Conflict):
        await game.engine.handle(credit, Idempotency("key", b"other body"))


async def test_an_engine_beside_another_on_the_same_database_sees_its_definitions(game: Game, tmp_path: Path) -> None:
    database = open_sqlite(tmp_path / "tifo.db")
    beside = Game(database, SqlEngine(database, system_clock, uuid7), game.app)
    item = await beside.do(c.CreateRewardItem, name="Coins")
    both = [
        each.do(c.Credit, profile_id=game.fan, reward_item_id=item.id, reward_item_amount=1)
        for each in (game, beside) * 20
    ]
    assert await outcomes(*both) == {"Transaction": 40}
    assert game.queries.fan(game.app.id, game.fan).balances[item.id] == 40
    await beside.engine.close()
    database.dispose()


async def test_one_applications_ids_mean_nothing_in_another(game: Game) -> None:
    other = create_application(game.database, "Rival", system_clock, uuid7).application
    command = c.Credit(client_id=other.id, profile_id=game.fan, reward_item_id=game.points, reward_item_amount=1)
    with pytest.raises(NotFound):
        await game.engine.handle(command)
    page = game.queries.transactions(other.id, TransactionFilter(profile_ids=(game.fan,)))
    assert page.count == 0
