"""Any sequence of commands keeps the ledger honest."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tifo.engagement import commands as c
from tifo.engagement.batch import Working
from tifo.engagement.definitions import define
from tifo.engagement.facts import (
    BadgeRewarded,
    QuestRewardAwarded,
    QuestTaskCompleted,
    RewardItemRewarded,
    UserQuestCompleted,
    UserQuestTaskProgressed,
)
from tifo.engagement.model import (
    Application,
    Badge,
    Game,
    Program,
    Quest,
    RateLimit,
    RewardLimit,
    Transaction,
    TransactionKind,
    UserQuest,
    is_live,
)
from tifo.engagement.ports import Decision
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import ClientId, ProfileId, ProgramId, RewardItemId

CLIENT, PROGRAM = ClientId("club"), ProgramId("season")
START = datetime(2026, 11, 24, tzinfo=UTC)
LIMIT = 4
fans = st.sampled_from(["ada", "bo", "cy"])
amounts = st.integers(-2, 40)
steps = st.sampled_from([Decimal(step) for step in ("0.5", "1", "0.1", "3", "0", "-1", "NaN")])


class AnySequenceOfCommands(RuleBasedStateMachine):
    @initialize(auto_claim=st.booleans(), automatic=st.booleans())
    def set_up(self, *, auto_claim: bool, automatic: bool) -> None:
        self.made = 0
        self.now = START
        application = Application(
            id=CLIENT,
            name="Club",
            default_program_id=PROGRAM,
            created_at=START,
            automatic_quest_processing=automatic,
            auto_claim_quest_rewards=auto_claim,
        )
        self.working = Working(Game(application, (Program(id=PROGRAM, name="Season", created_at=START),)))
        self.ledger: list[Transaction] = []
        self.facts: list[Any] = []
        self._define_game()
        for name in ("ada", "bo", "cy"):
            self.play(c.CreateProfile(client_id=CLIENT, custom_id=name, nickname=name))

    def _define_game(self) -> None:
        self.points, self.coins = (
            RewardItemId(self.define(c.CreateRewardItem(client_id=CLIENT, name=name)).id)
            for name in ("Points", "Coins")
        )
        for key in ("vote", "watch"):
            self.define(c.CreateRewardAction(client_id=CLIENT, name=key, key=key))
        entries = (
            c.NewEntry(reward_item_id=self.points, reward_item_amount=5, action_key="vote"),
            c.NewEntry(reward_item_id=self.coins, reward_item_amount=1, action_key="vote"),
        )
        self.define(c.CreateRewardTable(client_id=CLIENT, name="Table", entries=entries))
        limited = c.NewEntry(
            reward_item_id=self.points,
            reward_item_amount=3,
            action_key="watch",
            rate_limit=RateLimit(frequency=1, unit="minute"),
            reward_limit=RewardLimit(action_limit_count=LIMIT, duration="all_time"),
        )
        self.define(c.CreateRewardTable(client_id=CLIENT, name="Limited", entries=(limited,)))
        either = (
            c.NewProgression(reward_item_id=self.points, reward_item_threshold=10),
            c.NewProgression(reward_item_id=self.coins, reward_item_threshold=3),
        )
        self.badge: Badge = self.define(c.CreateBadge(client_id=CLIENT, name="Either", progressions=either))
        self.gift: Badge = self.define(c.CreateBadge(client_id=CLIENT, name="Gift"))
        quest = self.define(
            c.CreateQuest(client_id=CLIENT, name="Quest", timeout=timedelta(hours=1), badge_ids=(self.gift.id,))
        )
        self.define(
            c.AddQuestTask(
                client_id=CLIENT,
                quest_id=quest.id,
                name="Vote twice",
                target_value=Decimal(2),
                reward_action_key="vote",
            )
        )
        self.define(
            c.AddQuestTask(client_id=CLIENT, quest_id=quest.id, name="Watch", default_progress_increment=Decimal("0.5"))
        )
        reward = c.NewQuestReward(reward_item_id=self.coins, reward_item_amount=2)
        self.quest: Quest = self.define(c.AddQuestRewards(client_id=CLIENT, quest_id=quest.id, rewards=(reward,)))

    def define(self, command: Any) -> Any:
        definition = define(self.working.game, command, self.now, self.new_id)
        self.working.game = self.working.game.with_(definition)
        return definition

    def new_id(self) -> str:
        self.made += 1
        return f"id-{self.made:06}"

    def play(self, command: Any) -> Any:
        """The answer, or None for a rejected command, which must leave the state as it was.

        Each command also runs alone, on a state loaded afresh: the outcome must be that of the running batch.
        """
        self.now += timedelta(seconds=1)
        before, written = self.working.fans.copy(), msgspec.json.encode(self.working.fans)
        alone = Working(self.working.game, fans=before, used_codes=self.working.used_codes.copy())
        made = self.made
        expected = self.outcome(alone, command)
        self.made = made
        found = self.outcome(self.working, command)
        assert msgspec.json.encode(before) == written, "fans are replaced, never changed"
        if isinstance(found, str):
            assert found == expected
            assert msgspec.json.encode(self.working.fans) == written
            return None
        assert found == expected
        assert vars(alone) == vars(self.working)
        self.ledger += found.transactions
        self.facts += found.facts
        return found.answer

    def outcome(self, working: Working, command: Any) -> Decision | str:
        try:
            return working.play(command, self.now, self.new_id)
        except Rejected as error:
            return error.message

    def profile(self, name: str) -> ProfileId:
        return self.working.by_custom_id[name]

    @rule(name=fans, key=st.sampled_from(["vote", "watch", "unknown"]))
    def invoke_and_repeat(self, name: str, key: str) -> None:
        command = c.InvokeAction(
            client_id=CLIENT,
            program_id=PROGRAM,
            reward_action_key=key,
            custom_profile_id=name,
            code=self.new_id(),
        )
        self.play(command)
        paid = len(self.ledger)
        assert self.play(command) is None, "the same code is refused"
        assert len(self.ledger) == paid

    @rule(name=fans, amount=amounts)
    def credit(self, name: str, amount: int) -> None:
        self.play(
            c.Credit(
                client_id=CLIENT, profile_id=self.profile(name), reward_item_id=self.points, reward_item_amount=amount
            )
        )

    @rule(name=fans, amount=amounts)
    def debit(self, name: str, amount: int) -> None:
        self.play(
            c.Debit(
                client_id=CLIENT, profile_id=self.profile(name), reward_item_id=self.points, reward_item_amount=amount
            )
        )

    @rule(sender=fans, recipient=fans, amount=amounts)
    def transfer(self, sender: str, recipient: str, amount: int) -> None:
        self.play(
            c.Transfer(
                client_id=CLIENT,
                profile_id=self.profile(sender),
                recipient_profile_id=self.profile(recipient),
                reward_item_id=self.points,
                reward_item_amount=amount,
            )
        )

    @rule(name=fans)
    def start(self, name: str) -> None:
        self.play(c.StartQuest(client_id=CLIENT, profile_id=self.profile(name), quest_id=self.quest.id))

    def run(self, name: str) -> UserQuest | None:
        return self.working.fans[self.profile(name)].user_quests.get(self.quest.id)

    @rule(name=fans, task=st.integers(0, 1), step=steps, absolute=st.booleans())
    def progress(self, name: str, task: int, step: Decimal, *, absolute: bool) -> None:
        if (run := self.run(name)) is not None and task < len(run.tasks):
            how: dict[str, Any] = {"custom_progress": step} if absolute else {"custom_increment": step}
            self.play(c.ProgressTask(client_id=CLIENT, user_quest_task_id=run.tasks[task].id, **how))

    @rule(name=fans, last_step_first=st.booleans())
    def finish_and_claim_twice(self, name: str, *, last_step_first: bool) -> None:
        self.start(name)
        run = self.run(name)
        assert run is not None
        for task in reversed(run.tasks) if last_step_first else run.tasks:
            self.play(c.ProgressTask(client_id=CLIENT, user_quest_task_id=task.id, custom_progress=Decimal(3)))
        claim = c.ClaimQuestRewards(client_id=CLIENT, user_quest_id=run.id)
        self.play(claim)
        paid = len(self.ledger)
        self.play(claim)
        assert len(self.ledger) == paid

    @rule(name=fans, statuses=st.lists(st.booleans(), min_size=1, max_size=2), claim=st.booleans())
    def set_statuses(self, name: str, statuses: list[bool], *, claim: bool) -> None:
        if (run := self.run(name)) is not None:
            wanted = list(zip(run.tasks, statuses, strict=False))
            command = c.ChangeUserQuest(
                client_id=CLIENT,
                user_quest_id=run.id,
                completed=tuple(task.id for task, is_done in wanted if is_done),
                incomplete=tuple(task.id for task, is_done in wanted if not is_done),
                claim=claim,
            )
            self.play(command)

    @rule(name=fans)
    def claim_badges(self, name: str) -> None:
        if (run := self.run(name)) is not None:
            claimed = self.play(c.ClaimQuestBadges(client_id=CLIENT, user_quest_id=run.id))
            assert all(earned.revoked_at is None for earned in claimed or ())

    @rule(name=fans)
    def start_over(self, name: str) -> None:
        if (run := self.run(name)) is not None:
            removed = self.play(c.RemoveUserQuest(client_id=CLIENT, user_quest_id=run.id))
            assert (removed is None) == (run.completed_at is not None)

    @rule(name=fans, which=st.integers(0, 2))
    def revoke(self, name: str, which: int) -> None:
        earned = list(self.working.fans[self.profile(name)].badges.values())
        if which < len(earned):
            self.play(c.RevokeBadge(client_id=CLIENT, earned_badge_id=earned[which].id))

    @rule(goal=st.sampled_from(["1", "2", "3"]), task=st.integers(0, 1))
    def move_a_target(self, goal: str, task: int) -> None:
        task_id = self.quest.tasks[task].id
        if is_live(next(t for t in self.working.game.quests[self.quest.id].tasks if t.id == task_id)):
            self.define(c.UpdateQuestTask(client_id=CLIENT, quest_task_id=task_id, target_value=Decimal(goal)))

    @precondition(lambda self: all(map(is_live, self.working.game.quests[self.quest.id].tasks)))
    @rule()
    def remove_a_task(self) -> None:
        self.define(c.RemoveQuestTask(client_id=CLIENT, quest_task_id=self.quest.tasks[1].id))

    @rule(minutes=st.sampled_from([1, 30]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(name=st.sampled_from(["ada", "dee", ""]), fine=st.booleans())
    def sign_up(self, name: str, *, fine: bool) -> None:
        self.play(c.CreateProfile(client_id=CLIENT, custom_id=name, existing_is_fine=fine))

    @rule(name=fans)
    def award(self, name: str) -> None:
        self.play(c.AwardBadge(client_id=CLIENT, profile_id=self.profile(name), badge_id=self.badge.id))

    @invariant()
    def balances_are_the_sums_of_their_transactions(self) -> None:
        sums: dict[tuple[str, str], int] = defaultdict(int)
        for row in self.ledger:
            sums[row.profile_id, row.reward_item_id] += row.amount
            assert row.balance == sums[row.profile_id, row.reward_item_id] >= 0
        held = {(f.profile.id, item): n for f in self.working.fans.values() for item, n in f.balances.items()}
        assert held == sums

    @invariant()
    def every_reward_has_one_fact_and_every_fact_its_reward(self) -> None:
        by_table = [row.id for row in self.ledger if row.kind is TransactionKind.REWARD_TABLE]
        by_quest = [row.id for row in self.ledger if row.kind is TransactionKind.QUEST]
        assert [f.reward_item_transaction_id for f in self.facts if isinstance(f, RewardItemRewarded)] == by_table
        assert [f.reward_item_transaction_id for f in self.facts if isinstance(f, QuestRewardAwarded)] == by_quest

    @invariant()
    def badges_and_completed_quests_happen_once(self) -> None:
        """A completed run stays, so the quest is completed once; a task may be set back, and completed again."""
        happened = Counter(
            (type(fact), fact.profile_id, getattr(fact, "badge_id", None) or getattr(fact, "quest_id", None))
            for fact in self.facts
            if isinstance(fact, BadgeRewarded | UserQuestCompleted)
        )
        assert max(happened.values(), default=0) <= 1

    @invariant()
    def limited_entries_pay_no_more_than_they_may(self) -> None:
        paid = Counter(row.profile_id for row in self.ledger if row.amount == 3 and row.reward_action_key == "watch")
        assert max(paid.values(), default=0) <= LIMIT

    @invariant()
    def quests_are_complete_when_all_their_tasks_are(self) -> None:
        for fan in self.working.fans.values():
            for user_quest in fan.user_quests.values():
                done = all(task.completed_at is not None for task in user_quest.tasks)
                assert done == (user_quest.completed_at is not None)

    @invariant()
    def progress_is_told_before_completion(self) -> None:
        kinds = [type(fact) for fact in self.facts]
        for place, kind in enumerate(kinds):
            if kind is QuestTaskCompleted:
                assert kinds[place - 1] is UserQuestTaskProgressed
            if kind is UserQuestCompleted:
                assert kinds[place - 1] is QuestTaskCompleted


AnySequenceOfCommands.TestCase.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)
TestAnySequence = AnySequenceOfCommands.TestCase
