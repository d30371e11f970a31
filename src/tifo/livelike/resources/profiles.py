"""Profiles are shown in full to their fan and to producers, and without private fields to other fans."""

import msgspec

from tifo.engagement.model import Attributes, Profile
from tifo.kernel.clock import to_iso
from tifo.livelike.links import Links
from tifo.livelike.resources.base import Id, Resource, Time, Unused, Url


class ProfileResource(Resource, frozen=True, kw_only=True):
    id: Id
    url: Url
    client_id: Id
    custom_id: str | None
    created_at: Time
    nickname: str
    custom_data: str | None
    attributes: Attributes
    # Constants: LiveLike's clients read them, and Tifo has neither points nor reports. Badges have a list of their own.
    points: int = 0
    badges: Unused = ()
    reported_count: int = 0
    subscribe_channel: str
    badges_url: Url
    badge_progress_url: Url
    earned_badges_url: Url
    reward_item_balances_url: Url
    reward_item_credit_url: Url
    reward_item_debit_url: Url
    reward_item_transfer_url: Url

    @classmethod
    def of(cls, profile: Profile, links: Links) -> "ProfileResource":
        own = ("profiles", profile.id)
        return cls(
            id=profile.id,
            url=links.to(*own),
            client_id=profile.client_id,
            custom_id=profile.custom_id,
            created_at=to_iso(profile.created_at),
            nickname=profile.nickname,
            custom_data=profile.custom_data,
            attributes=profile.attributes,
            # LiveLike's name for the channel. Nothing is sent there: push needs PubNub.
            subscribe_channel=f"profile.{profile.id}",
            badges_url=links.to(*own, "badges"),
            badge_progress_url=links.to(*own, "badge-progress"),
            earned_badges_url=links.query("earned-badges", profile_id=profile.id),
            reward_item_balances_url=links.to(*own, "reward-item-balances"),
            reward_item_credit_url=links.to(*own, "reward-item-credits"),
            reward_item_debit_url=links.to(*own, "reward-item-debits"),
            reward_item_transfer_url=links.to(*own, "reward-item-transfers"),
        )

    @classmethod
    def for_other_fans(cls, profile: Profile, links: Links) -> "ProfileResource":
        """Leaves out the integrator's id and data, which other fans may not see."""
        return msgspec.structs.replace(cls.of(profile, links), custom_id=None, custom_data=None, attributes=())


# LiveLike: only the answer that creates a profile has the token. The SDK stores it.
class NewProfileResource(ProfileResource, frozen=True, kw_only=True):
    """The profile with its fan's token, which no other answer shows."""

    access_token: str

    @classmethod
    def with_token(cls, profile: Profile, links: Links, access_token: str) -> "NewProfileResource":
        return cls(**msgspec.structs.asdict(ProfileResource.of(profile, links)), access_token=access_token)
