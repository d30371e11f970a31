"""Badges, the fans who earned them, and how far a fan is from earning one."""

from tifo.engagement.model import Attributes, Badge, BadgeProgression, EarnedBadge, Fan, Profile
from tifo.kernel.clock import to_iso
from tifo.livelike.links import Links
from tifo.livelike.resources.base import Id, Resource, Time, Unused, Url, known
from tifo.livelike.resources.context import ResourceContext
from tifo.livelike.resources.profiles import ProfileResource
from tifo.livelike.resources.rewards import RewardItemResource


class BadgeProgressionResource(Resource, frozen=True, kw_only=True):
    """A balance that reaches this threshold earns the badge."""

    reward_item_id: Id
    reward_item_name: str
    reward_item_threshold: int

    @classmethod
    def of(cls, progression: BadgeProgression, context: ResourceContext) -> "BadgeProgressionResource":
        return cls(
            reward_item_id=progression.reward_item_id,
            reward_item_name=context.reward_item(progression.reward_item_id).name,
            reward_item_threshold=progression.reward_item_threshold,
        )


class BadgeResource(Resource, frozen=True, kw_only=True):
    """`reward_item_id` and `reward_item_threshold` repeat the first of `progressions`."""

    id: Id
    key: str | None
    url: Url
    client_id: Id
    name: str
    description: str | None
    badge_icon_url: Url | None
    file: Url | None
    image_url: Url | None
    mimetype: None = None
    registered_links: Unused = ()
    reward_item: RewardItemResource | None
    reward_item_id: Id | None
    reward_item_threshold: int | None
    progressions: list[BadgeProgressionResource]
    attributes: Attributes

    @classmethod
    def of(cls, badge: Badge, context: ResourceContext) -> "BadgeResource":
        first = badge.progressions[0] if badge.progressions else None
        item = context.reward_item(first.reward_item_id) if first else None
        return cls(
            id=badge.id,
            key=badge.key,
            url=context.links.to("badges", badge.id),
            client_id=context.client_id,
            name=badge.name,
            description=badge.description,
            # LiveLike documents the same address as badge_icon_url and file; image_url is the name in our own input.
            badge_icon_url=badge.image_url,
            file=badge.image_url,
            image_url=badge.image_url,
            reward_item=RewardItemResource.of(item, context) if item else None,
            reward_item_id=first.reward_item_id if first else None,
            reward_item_threshold=first.reward_item_threshold if first else None,
            progressions=[BadgeProgressionResource.of(progression, context) for progression in badge.progressions],
            attributes=badge.attributes,
        )


class FanProgressionResource(Resource, frozen=True, kw_only=True):
    """A threshold with the fan's balance, which may exceed it."""

    reward_item_id: Id
    reward_item_name: str
    reward_item_threshold: int
    current_reward_amount: int


class BadgeProgressResource(Resource, frozen=True, kw_only=True):
    badge: BadgeResource
    badge_progression: list[FanProgressionResource]

    @classmethod
    def of(cls, badge: Badge, fan: Fan, context: ResourceContext) -> "BadgeProgressResource":
        return cls(
            badge=BadgeResource.of(badge, context),
            badge_progression=[
                FanProgressionResource(
                    reward_item_id=progression.reward_item_id,
                    reward_item_name=context.reward_item(progression.reward_item_id).name,
                    reward_item_threshold=progression.reward_item_threshold,
                    # LiveLike does not cap it: its own example shows 14 with a threshold of 5.
                    current_reward_amount=fan.balances.get(progression.reward_item_id, 0),
                )
                for progression in badge.progressions
            ],
        )


class ProfileBadgeResource(Resource, frozen=True, kw_only=True):
    """A badge that the named fan earned."""

    awarded_at: Time
    badge: BadgeResource
    earned_badge_id: Id
    earned_badge_url: Url

    @classmethod
    def of(cls, earned: EarnedBadge, context: ResourceContext) -> "ProfileBadgeResource":
        return cls(
            awarded_at=to_iso(earned.awarded_at),
            badge=BadgeResource.of(known(context.game.badges, earned.badge_id), context),
            earned_badge_id=earned.id,
            earned_badge_url=_earned_badge_url(earned, context.links),
        )


class EarnedBadgeResource(Resource, frozen=True, kw_only=True):
    """An earned badge with its fan and its badge."""

    id: Id
    url: Url
    badge_id: Id
    awarded_at: Time
    profile: ProfileResource
    badge: BadgeResource

    @classmethod
    def of(cls, earned: EarnedBadge, profile: Profile, context: ResourceContext) -> "EarnedBadgeResource":
        return cls(
            id=earned.id,
            url=_earned_badge_url(earned, context.links),
            badge_id=earned.badge_id,
            awarded_at=to_iso(earned.awarded_at),
            profile=ProfileResource.of(profile, context.links),
            badge=BadgeResource.of(known(context.game.badges, earned.badge_id), context),
        )


class BadgeProfileResource(Resource, frozen=True, kw_only=True):
    """A fan who earned the named badge."""

    badge_id: Id
    awarded_at: Time
    profile: ProfileResource
    earned_badge_url: Url

    @classmethod
    def of(cls, earned: EarnedBadge, profile: Profile, links: Links, *, in_full: bool) -> "BadgeProfileResource":
        # Any fan may see who has a badge, but not what an integrator knows of another fan.
        shown = ProfileResource.of if in_full else ProfileResource.for_other_fans
        return cls(
            badge_id=earned.badge_id,
            awarded_at=to_iso(earned.awarded_at),
            profile=shown(profile, links),
            earned_badge_url=_earned_badge_url(earned, links),
        )


def _earned_badge_url(earned: EarnedBadge, links: Links) -> str:
    # LiveLike's `url` is `earned-badges/{id}/`. Ours is a list, which holds this one badge.
    return links.query("earned-badges", profile_id=earned.profile_id, badge_id=earned.badge_id)
