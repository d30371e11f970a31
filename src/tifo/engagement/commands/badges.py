"""Commands that define badges, award them and revoke them."""

import msgspec
from msgspec import UNSET

from tifo.engagement.commands.base import Command, Create, Unset
from tifo.engagement.model import Attributes, Badge, EarnedBadge
from tifo.kernel.ids import BadgeId, EarnedBadgeId, ProfileId, RewardItemId


class NewProgression(msgspec.Struct, frozen=True, kw_only=True):
    reward_item_id: RewardItemId
    reward_item_threshold: int


class CreateBadge(Create[Badge], frozen=True, kw_only=True):
    description: str | None = None
    image_url: str | None = None
    progressions: tuple[NewProgression, ...] = ()
    attributes: Attributes = ()


class UpdateBadge(Command[Badge], frozen=True, kw_only=True):
    """Changes a badge; fans who earned it keep it, whatever its new thresholds are."""

    badge_id: BadgeId
    name: str | Unset = UNSET
    key: str | Unset | None = UNSET
    description: str | Unset | None = UNSET
    image_url: str | Unset | None = UNSET
    progressions: tuple[NewProgression, ...] | Unset = UNSET
    attributes: Attributes | Unset = UNSET


class AwardBadge(Command[EarnedBadge], frozen=True, kw_only=True):
    """Gives a fan a badge. If the fan has it, the answer is the earlier award and nothing changes.

    A revoked badge is restored as it was, without a second event.
    """

    # LiveLike: a badge is earned once a fan, and stays whatever becomes of the badge.

    profile_id: ProfileId
    badge_id: BadgeId


class RevokeBadge(Command[EarnedBadge], frozen=True, kw_only=True):
    """Revokes an earned badge: no threshold earns it again, but an award restores it.

    Revoking again changes nothing.
    """

    # Ours: LiveLike does not document what a threshold does after a revocation.

    earned_badge_id: EarnedBadgeId
