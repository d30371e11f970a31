"""A fan's run of a quest: its tasks, its rewards, the badges that were claimed."""

from decimal import Decimal
from typing import Literal
from uuid import NAMESPACE_URL, uuid5

from tifo.engagement.model import QuestReward, UserQuest, UserQuestTask
from tifo.kernel.clock import to_iso
from tifo.livelike.resources.badges import ProfileBadgeResource
from tifo.livelike.resources.base import Id, Resource, Time, Url, known, time_or_none
from tifo.livelike.resources.context import ResourceContext
from tifo.livelike.resources.quests import QuestResource, QuestRewardResource, QuestTaskResource

Completion = Literal["completed", "incomplete"]
Claim = Literal["claimed", "unclaimed"]


class UserQuestTaskResource(Resource, frozen=True, kw_only=True):
    id: Id
    user_quest_id: Id
    quest_task: QuestTaskResource
    created_at: Time
    completed_at: Time | None
    status: Completion
    progress: Decimal

    @classmethod
    def of(cls, task: UserQuestTask, run: UserQuest, context: ResourceContext) -> "UserQuestTaskResource":
        return cls(
            id=task.id,
            user_quest_id=run.id,
            quest_task=QuestTaskResource.of(*context.quest_task(task.quest_task_id), context),
            # LiveLike makes the tasks with the run, so they have its time.
            created_at=to_iso(run.created_at),
            completed_at=time_or_none(task.completed_at),
            status="completed" if task.completed_at else "incomplete",
            progress=task.progress,
        )


class UserQuestResource(Resource, frozen=True, kw_only=True):
    id: Id
    url: Url
    profile_id: Id
    quest_id: Id
    quest: QuestResource
    created_at: Time
    completed_at: Time | None
    active_until: Time | None
    timer_expired: bool
    status: Completion
    user_quest_tasks: list[UserQuestTaskResource]
    user_quest_rewards_url: Url
    rewards_status: Claim
    rewards_claimed_at: Time | None

    @classmethod
    def of(cls, run: UserQuest, context: ResourceContext) -> "UserQuestResource":
        return cls(
            id=run.id,
            url=context.links.to("user-quests", run.id),
            profile_id=run.profile_id,
            quest_id=run.quest_id,
            quest=QuestResource.of(known(context.game.quests, run.quest_id), context),
            created_at=to_iso(run.created_at),
            completed_at=time_or_none(run.completed_at),
            active_until=time_or_none(run.active_until),
            timer_expired=run.completed_at is None and run.active_until is not None and run.active_until < context.now,
            status=completion_of(run),
            user_quest_tasks=[UserQuestTaskResource.of(task, run, context) for task in run.tasks],
            # LiveLike's SDK appends `?user_quest_id=` to it.
            user_quest_rewards_url=context.links.to("user-quest-rewards"),
            rewards_status=claim_of(run),
            rewards_claimed_at=time_or_none(run.rewards_claimed_at),
        )


class TaskProgressResource(Resource, frozen=True, kw_only=True):
    """The user quest, which LiveLike's SDK reads, and the task, which LiveLike's reference shows."""

    # The SDK returns `user_quest` of the answer, and silently `undefined` where there is none.

    id: Id
    custom_increment: Decimal | None
    custom_progress: Decimal | None
    user_quest_task_id: Id
    user_quest_task: UserQuestTaskResource
    user_quest: UserQuestResource

    @classmethod
    def of(
        cls,
        task: UserQuestTask,
        run: UserQuest,
        context: ResourceContext,
        *,
        custom_increment: Decimal | None,
        custom_progress: Decimal | None,
    ) -> "TaskProgressResource":
        return cls(
            # A repeated request must answer with the same id, so it follows from the task and its progress.
            id=str(uuid5(NAMESPACE_URL, f"{task.id}/{task.progress}")),
            custom_increment=custom_increment,
            custom_progress=custom_progress,
            user_quest_task_id=task.id,
            user_quest_task=UserQuestTaskResource.of(task, run, context),
            user_quest=UserQuestResource.of(run, context),
        )


class UserQuestRewardResource(Resource, frozen=True, kw_only=True):
    id: Id
    user_quest_id: Id
    quest_reward: QuestRewardResource
    reward_status: Claim

    @classmethod
    def of(cls, reward: QuestReward, run: UserQuest, context: ResourceContext) -> "UserQuestRewardResource":
        quest = known(context.game.quests, run.quest_id)
        return cls(
            # No row is stored for it, so its id follows from the run and the reward.
            id=str(uuid5(NAMESPACE_URL, f"{run.id}/{reward.id}")),
            user_quest_id=run.id,
            quest_reward=QuestRewardResource.of(reward, quest, context),
            reward_status=claim_of(run),
        )


class ClaimedBadgesResource(Resource, frozen=True, kw_only=True):
    """The badges that the claim gave to the fan."""

    user_quest_id: Id
    claimed_badges: list[ProfileBadgeResource]


def completion_of(run: UserQuest) -> Completion:
    return "completed" if run.completed_at else "incomplete"


def claim_of(run: UserQuest) -> Claim:
    return "claimed" if run.rewards_claimed_at else "unclaimed"
