"""Facts: what happened, in the past tense. A fact holds all that its track message needs, as it was at that moment.

Facts of one command are in causal order: a payment before what it earns, progress before completion, a task before
its quest.
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


# Facts are stored as JSON until they are sent: tags and fields must stay readable, new fields need a default.
class Fact(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    id: FactId
    """The event's message id is the same."""
    client_id: ClientId
    profile_id: ProfileId
    custom_id: str | None
    """The fan's custom id at that moment, if one was set."""
    happened_at: datetime


class BadgeRewarded(Fact, frozen=True, kw_only=True, tag="badge_rewarded"):
    """A profile got a badge. The reward item is set if its threshold earned the badge."""

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
    """A completed quest paid one reward item; `reward_item_balance` is the balance right after.

    Our engine always sets the quest; LiveLike's webhooks may lack it.
    """

    quest_id: QuestId | None
    quest_name: str | None
    reward_item_id: RewardItemId
    reward_item_name: str
    reward_item_amount: int
    reward_item_balance: int
    reward_item_transaction_id: TransactionId


class RewardItemRewarded(Fact, frozen=True, kw_only=True, tag="reward_item_rewarded"):
    """One entry of a reward table paid; `reward_item_balance` is the balance right after."""

    reward_item_id: RewardItemId
    reward_item_name: str
    reward_item_amount: int
    reward_item_balance: int
    reward_item_transaction_id: TransactionId
    reward_action_key: str | None = None
    """LiveLike's webhook needs it, and the table. None in facts that were written before these fields existed."""
    reward_table_id: RewardTableId | None = None


class UserQuestTaskProgressed(Fact, frozen=True, kw_only=True, tag="user_quest_task_progressed"):
    """A task progressed. Progress and target are exact decimals in text form, such as `0.5`."""

    quest_id: QuestId
    quest_name: str
    quest_task_id: QuestTaskId
    quest_task_name: str
    # Texts: a reader of a JSON number may make a float of it.
    quest_task_target_value: str
    user_quest_id: UserQuestId
    user_quest_task_id: UserQuestTaskId
    user_quest_task_progress: str
    custom_increment: str | None = None
    """The increment of the command; None if it used the task's default increment, or set an absolute progress."""
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
