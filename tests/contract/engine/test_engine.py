"""What every engine does under many at once: paid once, neighbours unharmed, all or nothing."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Any, Protocol

import msgspec
import pytest

from tests.conftest import NewState
from tifo.engagement import commands as c
from tifo.engagement import model
from tifo.engagement.access import create_application
from tifo.engagement.facts import AnyFact
from tifo.engagement.memory import InMemoryAccess, InMemoryEngine, InMemoryLedgerAudit, InMemoryQueries, InMemoryState
from tifo.engagement.model import Application
from tifo.engagement.ports import Engine, Idempotency, Queries, TransactionFilter
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import ClientId, ProfileId, RewardItemId, uuid7
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.audit import SqlLedgerAudit
from tifo.store.engagement.engine import SqlEngine
from tifo.store.engagement.queries import SqlQueries
from tifo.store.source.facts import SqlFactFeed
from tifo.store.sql.database import Database


class Store(Protocol):
    """An engine, and what it left behind."""

    @property
    def engine(self) -> Engine: ...
    @property
    def queries(self) -> Queries: ...
    def create_application(self, name: str) -> Application: ...
    def facts(self, client_id: ClientId) -> Sequence[AnyFact]: ...
    def problems(self) -> Sequence[str]:
        """Says where balances, ledger and facts do not agree."""


class Sql:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.engine = SqlEngine(database, system_clock, uuid7)
        self.queries = SqlQueries(database)

    def create_application(self, name: str) -> Application:
        return create_application(SqlAccess(self.database, system_clock, uuid7), name).application

    def facts(self, client_id: ClientId) -> Sequence[AnyFact]:
        return SqlFactFeed(self.database).pending(client_id, 10_000)

    def problems(self) -> Sequence[str]:
        return SqlLedgerAudit(self.database).problems()


class Memory:
    def __init__(self) -> None:
        self.state = InMemoryState()
        self.engine = InMemoryEngine(self.state)
        self.queries = InMemoryQueries(self.state)

    def create_application(self, name: str) -> Application:
        return create_application(InMemoryAccess(self.state), name).application

    def facts(self, client_id: ClientId) -> Sequence[AnyFact]:
        return self.state.applications[client_id].facts

    def problems(self) -> Sequence[str]:
        return InMemoryLedgerAudit(self.state).problems()


class Game:
    """A small game on a store."""

    def __init__(self, store: Store, app: Application) -> None:
        self.store, self.engine, self.app = store, store.engine, app

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

    def balance(self, fan: ProfileId, item: RewardItemId | None = None) -> int:
        return self.store.queries.fan(self.app.id, fan).balances.get(item or self.points, 0)

    def amounts(self, fan: ProfileId) -> list[int]:
        """The fan's ledger transactions, in order."""
        where = TransactionFilter(profile_ids=(fan,), kinds=())
        rows = self.store.queries.transactions(self.app.id, where, size=10_000).results
        return [each.amount for each in reversed(rows)]

    def kinds(self) -> Counter[str]:
        return Counter(type(fact).__name__ for fact in self.store.facts(self.app.id))

    async def vote(self, code: str) -> Any:
        return await self.do(
            c.InvokeAction,
            program_id=self.app.default_program_id,
            custom_profile_id="fan",
            reward_action_key="vote",
            code=code,
        )


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def game(request: pytest.FixtureRequest, new_state: NewState) -> AsyncIterator[Game]:
    if request.param == "memory":
        memory = Memory()
        yield await _begun(memory)
        assert memory.problems() == []
        return
    sql = Sql(new_state(request.param))
    yield await _begun(sql)
    assert sql.problems() == []
    await sql.engine.close()


async def _begun(store: Store) -> Game:
    game = Game(store, store.create_application("Club"))
    await game.set_up()
    return game


async def outcomes(*waiting: Any) -> Counter[str]:
    results = await asyncio.gather(*waiting, return_exceptions=True)
    return Counter(type(result).__name__ for result in results)


@pytest.mark.concurrency
async def test_the_same_code_fired_64_times_at_once_is_paid_once(game: Game) -> None:
    for turn in range(5):
        assert await outcomes(*(game.vote(f"code-{turn}") for _ in range(64))) == {"InvokedAction": 1, "Conflict": 63}
    assert game.balance(game.fan) == 25
    assert game.kinds() == {"RewardItemRewarded": 5}


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


@pytest.mark.concurrency
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
    assert game.kinds() == {
        "UserQuestTaskProgressed": 2,
        "QuestTaskCompleted": 1,
        "UserQuestCompleted": 1,
        "QuestRewardAwarded": 1,
    }


@pytest.mark.concurrency
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


@pytest.mark.concurrency
async def test_an_idempotency_key_gives_the_first_answer_again(game: Game) -> None:
    credit = c.Credit(client_id=game.app.id, profile_id=game.fan, reward_item_id=game.points, reward_item_amount=2)
    key = Idempotency("key", b"digest")
    answers = await asyncio.gather(*(game.engine.handle(credit, key) for _ in range(10)))
    assert all(answer == answers[0] for answer in answers)
    assert await game.engine.handle(credit, key) == answers[0]
    assert game.balance(game.fan) == 2
    with pytest.raises(Conflict):
        await game.engine.handle(credit, Idempotency("key", b"other body"))


async def test_a_rejected_command_does_not_use_its_idempotency_key_up(game: Game) -> None:
    debit = c.Debit(client_id=game.app.id, profile_id=game.fan, reward_item_id=game.points, reward_item_amount=3)
    key = Idempotency("key", b"digest")
    with pytest.raises(Rejected):
        await game.engine.handle(debit, key)
    await game.do(c.Credit, profile_id=game.fan, reward_item_id=game.points, reward_item_amount=5)
    await game.engine.handle(debit, key)
    await game.engine.handle(debit, key)
    assert game.balance(game.fan) == 2
    assert game.amounts(game.fan) == [5, -3]


async def test_one_applications_ids_and_keys_mean_nothing_in_another(game: Game) -> None:
    rival = Game(game.store, game.store.create_application("Rival"))
    await rival.set_up()
    key = Idempotency("key", b"digest")

    def credit(app: Game, to: Game) -> c.Credit:
        return c.Credit(client_id=app.app.id, profile_id=to.fan, reward_item_id=to.points, reward_item_amount=1)

    with pytest.raises(NotFound):
        await game.engine.handle(credit(rival, to=game), key)
    await game.engine.handle(credit(game, to=game), key)
    await game.engine.handle(credit(rival, to=rival), Idempotency("key", b"other"))
    assert (game.balance(game.fan), rival.balance(rival.fan)) == (1, 1)
    assert rival.amounts(game.fan) == []


async def test_an_unknown_application_is_not_found(game: Game) -> None:
    with pytest.raises(NotFound):
        await game.engine.handle(c.CreateProfile(client_id=ClientId("nothing")))


async def test_facts_stand_in_causal_order_and_one_for_each_reward(game: Game) -> None:
    progression = c.NewProgression(reward_item_id=game.points, reward_item_threshold=10)
    await game.do(c.CreateBadge, name="Ten", progressions=(progression,))
    await asyncio.gather(*(game.vote(f"code-{number}") for number in range(3)))
    assert [type(fact).__name__ for fact in game.store.facts(game.app.id)] == [
        "RewardItemRewarded",
        "RewardItemRewarded",
        "BadgeRewarded",
        "RewardItemRewarded",
    ]


@pytest.mark.concurrency
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_an_engine_beside_another_on_the_same_database_sees_its_definitions(
    kind: str, new_state: NewState
) -> None:
    stores = [Sql(new_state(kind)) for _ in range(2)]
    first = await _begun(stores[0])
    beside = Game(stores[1], first.app)
    item = await beside.do(c.CreateRewardItem, name="Coins")
    both = [
        each.do(c.Credit, profile_id=first.fan, reward_item_id=item.id, reward_item_amount=1)
        for each in (first, beside) * 20
    ]
    assert await outcomes(*both) == {"Transaction": 40}
    assert first.balance(first.fan, item.id) == 40
    assert first.store.problems() == []
    for store in stores:
        await store.engine.close()


@pytest.mark.concurrency
async def test_a_limited_entry_pays_no_more_however_many_ask_at_once(game: Game) -> None:
    entry = c.NewEntry(
        reward_item_id=game.points,
        reward_item_amount=100,
        action_key="vote",
        reward_limit=model.RewardLimit(action_limit_count=3, duration="all_time"),
    )
    await game.do(c.CreateRewardTable, name="Limited", entries=(entry,))
    await asyncio.gather(*(game.vote(f"first {number}") for number in range(10)))
    await asyncio.gather(*(game.vote(f"later {number}") for number in range(10)))
    assert game.balance(game.fan) == 20 * 5 + 3 * 100


async def test_a_limit_that_comes_back_finds_what_was_counted_before(game: Game) -> None:
    limit = model.RewardLimit(action_limit_count=1, duration="all_time")
    unlimited = c.NewEntry(reward_item_id=game.points, reward_item_amount=100, action_key="vote")
    limited = msgspec.structs.replace(unlimited, reward_limit=limit)
    table = await game.do(c.CreateRewardTable, name="Limited", entries=(limited,))
    where: dict[str, Any] = {"reward_table_id": table.id, "entry_id": table.entries[0].id}
    assert len((await game.vote("paid")).rewards) == 2
    await game.do(c.ChangeRewardTableEntry, **where, entry=unlimited)
    # While the first is committed the other two gather in one batch.
    _, _, vote = await asyncio.gather(
        game.do(c.CreateProfile, custom_id="first"),
        game.do(c.ChangeRewardTableEntry, **where, entry=limited),
        game.vote("not paid"),
    )
    assert len(vote.rewards) == 1


async def test_a_revoked_badge_stays_revoked_until_it_is_awarded_again(game: Game) -> None:
    threshold = c.NewProgression(reward_item_id=game.points, reward_item_threshold=5)
    badge = await game.do(c.CreateBadge, name="Five", progressions=(threshold,))
    await game.vote("1")
    award: dict[str, Any] = {"profile_id": game.fan, "badge_id": badge.id}
    earned = await game.do(c.AwardBadge, **award)
    revoked = await game.do(c.RevokeBadge, earned_badge_id=earned.id)
    await game.vote("2")
    assert await game.do(c.RevokeBadge, earned_badge_id=earned.id) == revoked
    assert await game.do(c.AwardBadge, **award) == earned
    assert await game.do(c.AwardBadge, **award) == earned
    assert game.kinds()["BadgeRewarded"] == 1


async def test_a_quest_starts_anew_once_its_run_is_removed(game: Game) -> None:
    start: dict[str, Any] = {"profile_id": game.fan, "quest_id": game.quest.id}
    first = await game.do(c.StartQuest, **start)
    assert (await game.do(c.RemoveUserQuest, user_quest_id=first.id)).id == first.id
    with pytest.raises(NotFound):
        await game.do(c.ProgressTask, user_quest_task_id=first.tasks[0].id)
    second = await game.do(c.StartQuest, **start)
    outcomes: Any = await asyncio.gather(
        game.do(c.RemoveUserQuest, user_quest_id=second.id),
        game.do(c.StartQuest, **start),
        game.do(c.ClaimQuestBadges, user_quest_id=second.id),
        return_exceptions=True,
    )
    assert outcomes[0].id == second.id
    assert isinstance(outcomes[2], NotFound)
    third = outcomes[1]
    done = tuple(task.id for task in third.tasks)
    await game.do(c.ChangeUserQuest, user_quest_id=third.id, completed=done, claim=True)
    with pytest.raises(Conflict):
        await game.do(c.RemoveUserQuest, user_quest_id=third.id)
    with pytest.raises(Conflict):
        await game.do(c.StartQuest, **start)
    assert (game.balance(game.fan), game.kinds()["UserQuestCompleted"]) == (10, 1)


async def test_several_actions_are_one_command_and_answer_alike_when_sent_twice(game: Game) -> None:
    action: dict[str, Any] = {"client_id": game.app.id, "program_id": game.app.default_program_id}
    one = c.InvokeAction(**action, reward_action_key="vote", profile_id=game.fan, code="1")
    actions = (one, one, c.InvokeAction(**action, reward_action_key="unknown", custom_profile_id="fan"))
    command = c.InvokeActions(client_id=game.app.id, actions=actions)
    first = await game.engine.handle(command, Idempotency("key", b"body"))
    assert [each.invoked is not None for each in first] == [True, False, False]
    assert first[1].refused == "code already used."
    assert await game.engine.handle(command, Idempotency("key", b"body")) == first
    assert game.balance(game.fan) == 5


async def test_definitions_are_applied_together_or_not_at_all(game: Game) -> None:
    item_id = uuid7()
    entry = c.NewEntry(reward_item_id=RewardItemId(item_id), reward_item_amount=1, action_key="vote")
    item = c.CreateRewardItem(client_id=game.app.id, name="Coins", key="coins", id=item_id)
    table = c.CreateRewardTable(client_id=game.app.id, name="Coins for votes", entries=(entry,))
    again = c.CreateRewardItem(client_id=game.app.id, name="Other", key="coins")
    with pytest.raises(Conflict) as error:
        await game.do(c.ApplyDefinitions, commands=(item, table, again))
    assert "change 3" in error.value.message
    assert len((await game.vote("1")).rewards) == 1
    made = await game.do(c.ApplyDefinitions, commands=(item, table))
    assert [each.name for each in made] == ["Coins", "Coins for votes"]
    assert len((await game.vote("2")).rewards) == 2
