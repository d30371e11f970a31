"""Defines quests, their tasks and their rewards."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

from msgspec import UNSET
from msgspec.structs import replace

from tifo.engagement.commands import (
    AddQuestRewards,
    AddQuestTask,
    CreateQuest,
    NewQuestReward,
    RemoveQuestReward,
    RemoveQuestTask,
    UpdateQuest,
    UpdateQuestTask,
)
from tifo.engagement.definitions.shared import DefinitionContext, changed, check_few, check_named, distinct
from tifo.engagement.model import Game, Quest, QuestReward, QuestTask, is_live
from tifo.engagement.references import known, known_item
from tifo.engagement.values import check_amount, check_decimal, decimal_text
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import NewId, QuestId, QuestRewardId, QuestTaskId

MAX_QUEST_BADGES = 5
"""LiveLike's limit."""
MAX_TIMEOUT = timedelta(days=3660)
"""Ten years: no run ends later than a date can express. Our limit."""


def create_quest(context: DefinitionContext, command: CreateQuest) -> Quest:
    return Quest(
        id=QuestId(context.id(command.id)),
        name=command.name,
        key=command.key,
        created_at=context.now,
        description=command.description,
        # LiveLike fills in the time of creation where only an end is given. Ours stays empty; the status is the same.
        started_at=command.started_at,
        stopped_at=command.stopped_at,
        timeout=command.timeout,
        badge_ids=distinct(command.badge_ids),
        attributes=command.attributes,
    )


def update_quest(context: DefinitionContext, command: UpdateQuest) -> Quest:
    names = ("name", "key", "description", "started_at", "stopped_at", "timeout", "attributes")
    quest = changed(_known_quest(context.game, command.quest_id), command, *names)
    if command.badge_ids is not UNSET:
        quest = replace(quest, badge_ids=distinct(command.badge_ids))
    if command.rewards is not UNSET:
        quest = replace(quest, rewards=_new_rewards(command.rewards, context.new_id))
    return quest


def add_quest_task(context: DefinitionContext, command: AddQuestTask) -> Quest:
    quest = _known_quest(context.game, command.quest_id)
    task = QuestTask(
        id=QuestTaskId(context.id(command.id)),
        name=command.name,
        key=command.key,
        created_at=context.now,
        description=command.description,
        target_value=_positive(command.target_value, "target_value"),
        default_progress_increment=_positive(command.default_progress_increment, "default_progress_increment"),
        reward_action_key=command.reward_action_key,
        attributes=command.attributes,
    )
    return replace(quest, tasks=(*quest.tasks, task))


def update_quest_task(context: DefinitionContext, command: UpdateQuestTask) -> Quest:
    quest, task = _known_task(context.game, command.quest_task_id)
    after = changed(task, command, "name", "key", "description", "reward_action_key", "attributes")
    for name in ("target_value", "default_progress_increment"):
        value = getattr(command, name)
        if value is not UNSET:
            after = replace(after, **{name: _positive(value, name)})
    return _with_task(quest, after)


def remove_quest_task(context: DefinitionContext, command: RemoveQuestTask) -> Quest:
    quest, task = _known_task(context.game, command.quest_task_id)
    # Not deleted: runs that started with the task refer to it.
    return _with_task(quest, replace(task, archived_at=context.now))


def add_quest_rewards(context: DefinitionContext, command: AddQuestRewards) -> Quest:
    quest = _known_quest(context.game, command.quest_id)
    return replace(quest, rewards=(*quest.rewards, *_new_rewards(command.rewards, context.new_id)))


def remove_quest_reward(context: DefinitionContext, command: RemoveQuestReward) -> Quest:
    # LiveLike: DELETE quest-rewards/{id} names no quest.
    for quest in filter(is_live, context.game.quests.values()):
        kept = tuple(reward for reward in quest.rewards if reward.id != command.quest_reward_id)
        if len(kept) < len(quest.rewards):
            return replace(quest, rewards=kept)
    raise NotFound(f"There is no quest reward {command.quest_reward_id!r:.100} in this application.", field="id")


def check_quest(quest: Quest, game: Game) -> Quest:
    _check_times(quest)
    check_few(quest.tasks, "tasks")
    check_few(quest.rewards, "quest_rewards")
    if len(quest.badge_ids) > MAX_QUEST_BADGES:
        # LiveLike's own words.
        raise Rejected(f"Quest can't have more than {MAX_QUEST_BADGES} Badges", field="badge_ids")
    for badge_id in quest.badge_ids:
        known(game.badges, badge_id, "badge", "badge_ids")
    for reward in quest.rewards:
        known_item(game, reward.reward_item_id)
        check_amount(reward.reward_item_amount, "reward_item_amount")
    tasks = {task.id: task for task in quest.tasks}
    # Archived tasks are not checked: their names and keys are free, and their actions may be archived too.
    for task in filter(is_live, quest.tasks):
        if task.reward_action_key is not None:
            known(game.reward_actions, task.reward_action_key, "reward action", "reward_action_key")
        check_named(task, tasks)
    return check_named(quest, game.quests)


def _check_times(quest: Quest) -> None:
    if quest.started_at and quest.stopped_at and quest.stopped_at <= quest.started_at:
        raise Rejected("stopped_at is not after started_at. Send a later one, or leave it out.", field="stopped_at")
    if quest.timeout is not None and quest.timeout.total_seconds() <= 0:
        raise Rejected("timeout is not longer than nothing. Send a duration such as PT1H.", field="timeout")
    if quest.timeout is not None and quest.timeout > MAX_TIMEOUT:
        raise Rejected(
            f"timeout is {quest.timeout.days} days. Send at most {MAX_TIMEOUT.days}, or leave it out for none.",
            field="timeout",
        )


def _new_rewards(new: Iterable[NewQuestReward], new_id: NewId) -> tuple[QuestReward, ...]:
    return tuple(
        QuestReward(
            id=QuestRewardId(new_id()), reward_item_id=r.reward_item_id, reward_item_amount=r.reward_item_amount
        )
        for r in new
    )


def _known_quest(game: Game, quest_id: QuestId) -> Quest:
    quest: Quest = known(game.quests, quest_id, "quest", "quest_id")
    return quest


def _known_task(game: Game, task_id: QuestTaskId) -> tuple[Quest, QuestTask]:
    quest_id = game.quest_of_task.get(task_id)
    task = None
    if quest_id is not None:
        task = next(each for each in game.quests[quest_id].tasks if each.id == task_id)
    if quest_id is None or task is None or not is_live(task):
        raise NotFound(f"There is no quest task {task_id!r:.100} in this application.", field="quest_task_id")
    # A task of an archived quest is refused too.
    return _known_quest(game, quest_id), task


def _with_task(quest: Quest, task: QuestTask) -> Quest:
    return replace(quest, tasks=tuple(task if each.id == task.id else each for each in quest.tasks))


def _positive(value: Decimal, field: str) -> Decimal:
    if (number := check_decimal(value, field)) <= 0:
        raise Rejected(f"{field} is {decimal_text(number)}. Send a number above 0.", field=field)
    return number
