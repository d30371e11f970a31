"""Requests with these bodies make, change or award badges."""

import msgspec
from msgspec import UNSET, UnsetType

from tifo.kernel.errors import Rejected
from tifo.kernel.ids import BadgeId, ClientId, RewardItemId
from tifo.livelike.inputs.fields import Address, Amount, Attributes, Name, Several, Text


class ProgressionInput(msgspec.Struct, frozen=True):
    reward_item_id: RewardItemId
    reward_item_threshold: Amount


class BadgeInput(msgspec.Struct, frozen=True):
    """A badge has one threshold (`reward_item_id` with `reward_item_threshold`), several (`progressions`) or none."""

    name: Name
    client_id: ClientId | None = None
    key: Name | None = None
    description: Text | None = None
    image_url: Address | None = None
    # Ours: LiveLike sets thresholds in its CMS and documents no input. These are the names of its answers.
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
        # Which of the two is meant cannot be known.
        if self.progressions:
            raise Rejected("Give progressions or reward_item_id, not both.", field="progressions")
        return (ProgressionInput(self.reward_item_id, self.reward_item_threshold),)


class BadgeChange(msgspec.Struct, frozen=True):
    """`progressions` replaces all thresholds of the badge."""

    name: Name | UnsetType = UNSET
    key: Name | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    image_url: Address | UnsetType | None = UNSET
    progressions: Several[ProgressionInput] | UnsetType = UNSET
    attributes: Attributes | UnsetType = UNSET


class AwardInput(msgspec.Struct, frozen=True):
    badge_id: BadgeId
