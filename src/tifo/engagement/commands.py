"""What can be asked of the engine, in the imperative. The type parameter is the answer's type.

Commands are checked by the rules, not by their types: a command may hold an amount of 0 and is then rejected.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET

from tifo.engagement.model import (
    Application,
    Attributes,
    Badge,
    Definition,
    EarnedBadge,
    Invocation,
    InvokedAction,
    Leaderboard,
    Profile,
    Program,
    Quest,
    RateLimit,
    RewardAction,
    RewardItem,
    RewardLimit,
    RewardTable,
    SegmentTrigger,
    Transaction,
    UserQuest,
)
from tifo.kernel.ids import (
    BadgeId,
    ClientId,
    EarnedBadgeId,
    LeaderboardId,
    ProfileId,
    ProgramId,
    QuestId,
    QuestRewardId,
    QuestTaskId,
    RewardActionId,
    RewardItemId,
    RewardTableEntryId,
    RewardTableId,
    UserQuestId,
    UserQuestTaskId,
)

A_co = TypeVar("A_co", covariant=True)


class Command(msgspec.Struct, Generic[A_co], frozen=True, kw_only=True):
    client_id: ClientId


class UpdateApplication(Command[Application], frozen=True, kw_only=True):
    name: str | None = None
    automatic_quest_processing: bool | None = None
    auto_claim_quest_rewards: bool | None = None


Unset = msgspec.UnsetType
"""Of an update's field that was not sent: it stays as it is."""


class Create(Command[A_co], frozen=True, kw_only=True):
    name: str
    key: str | None = None
    """409 where another live one of its kind has it."""
    id: str | None = None
    """Chosen by the caller, a UUID; None: a new one."""


class CreateProgram(Create[Program], frozen=True, kw_only=True):
    pass


class UpdateProgram(Command[Program], frozen=True, kw_only=True):
    program_id: ProgramId
    name: str | Unset = UNSET
    key: str | Unset | None = UNSET


class CreateRewardItem(Create[RewardItem], frozen=True, kw_only=True):
    attributes: Attributes = ()


class UpdateRewardItem(Command[RewardItem], frozen=True, kw_only=True):
    reward_item_id: RewardItemId
    name: str | Unset = UNSET
    key: str | Unset | None = UNSET
    attributes: Attributes | Unset = UNSET


class CreateRewardAction(Command[RewardAction], frozen=True, kw_only=True):
    """409 where the key is taken."""

    name: str
    key: str
    description: str | None = None
    trigger: SegmentTrigger | None = None
    id: str | None = None


class UpdateRewardAction(Command[RewardAction], frozen=True, kw_only=True):
    """The key stays: entries, tasks and recorded actions name it."""

    reward_action_id: RewardActionId
    name: str | Unset = UNSET
    description: str | Unset | None = UNSET


class NewEntry(msgspec.Struct, frozen=True, kw_only=True):
    reward_item_id: RewardItemId
    reward_item_amount: int
    action_key: str
    rate_limit: RateLimit | None = None
    reward_limit: RewardLimit | None = None
    id: RewardTableEntryId | None = None
    """In an update: the entry that this takes the place of, which keeps what it counted."""


class CreateRewardTable(Create[RewardTable], frozen=True, kw_only=True):
    """Linked to the given programs, or to the default one where none is given."""

    entries: tuple[NewEntry, ...] = ()
    program_ids: tuple[ProgramId, ...] = ()


class UpdateRewardTable(Command[RewardTable], frozen=True, kw_only=True):
    """`entries` and `program_ids` replace what is there."""

    reward_table_id: RewardTableId
    name: str | Unset = UNSET
    key: str | Unset | None = UNSET
    entries: tuple[NewEntry, ...] | Unset = UNSET
    program_ids: tuple[ProgramId, ...] | Unset = UNSET


class LinkRewardTable(Command[RewardTable], frozen=True, kw_only=True):
    """To these programs beside those that it is linked to."""

    reward_table_id: RewardTableId
    program_ids: tuple[ProgramId, ...]


class UnlinkRewardTable(Command[RewardTable], frozen=True, kw_only=True):
    """404 where it is not linked to the program."""

    reward_table_id: RewardTableId
    program_id: ProgramId


class AddRewardTableEntry(Command[RewardTable], frozen=True, kw_only=True):
    """The new entry is the answer's last."""

    reward_table_id: RewardTableId
    entry: NewEntry


class ChangeRewardTableEntry(Command[RewardTable], frozen=True, kw_only=True):
    """`entry` takes the place of the one with `entry_id`, and its id."""

    reward_table_id: RewardTableId
    entry_id: RewardTableEntryId
    entry: NewEntry


class RemoveRewardTableEntry(Command[RewardTable], frozen=True, kw_only=True):
    reward_table_id: RewardTableId
    entry_id: RewardTableEntryId


class NewProgression(msgspec.Struct, frozen=True, kw_only=True):
    reward_item_id: RewardItemId
    reward_item_threshold: int


class CreateBadge(Create[Badge], frozen=True, kw_only=True):
    description: str | None = None
    image_url: str | None = None
    progressions: tuple[NewProgression, ...] = ()
    attributes: Attributes = ()


class UpdateBadge(Command[Badge], frozen=True, kw_only=True):
    """Whoever has the badge keeps it, whatever becomes of its thresholds."""

    badge_id: BadgeId
    name: str | Unset = UNSET
    key: str | Unset | None = UNSET
    description: str | Unset | None = UNSET
    image_url: str | Unset | None = UNSET
    progressions: tuple[NewProgression, ...] | Unset = UNSET
    attributes: Attributes | Unset = UNSET


class NewQuestReward(msgspec.Struct, frozen=True, kw_only=True):
    reward_item_id: RewardItemId
    reward_item_amount: int


class CreateQuest(Create[Quest], frozen=True, kw_only=True):
    description: str | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    timeout: timedelta | None = None
    badge_ids: tuple[BadgeId, ...] = ()
    attributes: Attributes = ()


class UpdateQuest(Command[Quest], frozen=True, kw_only=True):
    """`badge_ids` and `rewards` replace what is there. A run that has started keeps its end, whatever the timeout."""

    quest_id: QuestId
    name: str | Unset = UNSET
    key: str | Unset | None = UNSET
    description: str | Unset | None = UNSET
    started_at: datetime | Unset | None = UNSET
    stopped_at: datetime | Unset | None = UNSET
    timeout: timedelta | Unset | None = UNSET
    badge_ids: tuple[BadgeId, ...] | Unset = UNSET
    rewards: tuple[NewQuestReward, ...] | Unset = UNSET
    attributes: Attributes | Unset = UNSET


class AddQuestTask(Command[Quest], frozen=True, kw_only=True):
    """The new task is the answer's last. Runs started before keep the tasks that they started with."""

    quest_id: QuestId
    name: str
    key: str | None = None
    id: str | None = None
    description: str | None = None
    target_value: Decimal = Decimal(1)
    default_progress_increment: Decimal = Decimal(1)
    reward_action_key: str | None = None
    attributes: Attributes = ()


class UpdateQuestTask(Command[Quest], frozen=True, kw_only=True):
    """A completed task stays completed; another is measured by the new target from its next step on."""

    quest_task_id: QuestTaskId
    name: str | Unset = UNSET
    key: str | Unset | None = UNSET
    description: str | Unset | None = UNSET
    target_value: Decimal | Unset = UNSET
    default_progress_increment: Decimal | Unset = UNSET
    reward_action_key: str | Unset | None = UNSET
    attributes: Attributes | Unset = UNSET


class RemoveQuestTask(Command[Quest], frozen=True, kw_only=True):
    """No run that starts from now on has it; those that have it keep it. It is archived in its quest."""

    quest_task_id: QuestTaskId


class AddQuestRewards(Command[Quest], frozen=True, kw_only=True):
    """The new rewards are the answer's last ones."""

    quest_id: QuestId
    rewards: tuple[NewQuestReward, ...]


class CreateLeaderboard(Create[Leaderboard], frozen=True, kw_only=True):
    """Linked to the given programs, or to the default one where none is given. 409 where the custom id is taken."""

    reward_item_id: RewardItemId
    custom_id: str | None = None
    program_ids: tuple[ProgramId, ...] = ()
    is_locked: bool = False
    attributes: Attributes = ()


class UpdateLeaderboard(Command[Leaderboard], frozen=True, kw_only=True):
    """None leaves a field as it is. Locking keeps the standings of this moment; unlocking shows the present ones."""

    leaderboard_id: LeaderboardId
    name: str | None = None
    custom_id: str | None = None
    program_ids: tuple[ProgramId, ...] | None = None
    is_locked: bool | None = None
    attributes: Attributes | None = None


class RemoveQuestReward(Command[Quest], frozen=True, kw_only=True):
    """A claim from now on does not pay it."""

    quest_reward_id: QuestRewardId


Archivable = Literal["program", "reward_item", "reward_action", "reward_table", "badge", "quest", "leaderboard"]


class Archive(Command[Definition], frozen=True, kw_only=True):
    """Take a definition out of play and out of the lists. 409 naming what uses it, while a live one does.

    Archiving again changes nothing. Its key is free for another.
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
    """All of them in their order, or none. Each sees those before it: ids are chosen by the caller, so that later ones
    can name what earlier ones make. The answer is each command's.

    `expected` is the `digest` of the game that the commands were written for: 409 where it has changed since.
    """

    commands: tuple[DefinitionCommand, ...]
    expected: str | None = None


class CreateProfile(Command[Profile], frozen=True, kw_only=True):
    """409 where the custom id is taken, unless `existing_is_fine`: then the answer is the profile that has it."""

    nickname: str | None = None
    custom_id: str | None = None
    custom_data: str | None = None
    attributes: Attributes = ()
    existing_is_fine: bool = False


class UpdateProfile(Command[Profile], frozen=True, kw_only=True):
    """None leaves a field as it is."""

    profile_id: ProfileId
    nickname: str | None = None
    custom_data: str | None = None
    custom_id: str | None = None
    """Only where none is set yet; 409 where it is taken."""
    attributes: Attributes | None = None
    """In the place of all that there are."""


class InvokeAction(Command[InvokedAction], frozen=True, kw_only=True):
    """Exactly one of the two profile ids. 409 `code already used.` for the same action, profile and code."""

    program_id: ProgramId
    reward_action_key: str
    profile_id: ProfileId | None = None
    custom_profile_id: str | None = None
    code: str | None = None
    description: str | None = None
    attributes: Attributes = ()


class InvokeActions(Command[tuple[Invocation, ...]], frozen=True, kw_only=True):
    """Each is done or refused by itself, in their order, and all of them in one commit."""

    actions: tuple[InvokeAction, ...]


class Credit(Command[Transaction], frozen=True, kw_only=True):
    profile_id: ProfileId
    reward_item_id: RewardItemId
    reward_item_amount: int
    reason: str | None = None
    description: str | None = None
    custom_data: str | None = None
    attributes: Attributes = ()


class Debit(Command[Transaction], frozen=True, kw_only=True):
    """400 naming balance and amount where the balance does not suffice."""

    profile_id: ProfileId
    reward_item_id: RewardItemId
    reward_item_amount: int
    reason: str | None = None
    description: str | None = None
    custom_data: str | None = None
    attributes: Attributes = ()


class Transfer(Command[Transaction], frozen=True, kw_only=True):
    """Answers with the sender's row; its `transfer_id` is the transfer's id."""

    profile_id: ProfileId
    recipient_profile_id: ProfileId
    reward_item_id: RewardItemId
    reward_item_amount: int


class AwardBadge(Command[EarnedBadge], frozen=True, kw_only=True):
    """Awarding a badge that the fan has already answers with the earlier award; nothing changes. One that was revoked
    is given back as it was, without another event.
    """

    profile_id: ProfileId
    badge_id: BadgeId


class RevokeBadge(Command[EarnedBadge], frozen=True, kw_only=True):
    """No threshold earns the badge again; an award gives it back. Revoking again changes nothing."""

    earned_badge_id: EarnedBadgeId


class StartQuest(Command[UserQuest], frozen=True, kw_only=True):
    """409 where it was started before, 400 outside its window."""

    profile_id: ProfileId
    quest_id: QuestId


class ProgressTask(Command[UserQuest], frozen=True, kw_only=True):
    """At most one of the two; neither means the task's default increment. `custom_progress` is absolute.

    Past the target, or after completion: nothing changes, and no fact.
    """

    user_quest_task_id: UserQuestTaskId
    custom_increment: Decimal | None = None
    custom_progress: Decimal | None = None
    profile_id: ProfileId | None = None
    """When given (a fan's own token), the task must be this fan's: otherwise 404."""


class ClaimQuestRewards(Command[UserQuest], frozen=True, kw_only=True):
    """Pays each reward once. Claiming again answers with the same user quest; 400 before completion."""

    user_quest_id: UserQuestId
    profile_id: ProfileId | None = None
    """When given (a fan's own token), the user quest must be this fan's: otherwise 404."""


class ClaimQuestBadges(Command[tuple[EarnedBadge, ...]], frozen=True, kw_only=True):
    """Gives the quest's badges, or those of them that are named. 400 before completion."""

    user_quest_id: UserQuestId
    badge_ids: tuple[BadgeId, ...] | None = None
    """Ids of no badge of the quest are passed over, as LiveLike does."""
    profile_id: ProfileId | None = None
    """As for `ClaimQuestRewards`."""


class ChangeUserQuest(Command[UserQuest], frozen=True, kw_only=True):
    """Set tasks to completed or to incomplete (without progress), then claim where asked: all of it, or nothing.

    409 for a task to incomplete once the quest is completed.
    """

    user_quest_id: UserQuestId
    completed: tuple[UserQuestTaskId, ...] = ()
    incomplete: tuple[UserQuestTaskId, ...] = ()
    claim: bool = False
    profile_id: ProfileId | None = None
    """As for `ClaimQuestRewards`."""


class RemoveUserQuest(Command[UserQuest], frozen=True, kw_only=True):
    """The fan may start the quest anew. 409 for a completed one, of which the ledger and events tell."""

    user_quest_id: UserQuestId


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
