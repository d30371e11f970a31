"""What can be asked of the engine, in the imperative. The type parameter is the answer's type.

Commands are checked by the rules, not by their types: a command may hold an amount of 0 and is then rejected.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Generic, TypeVar

import msgspec

from tifo.engagement.model import (
    Application,
    Attributes,
    Badge,
    EarnedBadge,
    InvokedAction,
    Profile,
    Program,
    Quest,
    RewardAction,
    RewardItem,
    RewardTable,
    SegmentTrigger,
    Transaction,
    UserQuest,
)
from tifo.kernel.ids import (
    BadgeId,
    ClientId,
    ProfileId,
    ProgramId,
    QuestId,
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


class CreateProgram(Command[Program], frozen=True, kw_only=True):
    name: str


class CreateRewardItem(Command[RewardItem], frozen=True, kw_only=True):
    name: str
    attributes: Attributes = ()


class CreateRewardAction(Command[RewardAction], frozen=True, kw_only=True):
    """409 where the key is taken."""

    name: str
    key: str
    description: str | None = None
    trigger: SegmentTrigger | None = None


class NewEntry(msgspec.Struct, frozen=True, kw_only=True):
    reward_item_id: RewardItemId
    reward_item_amount: int
    action_key: str


class CreateRewardTable(Command[RewardTable], frozen=True, kw_only=True):
    """Linked to the given programs, or to the default one where none is given."""

    name: str
    entries: tuple[NewEntry, ...] = ()
    program_ids: tuple[ProgramId, ...] = ()


class AddRewardTableEntry(Command[RewardTable], frozen=True, kw_only=True):
    """The new entry is the answer's last."""

    reward_table_id: RewardTableId
    entry: NewEntry


class RemoveRewardTableEntry(Command[RewardTable], frozen=True, kw_only=True):
    reward_table_id: RewardTableId
    entry_id: RewardTableEntryId


class LinkRewardTable(Command[RewardTable], frozen=True, kw_only=True):
    """Replace the programs that the table is linked to."""

    reward_table_id: RewardTableId
    program_ids: tuple[ProgramId, ...]


class NewProgression(msgspec.Struct, frozen=True, kw_only=True):
    reward_item_id: RewardItemId
    reward_item_threshold: int


class CreateBadge(Command[Badge], frozen=True, kw_only=True):
    name: str
    description: str | None = None
    image_url: str | None = None
    progressions: tuple[NewProgression, ...] = ()
    attributes: Attributes = ()


class CreateQuest(Command[Quest], frozen=True, kw_only=True):
    name: str
    description: str | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    timeout: timedelta | None = None
    attributes: Attributes = ()


class AddQuestTask(Command[Quest], frozen=True, kw_only=True):
    """The new task is the answer's last. Runs started before keep the tasks that they started with."""

    quest_id: QuestId
    name: str
    description: str | None = None
    target_value: Decimal = Decimal(1)
    default_progress_increment: Decimal = Decimal(1)
    reward_action_key: str | None = None
    attributes: Attributes = ()


class NewQuestReward(msgspec.Struct, frozen=True, kw_only=True):
    reward_item_id: RewardItemId
    reward_item_amount: int


class AddQuestRewards(Command[Quest], frozen=True, kw_only=True):
    """The new rewards are the answer's last ones."""

    quest_id: QuestId
    rewards: tuple[NewQuestReward, ...]


DefinitionCommand = (
    UpdateApplication
    | CreateProgram
    | CreateRewardItem
    | CreateRewardAction
    | CreateRewardTable
    | AddRewardTableEntry
    | RemoveRewardTableEntry
    | LinkRewardTable
    | CreateBadge
    | CreateQuest
    | AddQuestTask
    | AddQuestRewards
)


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


class InvokeAction(Command[InvokedAction], frozen=True, kw_only=True):
    """Exactly one of the two profile ids. 409 `code already used.` for the same action, profile and code."""

    program_id: ProgramId
    reward_action_key: str
    profile_id: ProfileId | None = None
    custom_profile_id: str | None = None
    code: str | None = None
    description: str | None = None
    attributes: Attributes = ()


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
    """Awarding a badge that the fan has already answers with the earlier award; nothing changes."""

    profile_id: ProfileId
    badge_id: BadgeId


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


PlayCommand = (
    CreateProfile
    | UpdateProfile
    | InvokeAction
    | Credit
    | Debit
    | Transfer
    | AwardBadge
    | StartQuest
    | ProgressTask
    | ClaimQuestRewards
)
