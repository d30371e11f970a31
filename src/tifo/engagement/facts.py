"""What happened, in the past tense. A fact holds all that its track message needs, as it was at that moment.

Facts of one command stand in causal order: what pays before what the payment earns, progress before completion,
a task before its quest.
"""

from datetime import datetime

import msgspec

from tifo.kernel.ids import (
    BadgeId,
    ClientId,
    EarnedBadgeId,
    FactId,
    ProfileId,
    QuestId,
    QuestTaskId,
    RewardItemId,
    RewardTableId,
    TransactionId,
    UserQuestId,
    UserQuestTaskId,
)


class Fact(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    id: FactId
    """Also the message id of the event."""
    client_id: ClientId
    profile_id: ProfileId
    custom_id: str | None
    """The fan's own id at that moment, when one was set."""
    happened_at: datetime


class BadgeRewarded(Fact, frozen=True, kw_only=True, tag="badge_rewarded"):
    """A profile is given a badge. The reward item is known when its threshold earned the badge."""

    badge_id: BadgeId
    badge_title: str
    description: str | None
    earned_badge_id: EarnedBadgeId
    image_url: str | None
    reward_item_id: RewardItemId | None = None
    reward_item_name: str | None = None
    reward_item_threshold: int | None = None


class QuestTaskCompleted(Fact, frozen=True, kw_only=True, tag="quest_task_completed"):
    quest_id: QuestId
    quest_name: str
    quest_task_id: QuestTaskId
    quest_task_name: str
    user_quest_id: UserQuestId
    user_quest_task_id: UserQuestTaskId


class QuestRewardAwarded(Fact, frozen=True, kw_only=True, tag="quest_reward_awarded"):
    """One reward item is paid for a completed quest; `reward_item_balance` is the balance right after.

    The quest is always known here; a webhook of LiveLike's may not tell it.
    """

    quest_id: QuestId | None
    quest_name: str | None
    reward_item_id: RewardItemId
    reward_item_name: str
    reward_item_amount: int
    reward_item_balance: int
    reward_item_transaction_id: TransactionId


class RewardItemRewarded(Fact, frozen=True, kw_only=True, tag="reward_item_rewarded"):
    """One entry of a reward table pays; `reward_item_balance` is the balance right after."""

    reward_item_id: RewardItemId
    reward_item_name: str
    reward_item_amount: int
    reward_item_balance: int
    reward_item_transaction_id: TransactionId
    reward_action_key: str | None = None
    """With the table, for LiveLike's webhook. None in facts that were written before it was kept."""
    reward_table_id: RewardTableId | None = None


class UserQuestTaskProgressed(Fact, frozen=True, kw_only=True, tag="user_quest_task_progressed"):
    """`user_quest_task_progress` and the target are exact decimals in text form, such as `0.5`."""

    quest_id: QuestId
    quest_name: str
    quest_task_id: QuestTaskId
    quest_task_name: str
    quest_task_target_value: str
    user_quest_id: UserQuestId
    user_quest_task_id: UserQuestTaskId
    user_quest_task_progress: str
    custom_increment: str | None = None
    """As it was asked for; None where the task's default step was taken, or an absolute progress set."""
    custom_progress: str | None = None


class UserQuestCompleted(Fact, frozen=True, kw_only=True, tag="user_quest_completed"):
    quest_id: QuestId
    quest_name: str
    user_quest_id: UserQuestId


AnyFact = (
    BadgeRewarded
    | QuestTaskCompleted
    | QuestRewardAwarded
    | RewardItemRewarded
    | UserQuestTaskProgressed
    | UserQuestCompleted
)
