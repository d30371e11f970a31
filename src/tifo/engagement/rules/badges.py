"""Earns, awards and revokes badges."""

from msgspec.structs import replace

from tifo.engagement.commands import AwardBadge, RevokeBadge
from tifo.engagement.facts import BadgeRewarded
from tifo.engagement.model import Badge, BadgeProgression, EarnedBadge, Transaction, is_live
from tifo.engagement.turn import Turn
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import EarnedBadgeId, ProfileId


def award_badge(turn: Turn, command: AwardBadge) -> EarnedBadge:
    badge = turn.game.badges.get(command.badge_id)
    if badge is None or not is_live(badge):
        raise NotFound(f"There is no badge {command.badge_id!r:.100} in this application.", field="badge_id")
    earned = give_badge(turn, command.profile_id, badge, None)
    # A restored badge gives no fact: its first one was sent, and no event revokes another.
    return earned if earned.revoked_at is None else _put(turn, replace(earned, revoked_at=None))


def revoke_badge(turn: Turn, command: RevokeBadge) -> EarnedBadge:
    owner = turn.state.by_earned_badge.get(command.earned_badge_id)
    if owner is None:
        raise NotFound(f"There is no earned badge {command.earned_badge_id!r:.100}.", field="earned_badge_id")
    earned = next(each for each in turn.fan(owner).badges.values() if each.id == command.earned_badge_id)
    return earned if earned.revoked_at is not None else _put(turn, replace(earned, revoked_at=turn.now))


def earn_badges(turn: Turn, credit: Transaction) -> None:
    """Gives the badges whose threshold the balance right after this credit reaches."""
    for badge, progression in turn.game.badges_by_item.get(credit.reward_item_id, ()):
        # LiveLike: a badge may be earned in several ways, so one progression suffices.
        if credit.balance >= progression.reward_item_threshold:
            give_badge(turn, credit.profile_id, badge, progression)


def give_badge(turn: Turn, profile_id: ProfileId, badge: Badge, by: BadgeProgression | None) -> EarnedBadge:
    """Gives a badge at most once. A badge that the fan has or had, revoked or not, is returned as it is."""
    fan = turn.fan(profile_id)
    # LiveLike: a badge that the fan has is skipped silently; the other rewards of the same trigger are paid.
    if badge.id in fan.badges:
        return fan.badges[badge.id]
    earned = EarnedBadge(id=EarnedBadgeId(turn.new_id()), profile_id=profile_id, badge_id=badge.id, awarded_at=turn.now)
    _put(turn, earned)
    turn.record(
        BadgeRewarded,
        fan.profile,
        badge_id=badge.id,
        badge_title=badge.name,
        description=badge.description or None,
        earned_badge_id=earned.id,
        image_url=badge.image_url or None,
        # LiveLike's event names the item for a threshold only; an award or a quest has none.
        reward_item_id=None if by is None else by.reward_item_id,
        reward_item_name=None if by is None else turn.item(by.reward_item_id).name,
        reward_item_threshold=None if by is None else by.reward_item_threshold,
    )
    return earned


def _put(turn: Turn, earned: EarnedBadge) -> EarnedBadge:
    fan = turn.fan(earned.profile_id)
    turn.put(replace(fan, badges={**fan.badges, earned.badge_id: earned}))
    return earned
