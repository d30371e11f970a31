"""Two nodes on one PostgreSQL get the same request, and the other commits between two statements of this one."""

import asyncio
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from sqlalchemy import text

from tests.interleaving import Interleaving, outcomes
from tests.postgres import PostgresServer
from tifo.engagement import commands as c
from tifo.engagement.access import create_application
from tifo.engagement.commands import Command
from tifo.engagement.ports import Idempotency
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Interrupted
from tifo.kernel.ids import ClientId, ProfileId, ProgramId, QuestId, RewardItemId, uuid7
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.audit import SqlLedgerAudit
from tifo.store.engagement.batch import Asked, CommandBatch, EngineMemory
from tifo.store.engagement.engine import SqlEngine
from tifo.store.engagement.fans import Fans
from tifo.store.engagement.games import Games
from tifo.store.sql.database import open_postgres

LOCK_TIMEOUT_MS = 50
"""The other node gives up a lock that this one holds: then this one was first, and the other comes after it."""


class Node:
    """One process's engine. `try_once` performs a command at once, in the calling thread."""

    def __init__(self, url: str) -> None:
        self.database = open_postgres(url)
        self._memory = EngineMemory(Games(), Fans())

    def do(self, command: Command[Any], once: Idempotency | None = None) -> Any:
        async def handle() -> Any:
            engine = SqlEngine(self.database, system_clock, uuid7)
            try:
                return await engine.handle(command, once)
            except Exception as error:  # noqa: BLE001 (a refusal is an answer here)
                return error
            finally:
                await engine.close()

        return asyncio.run(handle())

    def try_once(self, command: Command[Any], once: Idempotency | None = None) -> Any:
        """Returns None if a lock is held that it needs."""
        try:
            with self.database.writing(in_turn=False) as connection:
                connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
                batch = CommandBatch(connection, self._memory, [Asked(command, once)], now=system_clock(), new_id=uuid7)
                (answer,) = batch.run()
        except Interrupted:
            return None
        return answer


class Match(NamedTuple):
    """An application to play in."""

    node: Node
    client_id: ClientId
    program_id: ProgramId
    item: RewardItemId
    quest: QuestId

    def fan(self, custom_id: str | None = None) -> ProfileId:
        made: ProfileId = self.do(c.CreateProfile, custom_id=custom_id).id
        self.do(c.Credit, profile_id=made, reward_item_id=self.item, reward_item_amount=5)
        return made

    def run(self) -> Any:
        return self.do(c.StartQuest, profile_id=self.fan(), quest_id=self.quest)

    def do(self, command: type[Any], **fields: Any) -> Any:
        done = self.node.do(command(client_id=self.client_id, **fields))
        assert not isinstance(done, Exception), done
        return done


@pytest.fixture
def nodes(postgres: PostgresServer) -> Iterator[tuple[Node, Node]]:
    url = postgres.new_database()
    here, there = Node(url), Node(url)
    yield here, there
    here.database.dispose()
    there.database.dispose()


@pytest.fixture
def match(nodes: tuple[Node, Node]) -> Match:
    node = nodes[1]
    app = create_application(SqlAccess(node.database, system_clock, uuid7), "Club").application
    made = Match(node, app.id, app.default_program_id, RewardItemId(""), QuestId(""))
    item = RewardItemId(made.do(c.CreateRewardItem, name="Points").id)
    made.do(c.CreateRewardAction, name="Vote", key="vote")
    entry = c.NewEntry(reward_item_id=item, reward_item_amount=3, action_key="vote")
    made.do(c.CreateRewardTable, name="Table", entries=(entry,))
    made.do(c.CreateLeaderboard, name="All", reward_item_id=item)
    quest = made.do(c.CreateQuest, name="Quest")
    made.do(c.AddQuestTask, quest_id=quest.id, name="Step", target_value=Decimal(1))
    reward = c.NewQuestReward(reward_item_id=item, reward_item_amount=7)
    made.do(c.AddQuestRewards, quest_id=quest.id, rewards=(reward,))
    return made._replace(item=item, quest=QuestId(quest.id))


def _vote_by_custom_id(match: Match, name: str) -> Command[Any]:
    match.fan(name)
    return c.InvokeAction(
        client_id=match.client_id,
        program_id=match.program_id,
        custom_profile_id=name,
        reward_action_key="vote",
        code="once",
    )


def _claim(match: Match, _: str) -> Command[Any]:
    run = match.run()
    match.do(c.ProgressTask, user_quest_task_id=run.tasks[0].id)
    return c.ClaimQuestRewards(client_id=match.client_id, user_quest_id=run.id)


SECOND_IS_REFUSED: dict[str, Callable[[Match, str], Command[Any]]] = {
    "a custom id": lambda match, name: c.CreateProfile(client_id=match.client_id, custom_id=name),
    "a custom id of a fan": lambda match, name: c.UpdateProfile(
        client_id=match.client_id, profile_id=match.fan(), custom_id=name
    ),
    "a code": _vote_by_custom_id,
    "all of a balance": lambda match, _: c.Debit(
        client_id=match.client_id, profile_id=match.fan(), reward_item_id=match.item, reward_item_amount=5
    ),
    "all of a balance to somebody": lambda match, _: c.Transfer(
        client_id=match.client_id,
        profile_id=match.fan(),
        recipient_profile_id=match.fan(),
        reward_item_id=match.item,
        reward_item_amount=5,
    ),
    "a quest": lambda match, _: c.StartQuest(client_id=match.client_id, profile_id=match.fan(), quest_id=match.quest),
    "a run that is removed": lambda match, _: c.RemoveUserQuest(
        client_id=match.client_id, user_quest_id=match.run().id
    ),
    "a reward of a quest": _claim,
    "a key of a definition": lambda match, name: c.CreateRewardAction(client_id=match.client_id, name="Clap", key=name),
}


@pytest.mark.parametrize("kind", SECOND_IS_REFUSED)
def test_one_key_has_one_answer_whenever_the_other_node_commits(
    nodes: tuple[Node, Node], match: Match, kind: str
) -> None:
    here, there = nodes

    def meet(interleaving: Interleaving, number: int) -> tuple[Any, Any]:
        command, once = SECOND_IS_REFUSED[kind](match, f"{kind} {number}"), Idempotency(uuid7(), b"the same request")
        theirs: list[Any] = []
        with interleaving.before(number, lambda: theirs.append(there.try_once(command, once))):
            ours = here.do(command, once)
        if theirs in ([], [None]):  # a lock of ours kept them waiting
            theirs = [there.do(command, once)]
        return ours, theirs[0]

    met = list(outcomes(here.database, meet))
    assert len(met) > 5, "each statement of a batch is a moment"
    for ours, theirs in met:
        assert not isinstance(ours, Exception), ours
        assert ours == theirs
    assert SqlLedgerAudit(here.database).problems() == []


def _opens_a_leaderboard(match: Match) -> Command[Any]:
    item = match.do(c.CreateRewardItem, name="Coins").id
    match.do(c.Credit, profile_id=match.fan(), reward_item_id=item, reward_item_amount=4)
    return c.CreateLeaderboard(client_id=match.client_id, name="Coins", reward_item_id=item)


def _credits(match: Match, board: Command[Any]) -> Command[Any]:
    assert isinstance(board, c.CreateLeaderboard)
    return c.Credit(
        client_id=match.client_id, profile_id=match.fan(), reward_item_id=board.reward_item_id, reward_item_amount=9
    )


@pytest.mark.parametrize("is_opened_here", [True, False])
def test_a_leaderboard_that_opens_misses_no_balance_whenever_the_other_node_commits(
    nodes: tuple[Node, Node], match: Match, is_opened_here: bool
) -> None:
    here, there = nodes

    def meet(interleaving: Interleaving, number: int) -> tuple[Any, Any]:
        board = _opens_a_leaderboard(match)
        commands = board, _credits(match, board)
        ours, theirs = commands if is_opened_here else reversed(commands)
        done: list[Any] = []
        with interleaving.before(number, lambda: done.append(there.try_once(theirs))):
            answer = here.do(ours)
        return answer, done[0] if done not in ([], [None]) else there.do(theirs)

    for answers in outcomes(here.database, meet):
        assert not any(isinstance(each, Exception) for each in answers), answers
        assert SqlLedgerAudit(here.database).problems() == []
