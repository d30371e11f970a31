"""What one command does, step by step: the new state of its fans, the ledger's rows, the facts in causal order.

A rejection throws the turn away, so nothing of it remains.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from msgspec.structs import replace

from tifo.engagement.facts import (
    AnyFact,
    BadgeRewarded,
    QuestRewardAwarded,
    QuestTaskCompleted,
    UserQuestCompleted,
    UserQuestTaskProgressed,
)
from tifo.engagement.model import (
    Badge,
    BadgeProgression,
    EarnedBadge,
    Fan,
    Game,
    InvokedAction,
    Profile,
    Quest,
    QuestTask,
    RewardItem,
    Transaction,
    TransactionKind,
    UserQuest,
    UserQuestTask,
    is_live,
)
from tifo.engagement.ports import BatchState, Decision
from tifo.engagement.values import MAX_AMOUNT, decimal_text
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import (
    BadgeId,
    EarnedBadgeId,
    FactId,
    NewId,
    ProfileId,
    RewardItemId,
    TransactionId,
    UserQuestId,
    UserQuestTaskId,
)


def quest_status(quest: Quest, now: datetime) -> Literal["active", "not_started", "expired"]:
    """An archived quest has expired."""
    if quest.started_at is not None and now < quest.started_at and is_live(quest):
        return "not_started"
    if not is_live(quest) or (quest.stopped_at is not None and now >= quest.stopped_at):
        return "expired"
    return "active"


class Turn:
    """One command's effects so far."""

    def __init__(self, game: Game, state: BatchState, now: datetime, new_id: NewId) -> None:
        self.game = game
        self.state = state
        self.now = now
        self.new_id = new_id
        self.changed: dict[ProfileId, Fan] = {}
        self.transactions: list[Transaction] = []
        self.facts: list[AnyFact] = []
        self.invoked: InvokedAction | None = None

    def decision(self, answer: object) -> Decision:
        return Decision(
            answer=answer,
            fans=tuple(self.changed.values()),
            transactions=tuple(self.transactions),
            invoked=self.invoked,
            facts=tuple(self.facts),
        )

    def fan(self, profile_id: ProfileId, field: str = "profile_id") -> Fan:
        fan = self.changed.get(profile_id) or self.state.fans.get(profile_id)
        if fan is None or fan.profile.client_id != self.game.application.id:
            raise NotFound(f"There is no profile {profile_id!r:.100} in this application.", field=field)
        return fan

    def put(self, fan: Fan) -> None:
        self.changed[fan.profile.id] = fan

    def tell(self, kind: Callable[..., AnyFact], profile: Profile, **more: object) -> None:
        self.facts.append(
            kind(
                id=FactId(self.new_id()),
                client_id=profile.client_id,
                profile_id=profile.id,
                custom_id=profile.custom_id,
                happened_at=self.now,
                **more,
            )
        )

    def item(self, reward_item_id: RewardItemId) -> RewardItem:
        item = self.game.reward_items.get(reward_item_id)
        if item is None:
            raise NotFound(
                f"There is no reward item {reward_item_id!r:.100} in this application.", field="reward_item_id"
            )
        return item

    def move(
        self,
        profile_id: ProfileId,
        reward_item_id: RewardItemId,
        amount: int,
        kind: TransactionKind,
        **more: Any,
    ) -> Transaction:
        """Add a row to the ledger: `amount` is signed. Does not look at badges yet."""
        fan = self.fan(profile_id)
        before = fan.balances.get(reward_item_id, 0)
        balance = before + amount
        if balance < 0:
            raise Rejected(
                f"The balance is {before}, which is less than the amount {-amount}. Nothing was changed.",
                code="insufficient_balance",
                field="reward_item_amount",
            )
        if balance > MAX_AMOUNT:
            raise Rejected(
                f"The balance is {before}, and {amount} more would exceed {MAX_AMOUNT}. Nothing was changed.",
                field="reward_item_amount",
            )
        transaction = Transaction(
            id=TransactionId(self.new_id()),
            profile_id=profile_id,
            reward_item_id=reward_item_id,
            amount=amount,
            balance=balance,
            kind=kind,
            created_at=self.now,
            **more,
        )
        self.transactions.append(transaction)
        self.put(replace(fan, balances={**fan.balances, reward_item_id: balance}))
        return transaction

    def earn_badges(self, credit: Transaction) -> None:
        """Those whose threshold the balance right after this credit reaches."""
        for badge, progression in self.game.badges_by_item.get(credit.reward_item_id, ()):
            if credit.balance >= progression.reward_item_threshold:
                self.give_badge(credit.profile_id, badge, progression)

    def give_badge(self, profile_id: ProfileId, badge: Badge, by: BadgeProgression | None) -> EarnedBadge:
        """Once for ever: a badge that the fan has, or had, is answered with as it is."""
        fan = self.fan(profile_id)
        if badge.id in fan.badges:
            return fan.badges[badge.id]
        earned = EarnedBadge(
            id=EarnedBadgeId(self.new_id()), profile_id=profile_id, badge_id=badge.id, awarded_at=self.now
        )
        self.put(replace(fan, badges={**fan.badges, badge.id: earned}))
        self.tell(
            BadgeRewarded,
            fan.profile,
            badge_id=badge.id,
            badge_title=badge.name,
            description=badge.description or None,
            earned_badge_id=earned.id,
            image_url=badge.image_url or None,
            reward_item_id=None if by is None else by.reward_item_id,
            reward_item_name=None if by is None else self.item(by.reward_item_id).name,
            reward_item_threshold=None if by is None else by.reward_item_threshold,
        )
        return earned

    def put_badge(self, earned: EarnedBadge) -> EarnedBadge:
        fan = self.fan(earned.profile_id)
        self.put(replace(fan, badges={**fan.badges, earned.badge_id: earned}))
        return earned

    def start(self, profile_id: ProfileId, quest: Quest) -> UserQuest:
        fan = self.fan(profile_id)
        user_quest = UserQuest(
            id=UserQuestId(self.new_id()),
            profile_id=profile_id,
            quest_id=quest.id,
            created_at=self.now,
            active_until=None if quest.timeout is None else self.now + quest.timeout,
            tasks=tuple(
                UserQuestTask(id=UserQuestTaskId(self.new_id()), quest_task_id=task.id)
                for task in quest.tasks
                if is_live(task)
            ),
        )
        self.put(replace(fan, user_quests={**fan.user_quests, quest.id: user_quest}))
        return user_quest

    def is_running(self, quest: Quest, user_quest: UserQuest) -> bool:
        in_time = user_quest.active_until is None or self.now < user_quest.active_until
        return user_quest.completed_at is None and in_time and quest_status(quest, self.now) == "active"

    def progress(
        self, user_quest: UserQuest, quest: Quest, task: QuestTask, progress: Decimal, **asked: str | None
    ) -> UserQuest:
        """Set a task's progress. What reaches the target is kept at the target, and completes the task.

        A lower progress (a reset, say) is kept, but is no move toward the target: it gives no fact, unless it is all
        that a target which was lowered meanwhile asks for. `asked` goes into the fact: the custom step or progress,
        where the command gave one.
        """
        own = next(each for each in user_quest.tasks if each.quest_task_id == task.id)
        progress = min(progress, task.target_value)
        is_complete = progress >= task.target_value
        if own.completed_at is not None or (progress == own.progress and not is_complete):
            return user_quest
        after = replace(own, progress=progress, completed_at=self.now if is_complete else None)
        user_quest = self._put_task(user_quest, after)
        if is_complete or progress > own.progress:
            self._tell_progress(user_quest, quest, task, after, asked)
        if is_complete and all(each.completed_at is not None for each in user_quest.tasks):
            user_quest = self._complete(user_quest, quest)
        return user_quest

    def reset(self, user_quest: UserQuest, own: UserQuestTask) -> UserQuest:
        """No progress: it is no move toward the target, and gives no fact."""
        return self._put_task(user_quest, replace(own, progress=Decimal(0), completed_at=None))

    def give_quest_badges(self, user_quest: UserQuest, badge_ids: Iterable[BadgeId]) -> tuple[EarnedBadge, ...]:
        """Those that the fan now has of them: one that was revoked is not given again."""
        badges = (self.game.badges[badge_id] for badge_id in badge_ids)
        given = [self.give_badge(user_quest.profile_id, badge, None) for badge in badges]
        return tuple(earned for earned in given if earned.revoked_at is None)

    def remove(self, user_quest: UserQuest) -> None:
        fan = self.fan(user_quest.profile_id)
        left = {quest_id: each for quest_id, each in fan.user_quests.items() if each.id != user_quest.id}
        self.put(replace(fan, user_quests=left))

    def pay_rewards(self, user_quest: UserQuest, quest: Quest) -> UserQuest:
        claimed = replace(user_quest, rewards_claimed_at=self.now)
        self._put_quest(claimed)
        for reward in quest.rewards:
            paid = self.move(
                user_quest.profile_id,
                reward.reward_item_id,
                reward.reward_item_amount,
                TransactionKind.QUEST,
                user_quest_id=user_quest.id,
            )
            self.tell(
                QuestRewardAwarded,
                self.fan(user_quest.profile_id).profile,
                quest_id=quest.id,
                quest_name=quest.name,
                reward_item_id=reward.reward_item_id,
                reward_item_name=self.item(reward.reward_item_id).name,
                reward_item_amount=paid.amount,
                reward_item_balance=paid.balance,
                reward_item_transaction_id=paid.id,
            )
            self.earn_badges(paid)
        return claimed

    def _put_quest(self, user_quest: UserQuest) -> UserQuest:
        fan = self.fan(user_quest.profile_id)
        self.put(replace(fan, user_quests={**fan.user_quests, user_quest.quest_id: user_quest}))
        return user_quest

    def _put_task(self, user_quest: UserQuest, task: UserQuestTask) -> UserQuest:
        tasks = tuple(task if each.id == task.id else each for each in user_quest.tasks)
        return self._put_quest(replace(user_quest, tasks=tasks))

    def _tell_progress(
        self,
        user_quest: UserQuest,
        quest: Quest,
        task: QuestTask,
        own: UserQuestTask,
        asked: Mapping[str, str | None],
    ) -> None:
        profile = self.fan(user_quest.profile_id).profile
        common = {
            "quest_id": quest.id,
            "quest_name": quest.name,
            "quest_task_id": task.id,
            "quest_task_name": task.name,
            "user_quest_id": user_quest.id,
            "user_quest_task_id": own.id,
        }
        self.tell(
            UserQuestTaskProgressed,
            profile,
            **common,
            quest_task_target_value=decimal_text(task.target_value),
            user_quest_task_progress=decimal_text(own.progress),
            **asked,
        )
        if own.completed_at is not None:
            self.tell(QuestTaskCompleted, profile, **common)

    def _complete(self, user_quest: UserQuest, quest: Quest) -> UserQuest:
        user_quest = self._put_quest(replace(user_quest, completed_at=self.now))
        self.tell(
            UserQuestCompleted,
            self.fan(user_quest.profile_id).profile,
            quest_id=quest.id,
            quest_name=quest.name,
            user_quest_id=user_quest.id,
        )
        if self.game.application.auto_claim_quest_rewards:
            user_quest = self.pay_rewards(user_quest, quest)
            self.give_quest_badges(user_quest, quest.badge_ids)
        return user_quest
