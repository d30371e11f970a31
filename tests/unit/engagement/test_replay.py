"""Played again by the same rules, the past gives what it gave; by other rules, what they would have given."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tifo.engagement import commands as c
from tifo.engagement.batch import Working
from tifo.engagement.definitions import define
from tifo.engagement.model import Application, Game, InvokedAction, Program, RewardLimit, Transaction
from tifo.engagement.ports import EARNED
from tifo.engagement.replay import Recorded, RulesReplay, Tally
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import ClientId, ProfileId, ProgramId, QuestId, RewardItemId, uuid7

CLIENT, PROGRAM = ClientId("club"), ProgramId("season")
START = datetime(2026, 11, 24, tzinfo=UTC)


class Season:
    """A game that is played, and whose record is kept as a store keeps it."""

    def __init__(self, *, automatic: bool = True, fans: int = 3) -> None:
        application = Application(
            id=CLIENT,
            name="Club",
            default_program_id=PROGRAM,
            created_at=START,
            automatic_quest_processing=automatic,
            auto_claim_quest_rewards=True,
        )
        self.working = Working(Game(application, (Program(id=PROGRAM, name="Season", created_at=START),)))
        self.now = START
        self.actions: dict[ProfileId, list[InvokedAction]] = defaultdict(list)
        self.ledger: list[Transaction] = []
        self.points: RewardItemId = self.define(c.CreateRewardItem, name="Points").id
        self.coins: RewardItemId = self.define(c.CreateRewardItem, name="Coins").id
        for key in ("vote", "watch"):
            self.define(c.CreateRewardAction, name=key.title(), key=key)
        self.pays("vote", self.points, 5)
        progression = c.NewProgression(reward_item_id=self.points, reward_item_threshold=20)
        self.badge = self.define(c.CreateBadge, name="Regular", progressions=(progression,))
        self.quest: QuestId = self.make_quest("watch", 2)
        self.fans: list[ProfileId] = [self.play(c.CreateProfile, custom_id=f"fan-{n}").id for n in range(fans)]

    def define(self, command: type[Any], **fields: Any) -> Any:
        made = define(self.working.game, command(client_id=CLIENT, **fields), self.now, uuid7)
        self.working.game = self.working.game.with_(made)
        return made

    def pays(self, action: str, item: RewardItemId, amount: int) -> Any:
        entry = c.NewEntry(reward_item_id=item, reward_item_amount=amount, action_key=action)
        return self.define(c.CreateRewardTable, name="Table", entries=(entry,))

    def make_quest(self, action: str, target: int, **more: Any) -> QuestId:
        quest_id: QuestId = self.define(c.CreateQuest, name="Quest", **more).id
        task = {"name": "Task", "reward_action_key": action, "target_value": Decimal(target)}
        self.define(c.AddQuestTask, quest_id=quest_id, **task)
        reward = c.NewQuestReward(reward_item_id=self.coins, reward_item_amount=3)
        self.define(c.AddQuestRewards, quest_id=quest_id, rewards=(reward,))
        return quest_id

    def play(self, command: type[Any], **fields: Any) -> Any:
        self.now += timedelta(seconds=1)
        decision = self.working.play(command(client_id=CLIENT, **fields), self.now, uuid7)
        self.ledger += decision.transactions
        if decision.invoked is not None:
            self.actions[decision.invoked.profile_id].append(decision.invoked)
        return decision.answer

    def invoke(self, fan: int, action: str) -> None:
        self.play(c.InvokeAction, program_id=PROGRAM, profile_id=self.fans[fan], reward_action_key=action)

    def recorded(self) -> Iterable[Recorded]:
        for fan in self.working.fans.values():
            own = tuple(row for row in self.ledger if row.profile_id == fan.profile.id and row.kind not in EARNED)
            actions = tuple(self.actions[fan.profile.id])
            yield Recorded(fan.profile, actions, own, tuple(fan.user_quests.values()))

    def earned(self) -> tuple[Counter[Any], ...]:
        rows = [row for row in self.ledger if row.kind in EARNED]
        runs = [run for fan in self.working.fans.values() for run in fan.user_quests.values()]
        totals: Counter[Any] = Counter()
        for row in rows:
            totals[row.reward_item_id] += row.amount
        return (
            Counter(item for _, item in {(row.profile_id, row.reward_item_id) for row in rows}),
            totals,
            Counter(badge for fan in self.working.fans.values() for badge in fan.badges),
            Counter(run.quest_id for run in runs),
            Counter(run.quest_id for run in runs if run.completed_at is not None),
        )

    def replayed(self, **more: Any) -> Tally:
        replay = RulesReplay(self.working.game, **more)
        replay.play(self.recorded())
        return replay.tally


def counts(tally: Tally) -> tuple[Counter[Any], ...]:
    return (tally.item_fans, tally.item_totals, tally.badges, tally.started, tally.completed)


kinds = st.sampled_from(["vote", "watch", "credit", "debit", "transfer", "start"])
moves = st.lists(st.tuples(st.integers(0, 2), kinds), max_size=40)


@given(moves, st.booleans())
def test_the_same_rules_give_what_fans_have_earned(played: list[tuple[int, str]], automatic: bool) -> None:
    season = Season(automatic=automatic)
    for fan, move in played:
        mine, next_one = season.fans[fan], season.fans[(fan + 1) % 3]
        item = {"reward_item_id": season.points, "reward_item_amount": 12}
        try:
            match move:
                case "credit":
                    season.play(c.Credit, profile_id=mine, **item)
                case "debit":
                    season.play(c.Debit, profile_id=mine, **item)
                case "transfer":
                    season.play(c.Transfer, profile_id=mine, recipient_profile_id=next_one, **item)
                case "start":
                    season.play(c.StartQuest, profile_id=mine, quest_id=season.quest)
                case action:
                    season.invoke(fan, action)
        except Rejected:
            continue
    tally = season.replayed()
    assert counts(tally) == season.earned()
    assert tally.fans == 3
    assert tally.left_out == {}


def test_a_raised_amount_and_a_lowered_threshold_give_more() -> None:
    season = Season()
    for fan, times in enumerate((1, 2, 4)):
        for _ in range(times):
            season.invoke(fan, "vote")
    assert season.earned()[2][season.badge.id] == 1
    season.pays("vote", season.points, 5)
    tally = season.replayed()
    assert tally.item_totals[season.points] == 70
    assert (tally.item_fans[season.points], tally.badges[season.badge.id]) == (3, 2)


def test_a_quest_that_is_new_starts_with_the_first_action_that_it_is_about() -> None:
    season = Season(automatic=False)
    for _ in range(3):
        season.invoke(0, "vote")
    season.invoke(1, "vote")
    new = season.make_quest("vote", 2)
    over = season.make_quest("vote", 1, stopped_at=START)
    tally = season.replayed(new_quests=frozenset({new, over}))
    assert (tally.started[new], tally.completed[new], tally.started[over]) == (2, 1, 0)
    assert tally.item_totals[season.coins] == 3
    assert season.replayed().started == {}, "what is not new needs the fans' own starts"


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("reward_action", "actions 'vote', which these rules do not have"),
        ("program", "actions in a program that these rules do not have"),
    ],
)
def test_actions_that_the_rules_do_not_know_are_left_out_and_told(gone: str, told: str) -> None:
    season = Season()
    season.invoke(0, "vote")
    season.invoke(1, "watch")
    game = season.working.game
    kept = [
        replace(each, archived_at=START)
        if (gone == "program" and isinstance(each, Program)) or getattr(each, "key", None) == "vote"
        else each
        for each in game.definitions
    ]
    season.working.game = Game(game.application, tuple(kept))
    tally = season.replayed()
    assert tally.left_out == {told: 1 if gone == "reward_action" else 2}
    assert tally.started[season.quest] == (1 if gone == "reward_action" else 0)


def test_limits_pay_as_the_times_of_the_actions_let_them() -> None:
    season = Season()
    for _ in range(3):
        season.invoke(0, "watch")
    season.now += timedelta(days=1)
    season.invoke(0, "watch")
    limit = RewardLimit(action_limit_count=2, duration="day")
    entry = c.NewEntry(reward_item_id=season.points, reward_item_amount=5, action_key="watch", reward_limit=limit)
    season.define(c.CreateRewardTable, name="Limited", entries=(entry,))
    assert season.replayed().item_totals[season.points] == 15


def test_a_debit_that_the_new_rules_do_not_cover_is_left_out_and_told() -> None:
    season = Season()
    season.invoke(0, "vote")
    season.play(c.Debit, profile_id=season.fans[0], reward_item_id=season.points, reward_item_amount=5)
    (table,) = season.working.game.reward_tables.values()
    season.define(c.Archive, kind="reward_table", id=table.id)
    told = "credits, debits and transfers that the balance or the items of these rules did not allow"
    assert season.replayed().left_out == {told: 1}


def test_nothing_of_the_past_is_changed_by_playing_it_again() -> None:
    season = Season()
    season.invoke(0, "vote")
    before = dict(season.working.fans)
    season.replayed()
    assert season.working.fans == before
