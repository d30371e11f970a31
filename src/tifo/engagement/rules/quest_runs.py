"""The course of a user quest: it starts, its tasks progress, it completes and pays.

Commands reach these effects by `user_quests`, invoked actions by `progress_linked`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal

from msgspec.structs import replace

from tifo.engagement.facts import (
    QuestRewardAwarded,
    QuestTaskCompleted,
    UserQuestCompleted,
    UserQuestTaskProgressed,
)
from tifo.engagement.model import EarnedBadge, Quest, QuestTask, TransactionKind, UserQuest, UserQuestTask, is_live
from tifo.engagement.rules.badges import earn_badges, give_badge
from tifo.engagement.turn import Turn
from tifo.engagement.values import decimal_text
from tifo.kernel.ids import BadgeId, ProfileId, UserQuestId, UserQuestTaskId


def quest_status(quest: Quest, now: datetime) -> Literal["active", "not_started", "expired"]:
    """Returns the quest's status at this time. An archived quest has expired."""
    # LiveLike has these three, by the window; fans can start an active quest.
    if quest.started_at is not None and now < quest.started_at and is_live(quest):
        return "not_started"
    if not is_live(quest) or (quest.stopped_at is not None and now >= quest.stopped_at):
        return "expired"
    return "active"


def is_running(turn: Turn, quest: Quest, user_quest: UserQuest) -> bool:
    in_time = user_quest.active_until is None or turn.now < user_quest.active_until
    return user_quest.completed_at is None and in_time and quest_status(quest, turn.now) == "active"


def start(turn: Turn, profile_id: ProfileId, quest: Quest) -> UserQuest:
    fan = turn.fan(profile_id)
    # LiveLike: a run gets its tasks when it starts. Tasks that are added later are not in it.
    user_quest = UserQuest(
        id=UserQuestId(turn.new_id()),
        profile_id=profile_id,
        quest_id=quest.id,
        created_at=turn.now,
        active_until=None if quest.timeout is None else turn.now + quest.timeout,
        tasks=tuple(
            UserQuestTask(id=UserQuestTaskId(turn.new_id()), quest_task_id=task.id)
            for task in quest.tasks
            if is_live(task)
        ),
    )
    turn.put(replace(fan, user_quests={**fan.user_quests, quest.id: user_quest}))
    return user_quest


def progress_linked(turn: Turn, profile_id: ProfileId, quest: Quest, action_key: str) -> None:
    """Progresses the tasks that an action is linked to, in a run that was started or that the action starts."""
    user_quest = turn.fan(profile_id).user_quests.get(quest.id)
    if user_quest is None:
        is_linked = any(task.reward_action_key == action_key and is_live(task) for task in quest.tasks)
        automatic = turn.game.application.automatic_quest_processing and is_linked
        if not automatic or quest_status(quest, turn.now) != "active":
            return
        user_quest = start(turn, profile_id, quest)
    own_tasks = {own.quest_task_id: own for own in user_quest.tasks}
    # A task that was archived since counts too: runs that started with it keep it.
    for task in quest.tasks:
        # Asked for each task: the one before may have completed the quest.
        if task.reward_action_key == action_key and task.id in own_tasks and is_running(turn, quest, user_quest):
            to = own_tasks[task.id].progress + task.default_progress_increment
            user_quest = progress(turn, user_quest, quest, task, to)


def progress(
    turn: Turn, user_quest: UserQuest, quest: Quest, task: QuestTask, to: Decimal, **asked: str | None
) -> UserQuest:
    """Sets a task's progress. Progress that reaches the target is stored as the target, and completes the task.

    `asked` goes into the fact: the custom increment or progress, if the command gave one.
    """
    own = next(each for each in user_quest.tasks if each.quest_task_id == task.id)
    # Ours: LiveLike does not say whether progress may exceed the target.
    to = min(to, task.target_value)
    is_complete = to >= task.target_value
    # Standing at a target that was lowered meanwhile is no reason to stop: the run could never end.
    if own.completed_at is not None or (to == own.progress and not is_complete):
        return user_quest
    after = replace(own, progress=to, completed_at=turn.now if is_complete else None)
    user_quest = _put_task(turn, user_quest, after)
    # LiveLike: `custom_progress` may be lower (0 resets). That is stored, but is no progress, so it gives no fact.
    if is_complete or to > own.progress:
        _record_progress(turn, user_quest, quest, task, after, asked=asked)
    if is_complete and all(each.completed_at is not None for each in user_quest.tasks):
        user_quest = _complete(turn, user_quest, quest)
    return user_quest


def reset(turn: Turn, user_quest: UserQuest, own: UserQuestTask) -> UserQuest:
    """Sets a task to no progress. It gives no fact, because it is no move toward the target."""
    return _put_task(turn, user_quest, replace(own, progress=Decimal(0), completed_at=None))


def remove(turn: Turn, user_quest: UserQuest) -> None:
    fan = turn.fan(user_quest.profile_id)
    left = {quest_id: each for quest_id, each in fan.user_quests.items() if each.id != user_quest.id}
    turn.put(replace(fan, user_quests=left))


def pay_rewards(turn: Turn, user_quest: UserQuest, quest: Quest) -> UserQuest:
    claimed = _put(turn, replace(user_quest, rewards_claimed_at=turn.now))
    for reward in quest.rewards:
        paid = turn.move(
            user_quest.profile_id,
            reward.reward_item_id,
            reward.reward_item_amount,
            TransactionKind.QUEST,
            user_quest_id=user_quest.id,
        )
        # Segment's event holds one reward item, so each reward gives one.
        turn.record(
            QuestRewardAwarded,
            turn.fan(user_quest.profile_id).profile,
            quest_id=quest.id,
            quest_name=quest.name,
            reward_item_id=reward.reward_item_id,
            reward_item_name=turn.item(reward.reward_item_id).name,
            reward_item_amount=paid.amount,
            reward_item_balance=paid.balance,
            reward_item_transaction_id=paid.id,
        )
        earn_badges(turn, paid)
    return claimed


def give_quest_badges(turn: Turn, user_quest: UserQuest, badge_ids: Iterable[BadgeId]) -> tuple[EarnedBadge, ...]:
    """Gives the badges, and returns those that the fan now has. A revoked badge is not given again."""
    badges = (turn.game.badges[badge_id] for badge_id in badge_ids)
    given = [give_badge(turn, user_quest.profile_id, badge, None) for badge in badges]
    return tuple(earned for earned in given if earned.revoked_at is None)


def _put(turn: Turn, user_quest: UserQuest) -> UserQuest:
    fan = turn.fan(user_quest.profile_id)
    turn.put(replace(fan, user_quests={**fan.user_quests, user_quest.quest_id: user_quest}))
    return user_quest


def _put_task(turn: Turn, user_quest: UserQuest, task: UserQuestTask) -> UserQuest:
    tasks = tuple(task if each.id == task.id else each for each in user_quest.tasks)
    return _put(turn, replace(user_quest, tasks=tasks))


def _record_progress(
    turn: Turn,
    user_quest: UserQuest,
    quest: Quest,
    task: QuestTask,
    own: UserQuestTask,
    *,
    asked: Mapping[str, str | None],
) -> None:
    profile = turn.fan(user_quest.profile_id).profile
    common = {
        "quest_id": quest.id,
        "quest_name": quest.name,
        "quest_task_id": task.id,
        "quest_task_name": task.name,
        "user_quest_id": user_quest.id,
        "user_quest_task_id": own.id,
    }
    turn.record(
        UserQuestTaskProgressed,
        profile,
        **common,
        quest_task_target_value=decimal_text(task.target_value),
        user_quest_task_progress=decimal_text(own.progress),
        **asked,
    )
    # The progress comes first: it caused the completion.
    if own.completed_at is not None:
        turn.record(QuestTaskCompleted, profile, **common)


def _complete(turn: Turn, user_quest: UserQuest, quest: Quest) -> UserQuest:
    user_quest = _put(turn, replace(user_quest, completed_at=turn.now))
    turn.record(
        UserQuestCompleted,
        turn.fan(user_quest.profile_id).profile,
        quest_id=quest.id,
        quest_name=quest.name,
        user_quest_id=user_quest.id,
    )
    # LiveLike: completion leaves the rewards unclaimed; the fan claims them once.
    if turn.game.application.auto_claim_quest_rewards:
        user_quest = pay_rewards(turn, user_quest, quest)
        # After the rewards, as the events leave in this order (docs/rules.md).
        give_quest_badges(turn, user_quest, quest.badge_ids)
    return user_quest
