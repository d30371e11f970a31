"""Commands: what the engine can be asked to do, named in the imperative. The type parameter is the answer's type.

The rules check a command, not its type: a command may hold an amount of 0 and is then rejected.
"""

from tifo.engagement.commands.applications import (
    CreateProgram,
    UpdateApplication,
    UpdateProgram,
)
from tifo.engagement.commands.badges import (
    AwardBadge,
    CreateBadge,
    NewProgression,
    RevokeBadge,
    UpdateBadge,
)
from tifo.engagement.commands.base import (
    Command,
    Create,
    Unset,
)
from tifo.engagement.commands.leaderboards import (
    CreateLeaderboard,
    UpdateLeaderboard,
)
from tifo.engagement.commands.ledger import (
    Credit,
    Debit,
    InvokeAction,
    InvokeActions,
    Transfer,
)
from tifo.engagement.commands.profiles import (
    CreateProfile,
    UpdateProfile,
)
from tifo.engagement.commands.quests import (
    AddQuestRewards,
    AddQuestTask,
    CreateQuest,
    NewQuestReward,
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
    NewEntry,
    RemoveRewardTableEntry,
    UnlinkRewardTable,
    UpdateRewardAction,
    UpdateRewardItem,
    UpdateRewardTable,
)
from tifo.engagement.commands.unions import (
    ApplyDefinitions,
    Archivable,
    Archive,
    DefinitionCommand,
    PlayCommand,
)
from tifo.engagement.commands.user_quests import (
    ChangeUserQuest,
    ClaimQuestBadges,
    ClaimQuestRewards,
    ProgressTask,
    RemoveUserQuest,
    StartQuest,
)

__all__ = [
    "AddQuestRewards",
    "AddQuestTask",
    "AddRewardTableEntry",
    "ApplyDefinitions",
    "Archivable",
    "Archive",
    "AwardBadge",
    "ChangeRewardTableEntry",
    "ChangeUserQuest",
    "ClaimQuestBadges",
    "ClaimQuestRewards",
    "Command",
    "Create",
    "CreateBadge",
    "CreateLeaderboard",
    "CreateProfile",
    "CreateProgram",
    "CreateQuest",
    "CreateRewardAction",
    "CreateRewardItem",
    "CreateRewardTable",
    "Credit",
    "Debit",
    "DefinitionCommand",
    "InvokeAction",
    "InvokeActions",
    "LinkRewardTable",
    "NewEntry",
    "NewProgression",
    "NewQuestReward",
    "PlayCommand",
    "ProgressTask",
    "RemoveQuestReward",
    "RemoveQuestTask",
    "RemoveRewardTableEntry",
    "RemoveUserQuest",
    "RevokeBadge",
    "StartQuest",
    "Transfer",
    "UnlinkRewardTable",
    "Unset",
    "UpdateApplication",
    "UpdateBadge",
    "UpdateLeaderboard",
    "UpdateProfile",
    "UpdateProgram",
    "UpdateQuest",
    "UpdateQuestTask",
    "UpdateRewardAction",
    "UpdateRewardItem",
    "UpdateRewardTable",
]
