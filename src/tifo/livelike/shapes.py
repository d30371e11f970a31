"""What requests may hold. Ids are strings and amounts whole numbers; task progress may be fractional or in text form,
as in LiveLike's samples. Fields that are not named here are ignored.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal, TypeVar

import msgspec

from tifo.engagement.model import Attribute
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import (
    BadgeId,
    ClientId,
    ProfileId,
    ProgramId,
    QuestId,
    RewardItemId,
    UserQuestTaskId,
)

GREATEST_AMOUNT = 2**53 - 1
"""Beyond it JavaScript's numbers are no longer exact."""
GREATEST_QUANTITY = Decimal(10) ** 15
MOST_DECIMALS = 9

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Text = Annotated[str, msgspec.Meta(max_length=20_000)]
Address = Annotated[str, msgspec.Meta(max_length=2_048)]
Amount = Annotated[int, msgspec.Meta(ge=-GREATEST_AMOUNT, le=GREATEST_AMOUNT)]
Attributes = Annotated[tuple[Attribute, ...], msgspec.Meta(max_length=100)]
S = TypeVar("S")
Several = Annotated[tuple[S, ...], msgspec.Meta(max_length=1_000)]


class Settings(msgspec.Struct, frozen=True):
    name: Name | None = None
    automatic_quest_processing: bool | None = None
    auto_claim_quest_rewards: bool | None = None


class ProfileInput(msgspec.Struct, frozen=True):
    nickname: Name | None = None
    custom_id: Name | None = None
    custom_data: Text | None = None
    attributes: Attributes = ()


class ProgramInput(msgspec.Struct, frozen=True):
    """`title` is LiveLike's word for a program's name."""

    client_id: ClientId | None = None
    name: Name | None = None
    title: Name | None = None


class RewardItemInput(msgspec.Struct, frozen=True):
    name: Name
    client_id: ClientId | None = None
    attributes: Attributes = ()


class ConditionInput(msgspec.Struct, frozen=True):
    """`property` is a name in the event's properties; dots lead into nested objects."""

    property: Name
    operator: Literal["=", "!=", ">", ">=", "<", "<=", "contains", "exists"] = "="
    value: str | int | float | bool | None = None


class SegmentInput(msgspec.Struct, frozen=True):
    """`source` is a source's slug or id; `properties` are conditions that must all hold."""

    source: Name
    event: Name
    properties: Several[ConditionInput] = ()
    program_id: ProgramId | None = None
    create_profiles: bool = False


class RewardActionInput(msgspec.Struct, frozen=True):
    name: Name
    key: Name
    client_id: ClientId | None = None
    description: Text | None = None
    type: Literal["custom", "segment"] = "custom"
    segment: SegmentInput | None = None
    """What triggers an action of the type `segment`."""


class EntryInput(msgspec.Struct, frozen=True):
    reward_item_id: RewardItemId
    reward_item_amount: Amount
    action: Name


class RewardTableInput(msgspec.Struct, frozen=True):
    name: Name
    client_id: ClientId | None = None
    entries: Several[EntryInput] = ()
    program_ids: Several[ProgramId] = ()


class RewardTableLinks(msgspec.Struct, frozen=True):
    program_ids: Several[ProgramId]


class InvokedActionInput(msgspec.Struct, frozen=True):
    program_id: ProgramId
    reward_action_key: Name
    profile_id: ProfileId | None = None
    custom_profile_id: Name | None = None
    code: Name | None = None
    description: Text | None = None
    attributes: Attributes = ()


class LedgerInput(msgspec.Struct, frozen=True):
    """A credit or a debit."""

    reward_item_id: RewardItemId
    reward_item_amount: Amount
    reason: Text | None = None
    description: Text | None = None
    custom_data: Text | None = None
    attributes: Attributes = ()


class TransferInput(msgspec.Struct, frozen=True):
    reward_item_id: RewardItemId
    reward_item_amount: Amount
    recipient_profile_id: ProfileId


class ProgressionInput(msgspec.Struct, frozen=True):
    reward_item_id: RewardItemId
    reward_item_threshold: Amount


class BadgeInput(msgspec.Struct, frozen=True):
    """A threshold is given as `reward_item_id` and `reward_item_threshold`, several as `progressions`, or none."""

    name: Name
    client_id: ClientId | None = None
    description: Text | None = None
    image_url: Address | None = None
    reward_item_id: RewardItemId | None = None
    reward_item_threshold: Amount | None = None
    progressions: Several[ProgressionInput] = ()
    attributes: Attributes = ()

    def all_progressions(self) -> tuple[ProgressionInput, ...]:
        if self.reward_item_id is None and self.reward_item_threshold is None:
            return self.progressions
        if self.reward_item_id is None:
            raise Rejected("Required beside reward_item_threshold.", field="reward_item_id")
        if self.reward_item_threshold is None:
            raise Rejected("Required beside reward_item_id.", field="reward_item_threshold")
        if self.progressions:
            raise Rejected("Give progressions or reward_item_id, not both.", field="progressions")
        return (ProgressionInput(self.reward_item_id, self.reward_item_threshold),)


class AwardInput(msgspec.Struct, frozen=True):
    badge_id: BadgeId


class QuestInput(msgspec.Struct, frozen=True):
    name: Name
    client_id: ClientId | None = None
    description: Text | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    timeout: timedelta | None = None
    attributes: Attributes = ()


class QuestTaskInput(msgspec.Struct, frozen=True):
    quest_id: QuestId
    name: Name
    client_id: ClientId | None = None
    description: Text | None = None
    target_value: Decimal = Decimal(1)
    default_progress_increment: Decimal = Decimal(1)
    reward_action_key: Name | None = None
    attributes: Attributes = ()

    def __post_init__(self) -> None:
        _check_quantity("target_value", self.target_value)
        _check_quantity("default_progress_increment", self.default_progress_increment)


class QuestRewardInput(msgspec.Struct, frozen=True):
    reward_item_id: RewardItemId
    reward_item_amount: Amount


class QuestRewardsInput(msgspec.Struct, frozen=True):
    quest_id: QuestId
    quest_rewards: Annotated[tuple[QuestRewardInput, ...], msgspec.Meta(min_length=1, max_length=1_000)]


class UserQuestInput(msgspec.Struct, frozen=True):
    quest_id: QuestId
    profile_id: ProfileId | None = None


class UserQuestTaskChange(msgspec.Struct, frozen=True):
    id: UserQuestTaskId
    status: Literal["completed"]


class UserQuestChange(msgspec.Struct, frozen=True):
    rewards_status: Literal["claimed"] | None = None
    user_quest_tasks: Several[UserQuestTaskChange] = ()


class ProgressInput(msgspec.Struct, frozen=True):
    user_quest_task_id: UserQuestTaskId
    custom_increment: Decimal | None = None
    custom_progress: Decimal | None = None

    def __post_init__(self) -> None:
        _check_quantity("custom_increment", self.custom_increment)
        _check_quantity("custom_progress", self.custom_progress)


def _check_quantity(name: str, value: Decimal | None) -> None:
    if value is None:
        return
    if not value.is_finite() or abs(value) > GREATEST_QUANTITY or value != round(value, MOST_DECIMALS):
        raise Rejected(f"Must be a number of at most 10^15 with at most {MOST_DECIMALS} decimals.", field=name)
