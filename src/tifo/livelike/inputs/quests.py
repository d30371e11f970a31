"""Requests with these bodies define quests with their tasks, rewards and badges."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from tifo.kernel.ids import BadgeId, ClientId, QuestId, RewardItemId
from tifo.livelike.inputs.fields import Amount, Attributes, Name, Several, Text, check_quantity


class QuestInput(msgspec.Struct, frozen=True):
    name: Name
    client_id: ClientId | None = None
    key: Name | None = None
    description: Text | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    # An ISO 8601 duration, as LiveLike sends it.
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
    """`badge_ids` replaces all badges of the quest."""

    # Ours: LiveLike's request adds badges.

    badge_ids: Several[BadgeId]


class QuestTaskInput(msgspec.Struct, frozen=True):
    quest_id: QuestId
    name: Name
    client_id: ClientId | None = None
    key: Name | None = None
    description: Text | None = None
    # LiveLike answers with these but documents no input: its CMS sets them.
    target_value: Decimal = Decimal(1)
    default_progress_increment: Decimal = Decimal(1)
    reward_action_key: Name | None = None
    attributes: Attributes = ()

    def __post_init__(self) -> None:
        check_quantity("target_value", self.target_value)
        check_quantity("default_progress_increment", self.default_progress_increment)


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
            check_quantity(name, None if value is UNSET else value)


class QuestRewardInput(msgspec.Struct, frozen=True):
    reward_item_id: RewardItemId
    reward_item_amount: Amount


class QuestRewardsInput(msgspec.Struct, frozen=True):
    quest_id: QuestId
    quest_rewards: Annotated[tuple[QuestRewardInput, ...], msgspec.Meta(min_length=1, max_length=1_000)]
