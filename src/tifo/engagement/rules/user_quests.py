"""Starts, progresses, claims, changes and removes user quests on command."""

from decimal import Decimal

from tifo.engagement.commands import (
    ChangeUserQuest,
    ClaimQuestBadges,
    ClaimQuestRewards,
    ProgressTask,
    RemoveUserQuest,
    StartQuest,
)
from tifo.engagement.model import EarnedBadge, Quest, QuestTask, UserQuest, UserQuestTask, is_live
from tifo.engagement.rules import quest_runs
from tifo.engagement.turn import Turn
from tifo.engagement.values import check_decimal, decimal_text
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import ProfileId, UserQuestId, UserQuestTaskId


def start_quest(turn: Turn, command: StartQuest) -> UserQuest:
    quest = turn.game.quests.get(command.quest_id)
    if quest is None:
        raise NotFound(f"There is no quest {command.quest_id!r:.100} in this application.", field="quest_id")
    if quest.id in turn.fan(command.profile_id).user_quests:
        raise Conflict(f"The profile has started the quest {quest.name!r} already.", field="quest_id")
    status = quest_runs.quest_status(quest, turn.now)
    # LiveLike: starting outside the window fails. It does not document the status code; ours is 400.
    if status != "active":
        raise Rejected(f"The quest {quest.name!r} is {status}: it cannot be started now.", field="quest_id")
    # Only a task's progress completes a run, so a run without tasks could never end.
    if not any(map(is_live, quest.tasks)):
        raise Rejected(f"The quest {quest.name!r} has no task yet: it cannot be started.", field="quest_id")
    return quest_runs.start(turn, command.profile_id, quest)


def progress_task(turn: Turn, command: ProgressTask) -> UserQuest:
    if command.custom_increment is not None and command.custom_progress is not None:
        raise Rejected("Send custom_increment or custom_progress, not both.", field="custom_progress")
    owner = turn.state.by_user_quest_task.get(command.user_quest_task_id)
    # 404 for another fan's task too, so that ids cannot be probed.
    if owner is None or command.profile_id not in {None, owner}:
        raise NotFound(f"There is no user quest task {command.user_quest_task_id!r:.100}.", field="user_quest_task_id")
    user_quest, own = next(
        (user_quest, own)
        for user_quest in turn.fan(owner).user_quests.values()
        for own in user_quest.tasks
        if own.id == command.user_quest_task_id
    )
    quest = turn.game.quests[user_quest.quest_id]
    task = next(task for task in quest.tasks if task.id == own.quest_task_id)
    # The command is checked before the run: a bad step is refused also where it would change nothing.
    to = _wanted_progress(command, own, task)
    # Not refused: the request may be a late or repeated one.
    if own.completed_at is not None or user_quest.completed_at is not None:
        return user_quest
    _must_be_running(turn, quest, user_quest, "user_quest_task_id")
    asked = {
        "custom_increment": _text_of(command.custom_increment),
        "custom_progress": _text_of(command.custom_progress),
    }
    return quest_runs.progress(turn, user_quest, quest, task, to, **asked)


def _text_of(value: Decimal | None) -> str | None:
    return None if value is None else decimal_text(value)


def _wanted_progress(command: ProgressTask, own: UserQuestTask, task: QuestTask) -> Decimal:
    if command.custom_progress is not None:
        return _step(command.custom_progress, "custom_progress")
    if command.custom_increment is not None:
        return own.progress + _step(command.custom_increment, "custom_increment")
    return own.progress + task.default_progress_increment


def _step(value: Decimal, field: str) -> Decimal:
    if (step := check_decimal(value, field)) < 0:
        raise Rejected(f"{field} is {decimal_text(step)}. Send a number of 0 or above.", field=field)
    return step


def claim_quest_rewards(turn: Turn, command: ClaimQuestRewards) -> UserQuest:
    return _claimed(turn, _own_user_quest(turn, command.user_quest_id, command.profile_id))


def _claimed(turn: Turn, user_quest: UserQuest) -> UserQuest:
    _must_be_completed(user_quest, "rewards_status")
    # LiveLike: a claim pays once. Repeating it is no error.
    if user_quest.rewards_claimed_at is not None:
        return user_quest
    return quest_runs.pay_rewards(turn, user_quest, turn.game.quests[user_quest.quest_id])


def claim_quest_badges(turn: Turn, command: ClaimQuestBadges) -> tuple[EarnedBadge, ...]:
    user_quest = _own_user_quest(turn, command.user_quest_id, command.profile_id)
    _must_be_completed(user_quest, "claim_badges")
    badge_ids = turn.game.quests[user_quest.quest_id].badge_ids
    # LiveLike: no list means all badges of the quest, and ids of others are ignored.
    asked = badge_ids if command.badge_ids is None else command.badge_ids
    return quest_runs.give_quest_badges(turn, user_quest, (badge_id for badge_id in badge_ids if badge_id in asked))


def change_user_quest(turn: Turn, command: ChangeUserQuest) -> UserQuest:
    user_quest = _own_user_quest(turn, command.user_quest_id, command.profile_id)
    quest = turn.game.quests[user_quest.quest_id]
    tasks = {task.id: task for task in quest.tasks}
    for task_id in command.completed:
        own = _own_task(user_quest, task_id)
        if own.completed_at is None:
            _must_be_running(turn, quest, user_quest, "user_quest_tasks")
            task = tasks[own.quest_task_id]
            # LiveLike: a status that is set overrides the progress.
            user_quest = quest_runs.progress(turn, user_quest, quest, task, task.target_value)
    for task_id in command.incomplete:
        own = _own_task(user_quest, task_id)
        if user_quest.completed_at is not None:
            raise Conflict("The user quest is completed: its tasks stay completed.", field="user_quest_tasks")
        _must_be_running(turn, quest, user_quest, "user_quest_tasks")
        user_quest = quest_runs.reset(turn, user_quest, own)
    return _claimed(turn, user_quest) if command.claim else user_quest


def remove_user_quest(turn: Turn, command: RemoveUserQuest) -> UserQuest:
    user_quest = _own_user_quest(turn, command.user_quest_id, None)
    if user_quest.completed_at is not None:
        raise Conflict(
            "The user quest is completed: ledger and events refer to it, so it stays.", field="user_quest_id"
        )
    quest_runs.remove(turn, user_quest)
    return user_quest


def _own_user_quest(turn: Turn, user_quest_id: UserQuestId, profile_id: ProfileId | None) -> UserQuest:
    """Finds the user quest. Raises `NotFound` also if it belongs to another fan than `profile_id`."""
    owner = turn.state.by_user_quest.get(user_quest_id)
    if owner is None or profile_id not in {None, owner}:
        raise NotFound(f"There is no user quest {user_quest_id!r:.100}.", field="user_quest_id")
    return next(each for each in turn.fan(owner).user_quests.values() if each.id == user_quest_id)


def _own_task(user_quest: UserQuest, task_id: UserQuestTaskId) -> UserQuestTask:
    for own in user_quest.tasks:
        if own.id == task_id:
            return own
    raise Rejected(f"{task_id!r:.100} is no task of this user quest.", field="user_quest_tasks")


def _must_be_completed(user_quest: UserQuest, field: str) -> None:
    if user_quest.completed_at is None:
        raise Rejected("The user quest is not completed yet: there is nothing to claim.", field=field)


def _must_be_running(turn: Turn, quest: Quest, user_quest: UserQuest, field: str) -> None:
    if not quest_runs.is_running(turn, quest, user_quest):
        raise Rejected(f"The quest {quest.name!r} is over: its tasks progress no more.", field=field)
