"""Reads, audit and recorded play: the same in every implementation, after the same commands."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import NewState
from tifo.engagement import commands as c
from tifo.engagement.access import Access, create_application
from tifo.engagement.memory import (
    InMemoryAccess,
    InMemoryEngine,
    InMemoryLedgerAudit,
    InMemoryLedgerTrace,
    InMemoryQueries,
    InMemoryRecordedActions,
    InMemoryState,
)
from tifo.engagement.model import Attribute, Profile
from tifo.engagement.ports import (
    Anchor,
    Engine,
    InvokedFilter,
    LedgerAudit,
    LedgerTrace,
    Page,
    Queries,
    TransactionFilter,
)
from tifo.engagement.replay import RecordedActions, RulesReplay
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, EarnedBadgeId, ProfileId, UserQuestId, uuid7
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.audit import SqlLedgerAudit
from tifo.store.engagement.engine import SqlEngine
from tifo.store.engagement.ledger_trace import SqlLedgerTrace
from tifo.store.engagement.queries import SqlQueries
from tifo.store.engagement.recorded import SqlRecordedActions


class Club:
    """Voting pays 5 points; 10 of them earn a badge and complete a quest that pays 1."""

    access: Access
    engine: Engine
    queries: Queries
    audit: LedgerAudit
    recorded: RecordedActions
    trace: LedgerTrace

    async def do(self, command: type[Any], **fields: Any) -> Any:
        return await self.engine.handle(command(client_id=self.client_id, **fields))

    async def begin(self) -> None:
        application = create_application(self.access, "Club").application
        self.client_id, self.program_id = application.id, application.default_program_id
        await self.do(c.UpdateApplication, automatic_quest_processing=True, auto_claim_quest_rewards=True)
        self.points = (await self.do(c.CreateRewardItem, name="Points")).id
        await self.do(c.CreateRewardAction, name="Vote", key="vote")
        entry = c.NewEntry(reward_item_id=self.points, reward_item_amount=5, action_key="vote")
        await self.do(c.CreateRewardTable, name="Table", entries=(entry,))
        progression = c.NewProgression(reward_item_id=self.points, reward_item_threshold=10)
        self.badge = (await self.do(c.CreateBadge, name="Ten", progressions=(progression,))).id
        self.quest = (await self.do(c.CreateQuest, name="Twice")).id
        task = {"quest_id": self.quest, "name": "Vote", "target_value": Decimal(2), "reward_action_key": "vote"}
        await self.do(c.AddQuestTask, **task)
        reward = c.NewQuestReward(reward_item_id=self.points, reward_item_amount=1)
        await self.do(c.AddQuestRewards, quest_id=self.quest, rewards=(reward,))
        self.ada, self.bo = [await self.sign_up(name) for name in ("ada", "bo")]

    async def sign_up(self, custom_id: str) -> ProfileId:
        profile: Profile = await self.do(c.CreateProfile, custom_id=custom_id)
        return profile.id

    async def vote(self, fan: ProfileId, **more: Any) -> Any:
        common = {"program_id": self.program_id, "reward_action_key": "vote"}
        return await self.do(c.InvokeAction, **common, profile_id=fan, **more)


def _club(database: Any) -> Club:
    club = Club()
    if database is None:
        state = InMemoryState()
        club.access, club.engine, club.queries = InMemoryAccess(state), InMemoryEngine(state), InMemoryQueries(state)
        club.audit, club.recorded = InMemoryLedgerAudit(state), InMemoryRecordedActions(state)
        club.trace = InMemoryLedgerTrace(state)
        return club
    club.access, club.engine = SqlAccess(database, system_clock, uuid7), SqlEngine(database, system_clock, uuid7)
    club.queries, club.audit = SqlQueries(database), SqlLedgerAudit(database)
    club.recorded, club.trace = SqlRecordedActions(database), SqlLedgerTrace(database)
    return club


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def club(request: pytest.FixtureRequest, new_state: NewState) -> AsyncIterator[Club]:
    club = _club(None if request.param == "memory" else new_state(request.param))
    await club.begin()
    yield club
    assert isinstance(club.engine, InMemoryEngine | SqlEngine)
    await club.engine.close()


def _amounts(page: Page[Any]) -> list[int]:
    return [row.amount for row in page.results]


async def test_transactions_are_newest_first_and_only_earned_ones_unless_others_are_asked_for(club: Club) -> None:
    gift = {"profile_id": club.ada, "reward_item_id": club.points}
    await club.vote(club.ada)
    await club.do(c.Credit, **gift, reward_item_amount=3)
    await club.do(c.Transfer, **gift, recipient_profile_id=club.bo, reward_item_amount=2)
    assert _amounts(club.queries.transactions(club.client_id, TransactionFilter())) == [5]
    everything = club.queries.transactions(club.client_id, TransactionFilter(kinds=()))
    assert _amounts(everything) == [2, -2, 3, 5]
    bos = TransactionFilter(kinds=(), profile_ids=(club.bo,))
    assert _amounts(club.queries.transactions(club.client_id, bos)) == [2]
    by_action = TransactionFilter(kinds=(), reward_action_keys=("vote",))
    assert _amounts(club.queries.transactions(club.client_id, by_action)) == [5]
    since = TransactionFilter(kinds=(), created_since=everything.results[1].created_at)
    assert _amounts(club.queries.transactions(club.client_id, since)) == [2, -2]


async def test_a_transaction_or_the_newest_of_a_profile_are_traced_oldest_first(club: Club) -> None:
    rival = create_application(club.access, "Rival").application
    for amount in (1, 2, 3):
        for fan in (club.ada, club.bo):
            await club.do(c.Credit, profile_id=fan, reward_item_id=club.points, reward_item_amount=amount)
    second = club.trace.about(club.ada, limit=2)[0]
    assert [row.amount for row in club.trace.about(club.ada, limit=20)] == [1, 2, 3]
    assert [row.amount for row in club.trace.about(club.ada, limit=2)] == [2, 3]
    assert (second.profile_id, club.trace.about(second.id, limit=20)) == (club.ada, [second])
    for unknown in ("nobody\x00", "", rival.id):
        assert club.trace.about(unknown, limit=20) == []


async def test_a_page_at_an_anchor_stays_where_it_is_when_rows_are_added(club: Club) -> None:
    credit = {"profile_id": club.ada, "reward_item_id": club.points}
    for amount in range(1, 6):
        await club.do(c.Credit, **credit, reward_item_amount=amount)
    where = TransactionFilter(kinds=())
    first = club.queries.transactions(club.client_id, where, size=2)
    await club.do(c.Credit, **credit, reward_item_amount=6)
    second = club.queries.transactions(club.client_id, where, size=2, anchor=Anchor(before=first.last))
    third = club.queries.transactions(club.client_id, where, size=2, anchor=Anchor(before=second.last))
    assert [_amounts(page) for page in (first, second, third)] == [[5, 4], [3, 2], [1]]
    assert [page.more for page in (first, second, third)] == [True, True, False]
    back = club.queries.transactions(club.client_id, where, size=2, anchor=Anchor(after=third.first))
    assert _amounts(back) == [3, 2]
    assert back.more
    front = club.queries.transactions(club.client_id, where, size=3, anchor=Anchor(after=first.first))
    assert _amounts(front) == [6]


async def test_invoked_actions_are_found_by_every_filter_and_in_both_orders(club: Club) -> None:
    mood = Attribute(key="mood", value='glad "x"')
    one = await club.vote(club.ada, code="1", attributes=(mood, Attribute(key="seat", value="7")))
    other = await club.vote(club.bo, code="2", attributes=(Attribute(key="mood", value="Glad"),))

    def found(**where: Any) -> list[Any]:
        return [*club.queries.invoked_actions(club.client_id, InvokedFilter(**where)).results]

    assert found() == [other, one]
    assert found(oldest_first=True) == [one, other]
    assert found(profile_ids=(club.ada,)) == [one]
    assert found(codes=("2", "3")) == [other]
    assert found(attributes=(mood,)) == [one]
    assert found(program_id=club.program_id, reward_action_keys=("watch",)) == []
    assert found(until=one.created_at) == [one]


async def test_a_revoked_badge_is_neither_listed_nor_found_until_it_is_awarded_again(club: Club) -> None:
    for fan in (club.ada, club.ada, club.bo, club.bo):
        await club.vote(fan)
    newest, earlier = club.queries.earned_badges(club.client_id).results
    assert (newest.profile_id, earlier.profile_id) == (club.bo, club.ada)
    await club.do(c.RevokeBadge, earned_badge_id=newest.id)
    assert [*club.queries.earned_badges(club.client_id, badge_id=club.badge).results] == [earlier]
    with pytest.raises(NotFound):
        club.queries.earned_badge(club.client_id, newest.id)
    await club.do(c.AwardBadge, profile_id=club.bo, badge_id=club.badge)
    assert club.queries.earned_badge(club.client_id, newest.id) == newest
    assert [*club.queries.earned_badges(club.client_id, profile_id=club.bo).results] == [newest]


async def test_profiles_are_found_by_id_and_custom_id_in_their_application_only(club: Club) -> None:
    rival = create_application(club.access, "Rival").application.id
    profile = club.queries.profile(club.client_id, club.ada)
    assert club.queries.profile_by_custom_id(club.client_id, "ada") == profile
    assert club.queries.profiles(club.client_id, [club.ada, ProfileId("nobody")]) == {club.ada: profile}
    for ask in (club.queries.profile, club.queries.fan, club.queries.profile_by_custom_id):
        with pytest.raises(NotFound):
            ask(rival, club.ada)


async def test_user_quests_are_newest_first_and_narrowed_by_quest_and_id(club: Club) -> None:
    other = await club.do(c.CreateQuest, name="Other")
    await club.do(c.AddQuestTask, quest_id=other.id, name="Once")
    first = await club.do(c.StartQuest, profile_id=club.ada, quest_id=club.quest)
    second = await club.do(c.StartQuest, profile_id=club.ada, quest_id=other.id)
    of_ada = club.queries.user_quests(club.client_id, club.ada)
    assert [*of_ada.results] == [second, first]
    assert [*club.queries.user_quests(club.client_id, club.ada, quest_ids=[club.quest]).results] == [first]
    assert [*club.queries.user_quests(club.client_id, club.ada, ids=[second.id]).results] == [second]
    assert club.queries.user_quests(club.client_id, club.bo).count == 0
    assert club.queries.user_quest(club.client_id, first.id) == first
    with pytest.raises(NotFound):
        club.queries.user_quest(club.client_id, UserQuestId("nothing"))
    with pytest.raises(NotFound):
        club.queries.earned_badge(club.client_id, EarnedBadgeId("nothing"))


async def test_glances_answer_each_question_or_refuse_it(club: Club) -> None:
    await club.vote(club.ada)
    unknown = ClientId("nothing")
    ada, nobody, game, stranger = club.queries.glances(
        [(club.client_id, club.ada), (club.client_id, ProfileId("nobody")), (club.client_id, None), (unknown, None)]
    )
    assert not isinstance(ada, Exception)
    assert ada.balances == {club.points: 5}
    assert not isinstance(game, Exception)
    assert game.balances == {}
    assert isinstance(nobody, NotFound)
    assert isinstance(stranger, NotFound)


async def test_the_audit_counts_the_facts_and_finds_nothing_wrong(club: Club) -> None:
    rival = create_application(club.access, "Rival").application.id
    await asyncio.gather(*(club.vote(club.ada) for _ in range(3)))
    await club.do(c.Debit, profile_id=club.ada, reward_item_id=club.points, reward_item_amount=16)
    assert [*club.audit.problems()] == []
    # Three payments, a badge, two steps, a task, its quest and the quest's reward.
    assert {**club.audit.facts_by_application()} == {club.client_id: 9}
    ids = [fact_id for group in club.audit.fact_ids(club.client_id) for fact_id in group]
    assert len(set(ids)) == 9
    assert [*club.audit.fact_ids(rival)] == []


async def test_the_recorded_play_replays_to_what_the_fans_have_earned(club: Club) -> None:
    for fan in (club.ada, club.bo, club.ada):
        await club.vote(fan)
    gift = {"profile_id": club.ada, "reward_item_id": club.points, "reward_item_amount": 2}
    await club.do(c.Transfer, **gift, recipient_profile_id=club.bo)
    groups = [*club.recorded.groups(club.client_id)]
    assert club.recorded.count_actions(club.client_id) == 3
    assert sorted(each.profile.id for group in groups for each in group) == sorted([club.ada, club.bo])
    replay = RulesReplay(club.queries.game(club.client_id))
    for group in groups:
        replay.play(group)
    have, would = club.recorded.earned(club.client_id), replay.tally
    assert would.item_totals == {club.points: 16}
    assert (have.item_fans, have.item_totals, have.badges) == (would.item_fans, would.item_totals, would.badges)
    assert (have.started, have.completed) == (would.started, would.completed)
    earned = club.queries.earned_badges(club.client_id).results[0]
    await club.do(c.RevokeBadge, earned_badge_id=earned.id)
    assert club.recorded.earned(club.client_id).badges[club.badge] == 0
