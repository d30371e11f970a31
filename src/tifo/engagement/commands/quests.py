"""Commands that define quests, their tasks and their rewards."""

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
from msgspec import UNSET

from tifo.engagement.commands.base import Command, Create, Unset
from tifo.engagement.model import Attributes, Quest
from tifo.kernel.ids import BadgeId, QuestId, QuestRewardId, QuestTaskId, RewardItemId


class NewQuestReward(msgspec.Struct, frozen=True, kw_only=True):
    reward_item_id: RewardItemId
    reward_item_amount: int


class CreateQuest(Create[Quest], frozen=True, kw_only=True):
    description: str | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    timeout: timedelta | None = None
    badge_ids: tuple[BadgeId, ...] = ()
    attributes: Attributes = ()


class UpdateQuest(Command[Quest], frozen=True, kw_only=True):
    """Changes a quest; `badge_ids` and `rewards` replace the whole list. A run that has started keeps its end time,
    whatever the new timeout is.
    """

    quest_id: QuestId
    name: str | Unset = UNSET
    key: str | Unset | None = UNSET
    description: str | Unset | None = UNSET
    started_at: datetime | Unset | None = UNSET
    stopped_at: datetime | Unset | None = UNSET
    timeout: timedelta | Unset | None = UNSET
    badge_ids: tuple[BadgeId, ...] | Unset = UNSET
    rewards: tuple[NewQuestReward, ...] | Unset = UNSET
    attributes: Attributes | Unset = UNSET


class AddQuestTask(Command[Quest], frozen=True, kw_only=True):
    """Adds a task; it is the last one of the answer. Runs that started earlier keep their own tasks."""

    quest_id: QuestId
    name: str
    key: str | None = None
    id: str | None = None
    description: str | None = None
    # LiveLike shows both in answers and sets them in its CMS only; its API documents no input for them.
    target_value: Decimal = Decimal(1)
    default_progress_increment: Decimal = Decimal(1)
    reward_action_key: str | None = None
    attributes: Attributes = ()


class UpdateQuestTask(Command[Quest], frozen=True, kw_only=True):
    """Changes a task. Completed ones stay completed; others are compared with the new target at their next step."""

    quest_task_id: QuestTaskId
    name: str | Unset = UNSET
    key: str | Unset | None = UNSET
    description: str | Unset | None = UNSET
    target_value: Decimal | Unset = UNSET
    default_progress_increment: Decimal | Unset = UNSET
    reward_action_key: str | Unset | None = UNSET
    attributes: Attributes | Unset = UNSET


class RemoveQuestTask(Command[Quest], frozen=True, kw_only=True):
    """Archives a task in its quest: later runs start without it, earlier runs keep it."""

    quest_task_id: QuestTaskId


class AddQuestRewards(Command[Quest], frozen=True, kw_only=True):
    """Adds rewards; they are the last ones of the answer."""

    quest_id: QuestId
    rewards: tuple[NewQuestReward, ...]


class RemoveQuestReward(Command[Quest], frozen=True, kw_only=True):
    """Removes a reward from its quest; later claims do not pay it."""

    quest_reward_id: QuestRewardId
