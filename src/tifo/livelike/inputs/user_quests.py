"""Requests with these bodies start, progress or claim a fan's run of a quest."""

from decimal import Decimal
from typing import Literal

import msgspec

from tifo.kernel.ids import BadgeId, ProfileId, QuestId, UserQuestId, UserQuestTaskId
from tifo.livelike.inputs.fields import Several, check_quantity


class UserQuestInput(msgspec.Struct, frozen=True):
    quest_id: QuestId
    profile_id: ProfileId | None = None


class UserQuestTaskChange(msgspec.Struct, frozen=True):
    id: UserQuestTaskId
    status: Literal["completed", "incomplete"]


class UserQuestChange(msgspec.Struct, frozen=True):
    # LiveLike also accepts `unclaimed`. Here a claim pays, so it is never undone.
    rewards_status: Literal["claimed"] | None = None
    user_quest_tasks: Several[UserQuestTaskChange] = ()


class ClaimBadgesInput(msgspec.Struct, frozen=True):
    """Without `claim_badges` all badges of the quest are claimed.

    `user_quest_id` is required where the address names the quest, and ignored elsewhere.
    """

    claim_badges: Several[BadgeId] | None = None
    user_quest_id: UserQuestId | None = None


class ProgressInput(msgspec.Struct, frozen=True):
    # LiveLike: its reference has texts, its samples have numbers, some of them fractions. A Decimal reads all of them.
    user_quest_task_id: UserQuestTaskId
    custom_increment: Decimal | None = None
    custom_progress: Decimal | None = None

    def __post_init__(self) -> None:
        check_quantity("custom_increment", self.custom_increment)
        check_quantity("custom_progress", self.custom_progress)
