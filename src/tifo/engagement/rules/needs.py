"""Needs: which part of the state a play command may touch, so that a batch loads it with a few queries."""

from typing import NamedTuple

from tifo.engagement.commands import (
    AwardBadge,
    ChangeUserQuest,
    ClaimQuestBadges,
    ClaimQuestRewards,
    CreateProfile,
    Credit,
    Debit,
    InvokeAction,
    PlayCommand,
    ProgressTask,
    RemoveUserQuest,
    RevokeBadge,
    StartQuest,
    Transfer,
    UpdateProfile,
)
from tifo.kernel.ids import EarnedBadgeId, ProfileId, UserQuestId, UserQuestTaskId


class Needs(NamedTuple):
    """The keys of the fans that a command may touch."""

    profile_ids: tuple[ProfileId, ...] = ()
    custom_ids: tuple[str, ...] = ()
    user_quest_ids: tuple[UserQuestId, ...] = ()
    user_quest_task_ids: tuple[UserQuestTaskId, ...] = ()
    earned_badge_ids: tuple[EarnedBadgeId, ...] = ()
    code: tuple[str, str] | None = None
    """(action key, code): the rules ask whether the command's profile has used the code for this action."""


def needs(command: PlayCommand) -> Needs:  # noqa: PLR0911 (one answer a kind of command)
    match command:
        case CreateProfile(custom_id=custom_id):
            return Needs(custom_ids=() if custom_id is None else (custom_id,))
        case UpdateProfile(profile_id=profile_id, custom_id=custom_id):
            return Needs(profile_ids=(profile_id,), custom_ids=() if custom_id is None else (custom_id,))
        case InvokeAction():
            return Needs(
                profile_ids=() if command.profile_id is None else (command.profile_id,),
                custom_ids=() if command.custom_profile_id is None else (command.custom_profile_id,),
                code=None if command.code is None else (command.reward_action_key, command.code),
            )
        case Transfer(profile_id=sender, recipient_profile_id=recipient):
            return Needs(profile_ids=(sender, recipient))
        case ProgressTask(user_quest_task_id=task_id):
            return Needs(user_quest_task_ids=(task_id,))
        case ClaimQuestRewards() | ClaimQuestBadges() | ChangeUserQuest() | RemoveUserQuest():
            return Needs(user_quest_ids=(command.user_quest_id,))
        case RevokeBadge(earned_badge_id=earned_badge_id):
            return Needs(earned_badge_ids=(earned_badge_id,))
        case Credit() | Debit() | AwardBadge() | StartQuest():
            return Needs(profile_ids=(command.profile_id,))
