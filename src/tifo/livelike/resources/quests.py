"""Quests with their tasks and rewards, as they are defined."""

from datetime import timedelta
from decimal import Decimal
from typing import Literal

from tifo.engagement.model import Attributes, Quest, QuestReward, QuestTask, is_live
from tifo.engagement.rules import quest_status
from tifo.kernel.clock import to_iso
from tifo.livelike.resources.badges import BadgeResource
from tifo.livelike.resources.base import Id, Resource, Time, Url, time_or_none
from tifo.livelike.resources.context import ResourceContext

QuestStatus = Literal["active", "not_started", "expired"]


class QuestTaskResource(Resource, frozen=True, kw_only=True):
    id: Id
    key: str | None
    url: Url
    quest_id: Id
    name: str
    description: str | None
    created_at: Time
    # LiveLike's older examples call it progress_threshold; the SDK reads target_value.
    target_value: Decimal
    default_progress_increment: Decimal
    reward_action_key: str | None
    attributes: Attributes

    @classmethod
    def of(cls, task: QuestTask, quest: Quest, context: ResourceContext) -> "QuestTaskResource":
        return cls(
            id=task.id,
            key=task.key,
            url=context.links.to("quest-tasks", task.id),
            quest_id=quest.id,
            name=task.name,
            description=task.description,
            created_at=to_iso(task.created_at),
            target_value=task.target_value,
            default_progress_increment=task.default_progress_increment,
            reward_action_key=task.reward_action_key,
            attributes=task.attributes,
        )


class QuestRewardResource(Resource, frozen=True, kw_only=True):
    id: Id
    url: Url
    quest_id: Id
    reward_item_id: Id
    reward_item_name: str
    reward_item_amount: int

    @classmethod
    def of(cls, reward: QuestReward, quest: Quest, context: ResourceContext) -> "QuestRewardResource":
        return cls(
            id=reward.id,
            url=context.links.to("quest-rewards", reward.id),
            quest_id=quest.id,
            reward_item_id=reward.reward_item_id,
            reward_item_name=context.reward_item(reward.reward_item_id).name,
            reward_item_amount=reward.reward_item_amount,
        )


class QuestResource(Resource, frozen=True, kw_only=True):
    """The quest with its live tasks; archived ones are left out."""

    id: Id
    key: str | None
    url: Url
    client_id: Id
    name: str
    description: str | None
    created_at: Time
    started_at: Time | None
    stopped_at: Time | None
    timeout: timedelta | None
    status: QuestStatus
    attributes: Attributes
    quest_tasks: list[QuestTaskResource]
    # In the SDK's type; LiveLike's reference has the address only.
    quest_rewards: list[QuestRewardResource]
    quest_rewards_url: Url

    @classmethod
    def of(cls, quest: Quest, context: ResourceContext) -> "QuestResource":
        return cls(
            id=quest.id,
            key=quest.key,
            url=context.links.to("quests", quest.id),
            client_id=context.client_id,
            name=quest.name,
            description=quest.description,
            created_at=to_iso(quest.created_at),
            started_at=time_or_none(quest.started_at),
            stopped_at=time_or_none(quest.stopped_at),
            timeout=quest.timeout,
            status=status_of(quest, context),
            attributes=quest.attributes,
            quest_tasks=[QuestTaskResource.of(task, quest, context) for task in filter(is_live, quest.tasks)],
            quest_rewards=[QuestRewardResource.of(reward, quest, context) for reward in quest.rewards],
            # LiveLike's SDK appends `?quest_id=` to it.
            quest_rewards_url=context.links.to("quest-rewards"),
        )


class QuestRewardsResource(Resource, frozen=True, kw_only=True):
    """The rewards that the request added."""

    quest_id: Id
    quest_rewards: list[QuestRewardResource]


class QuestBadgesResource(Resource, frozen=True, kw_only=True):
    """The badges that fans who completed the quest may claim."""

    quest_id: Id
    badge_ids: tuple[Id, ...]
    badges: list[BadgeResource]


def status_of(quest: Quest, context: ResourceContext) -> QuestStatus:
    """Computes the quest's status from its window and the context's time."""
    return quest_status(quest, context.now)
