"""What requests may hold. Ids are strings and amounts whole numbers; task progress may be fractional or in text form,
as in LiveLike's samples. Fields that are not named here are ignored.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from tifo.engagement.model import Attribute, RateLimit, RewardLimit
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import (
    BadgeId,
    ClientId,
    ProfileId,
    ProgramId,
    QuestId,
    RewardItemId,
    RewardTableEntryId,
    UserQuestId,
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


class ApplicationSettings(msgspec.Struct, frozen=True):
    name: Name | None = None
    automatic_quest_processing: bool | None = None
    auto_claim_quest_rewards: bool | None = None


class ApplicationInput(msgspec.Struct, frozen=True):
    name: Name


class TokenInput(msgspec.Struct, frozen=True):
    """`name` tells the owner which token is used where."""

    name: Name


class ProfileInput(msgspec.Struct, frozen=True):
    nickname: Name | None = None
    custom_id: Name | None = None
    custom_data: Text | None = None
    attributes: Attributes | None = None


class ProgramInput(msgspec.Struct, frozen=True):
    """`title` is LiveLike's word for a program's name."""

    client_id: ClientId | None = None
    name: Name | None = None
    title: Name | None = None
    key: Name | None = None


class ProgramChange(msgspec.Struct, frozen=True):
    name: Name | UnsetType = UNSET
    key: Name | UnsetType | None = UNSET


class RewardItemInput(msgspec.Struct, frozen=True):
    name: Name
    client_id: ClientId | None = None
    key: Name | None = None
    attributes: Attributes = ()


class RewardItemChange(msgspec.Struct, frozen=True):
    name: Name | UnsetType = UNSET
    key: Name | UnsetType | None = UNSET
    attributes: Attributes | UnsetType = UNSET


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


class RewardActionChange(msgspec.Struct, frozen=True):
    name: Name | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET


class RateLimitInput(msgspec.Struct, frozen=True):
    """At most `frequency` payments a fan in each `unit` of the clock."""

    is_enabled: bool = True
    frequency: Amount | None = None
    unit: Literal["second", "minute", "hour", "day"] | None = None

    def value(self) -> RateLimit | None:
        if not self.is_enabled:
            return None
        if self.frequency is None or self.unit is None:
            raise Rejected("Give frequency and unit, or is_enabled: false.", field="rate_limit")
        return RateLimit(frequency=self.frequency, unit=self.unit)


class RewardLimitInput(msgspec.Struct, frozen=True):
    """At most `action_limit_count` payments a fan in each calendar `duration` of the time zone."""

    is_enabled: bool = True
    action_limit_count: Amount | None = None
    duration: Literal["day", "week", "month", "all_time"] | None = None
    timezone: Name | None = None

    def value(self) -> RewardLimit | None:
        if not self.is_enabled:
            return None
        if self.action_limit_count is None or self.duration is None:
            raise Rejected("Give action_limit_count and duration, or is_enabled: false.", field="reward_limit")
        return RewardLimit(
            action_limit_count=self.action_limit_count, duration=self.duration, timezone=self.timezone or "UTC"
        )


class EntryInput(msgspec.Struct, frozen=True):
    """`id` names, in a table's change, the entry that this takes the place of."""

    reward_item_id: RewardItemId
    reward_item_amount: Amount
    action: Name
    rate_limit: RateLimitInput | None = None
    reward_limit: RewardLimitInput | None = None
    id: RewardTableEntryId | None = None


class RewardTableInput(msgspec.Struct, frozen=True):
    name: Name
    client_id: ClientId | None = None
    key: Name | None = None
    entries: Several[EntryInput] = ()
    program_ids: Several[ProgramId] = ()


class RewardTableChange(msgspec.Struct, frozen=True):
    """`entries` and `program_ids` replace what is there."""

    name: Name | UnsetType = UNSET
    key: Name | UnsetType | None = UNSET
    entries: Several[EntryInput] | UnsetType = UNSET
    program_ids: Several[ProgramId] | UnsetType = UNSET


class RewardTableLinks(msgspec.Struct, frozen=True):
    """`program_id`, or several."""

    program_id: ProgramId | None = None
    program_ids: Several[ProgramId] = ()


class InvokedActionInput(msgspec.Struct, frozen=True):
    program_id: ProgramId
    reward_action_key: Name
    profile_id: ProfileId | None = None
    custom_profile_id: Name | None = None
    code: Name | None = None
    description: Text | None = None
    attributes: Attributes = ()


class BatchedAction(msgspec.Struct, frozen=True):
    reward_action_key: Name
    code: Name | None = None
    description: Text | None = None
    attributes: Attributes = ()


class BatchUpdate(msgspec.Struct, frozen=True):
    """Actions of one fan: by key alone, or with a code."""

    reward_actions: Annotated[tuple[BatchedAction | Name, ...], msgspec.Meta(min_length=1, max_length=100)]
    profile_id: ProfileId | None = None
    custom_profile_id: Name | None = None


class BatchInput(msgspec.Struct, frozen=True):
    program_id: ProgramId
    updates: Annotated[tuple[BatchUpdate, ...], msgspec.Meta(min_length=1, max_length=1_000)]


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
    key: Name | None = None
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


class BadgeChange(msgspec.Struct, frozen=True):
    """`progressions` replaces what is there."""

    name: Name | UnsetType = UNSET
    key: Name | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    image_url: Address | UnsetType | None = UNSET
    progressions: Several[ProgressionInput] | UnsetType = UNSET
    attributes: Attributes | UnsetType = UNSET


class AwardInput(msgspec.Struct, frozen=True):
    badge_id: BadgeId


class QuestInput(msgspec.Struct, frozen=True):
    name: Name
    client_id: ClientId | None = None
    key: Name | None = None
    description: Text | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    timeout: timedelta | None = None
    attributes: Attributes = ()


class QuestChange(msgspec.Struct, frozen=True):
    name: Name | UnsetType = UNSET
    key: Name | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    started_at: datetime | UnsetType | None = UNSET
    stopped_at: datetime | UnsetType | None = UNSET
    timeout: timedelta | UnsetType | None = UNSET
    attributes: Attributes | UnsetType = UNSET


class QuestBadgesInput(msgspec.Struct, frozen=True):
    """Takes the place of the quest's badges."""

    badge_ids: Several[BadgeId]


class ClaimBadgesInput(msgspec.Struct, frozen=True):
    """`claim_badges` left out: all of the quest's. `user_quest_id` only where the address names the quest."""

    claim_badges: Several[BadgeId] | None = None
    user_quest_id: UserQuestId | None = None


class QuestTaskChange(msgspec.Struct, frozen=True):
    name: Name | UnsetType = UNSET
    key: Name | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    target_value: Decimal | UnsetType = UNSET
    default_progress_increment: Decimal | UnsetType = UNSET
    reward_action_key: Name | UnsetType | None = UNSET
    attributes: Attributes | UnsetType = UNSET

    def __post_init__(self) -> None:
        for name in ("target_value", "default_progress_increment"):
            value = getattr(self, name)
            _check_quantity(name, None if value is UNSET else value)


class QuestTaskInput(msgspec.Struct, frozen=True):
    quest_id: QuestId
    name: Name
    client_id: ClientId | None = None
    key: Name | None = None
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
    status: Literal["completed", "incomplete"]


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
