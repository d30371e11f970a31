"""Commands that start, progress, claim and remove a fan's run of a quest."""

from decimal import Decimal

from tifo.engagement.commands.base import Command
from tifo.engagement.model import EarnedBadge, UserQuest
from tifo.kernel.ids import BadgeId, ProfileId, QuestId, UserQuestId, UserQuestTaskId


# Ours: LiveLike documents no answer to a second start. Its SDK knows 409.
class StartQuest(Command[UserQuest], frozen=True, kw_only=True):
    """Starts a fan's run of a quest; refused with 409 if the fan has one, with 400 outside the quest's window."""

    profile_id: ProfileId
    quest_id: QuestId


# LiveLike: `custom_progress` overwrites, 0 resets. It does not document progress after completion.
class ProgressTask(Command[UserQuest], frozen=True, kw_only=True):
    """Progresses a task by `custom_increment`, to the absolute `custom_progress`, or by the task's default increment.

    At most one of the two may be given. After completion nothing changes and there is no fact.
    """

    user_quest_task_id: UserQuestTaskId
    custom_increment: Decimal | None = None
    custom_progress: Decimal | None = None
    profile_id: ProfileId | None = None
    """A fan's own token sets this; a task of another fan is then refused with 404."""


class ClaimQuestRewards(Command[UserQuest], frozen=True, kw_only=True):
    """Pays each reward of a completed quest once; refused with 400 before completion.

    Claiming again answers with the same user quest.
    """

    user_quest_id: UserQuestId
    profile_id: ProfileId | None = None
    """A fan's own token sets this; a user quest of another fan is then refused with 404."""


class ClaimQuestBadges(Command[tuple[EarnedBadge, ...]], frozen=True, kw_only=True):
    """Gives the fan the badges of a completed quest, or the named ones; refused with 400 before completion."""

    user_quest_id: UserQuestId
    badge_ids: tuple[BadgeId, ...] | None = None
    """Ids that are no badge of the quest are ignored, as LiveLike does."""
    profile_id: ProfileId | None = None
    """As for `ClaimQuestRewards`."""


class ChangeUserQuest(Command[UserQuest], frozen=True, kw_only=True):
    """Sets tasks to completed or to incomplete (without progress), then claims if asked: all of it, or nothing.

    Refused with 409 if a task is set to incomplete after the quest was completed.
    """

    user_quest_id: UserQuestId
    completed: tuple[UserQuestTaskId, ...] = ()
    incomplete: tuple[UserQuestTaskId, ...] = ()
    claim: bool = False
    profile_id: ProfileId | None = None
    """As for `ClaimQuestRewards`."""


# LiveLike: DELETE user-quests/{id}/. The rule about completed runs is ours.
class RemoveUserQuest(Command[UserQuest], frozen=True, kw_only=True):
    """Removes a run, so that the fan may start the quest again.

    Refused with 409 for a completed run, because ledger and events refer to it.
    """

    user_quest_id: UserQuestId
