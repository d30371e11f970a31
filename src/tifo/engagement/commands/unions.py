"""The two kinds of command, those that define and those that play, and the list of definitions applied together."""

from typing import Literal

from tifo.engagement.commands.applications import CreateProgram, UpdateApplication, UpdateProgram
from tifo.engagement.commands.badges import AwardBadge, CreateBadge, RevokeBadge, UpdateBadge
from tifo.engagement.commands.base import Command
from tifo.engagement.commands.leaderboards import CreateLeaderboard, UpdateLeaderboard
from tifo.engagement.commands.ledger import Credit, Debit, InvokeAction, Transfer
from tifo.engagement.commands.profiles import CreateProfile, UpdateProfile
from tifo.engagement.commands.quests import (
    AddQuestRewards,
    AddQuestTask,
    CreateQuest,
    RemoveQuestReward,
    RemoveQuestTask,
    UpdateQuest,
    UpdateQuestTask,
)
from tifo.engagement.commands.rewards import (
    AddRewardTableEntry,
    ChangeRewardTableEntry,
    CreateRewardAction,
    CreateRewardItem,
    CreateRewardTable,
    LinkRewardTable,
    RemoveRewardTableEntry,
    UnlinkRewardTable,
    UpdateRewardAction,
    UpdateRewardItem,
    UpdateRewardTable,
)
from tifo.engagement.commands.user_quests import (
    ChangeUserQuest,
    ClaimQuestBadges,
    ClaimQuestRewards,
    ProgressTask,
    RemoveUserQuest,
    StartQuest,
)
from tifo.engagement.model import Definition

Archivable = Literal["program", "reward_item", "reward_action", "reward_table", "badge", "quest", "leaderboard"]


class Archive(Command[Definition], frozen=True, kw_only=True):
    """Removes a definition from play and from the lists; its key is free again.

    Refused with 409 naming the users, while a live definition uses it. Archiving again changes nothing.
    """

    kind: Archivable
    id: str


DefinitionCommand = (
    UpdateApplication
    | CreateProgram
    | UpdateProgram
    | CreateRewardItem
    | UpdateRewardItem
    | CreateRewardAction
    | UpdateRewardAction
    | CreateRewardTable
    | UpdateRewardTable
    | LinkRewardTable
    | UnlinkRewardTable
    | AddRewardTableEntry
    | ChangeRewardTableEntry
    | RemoveRewardTableEntry
    | CreateBadge
    | UpdateBadge
    | CreateQuest
    | UpdateQuest
    | AddQuestTask
    | UpdateQuestTask
    | RemoveQuestTask
    | AddQuestRewards
    | RemoveQuestReward
    | CreateLeaderboard
    | UpdateLeaderboard
    | Archive
)


class ApplyDefinitions(Command[tuple[Definition, ...]], frozen=True, kw_only=True):
    """Applies several definition commands in order, or none of them. The answer holds each command's definition.

    A command sees the effects of those before it. The caller chooses ids, so that later commands can refer to
    definitions that earlier ones make.
    """

    commands: tuple[DefinitionCommand, ...]
    # A person confirmed a plan: what happens must be what was shown.
    expected: str | None = None
    """`digest` of the game that the commands were planned for; refused with 409 if the game has changed since."""


PlayCommand = (
    CreateProfile
    | UpdateProfile
    | InvokeAction
    | Credit
    | Debit
    | Transfer
    | AwardBadge
    | RevokeBadge
    | StartQuest
    | ProgressTask
    | ClaimQuestRewards
    | ClaimQuestBadges
    | ChangeUserQuest
    | RemoveUserQuest
)
