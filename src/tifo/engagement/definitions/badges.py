"""Defines badges and the thresholds that earn them."""

from collections.abc import Iterable

from msgspec import UNSET
from msgspec.structs import replace

from tifo.engagement.commands import CreateBadge, NewProgression, UpdateBadge
from tifo.engagement.definitions.shared import DefinitionContext, changed, check_few, check_named
from tifo.engagement.model import Badge, BadgeProgression, Game
from tifo.engagement.references import known, known_item
from tifo.engagement.values import check_amount
from tifo.kernel.ids import BadgeId


def create_badge(context: DefinitionContext, command: CreateBadge) -> Badge:
    return Badge(
        id=BadgeId(context.id(command.id)),
        name=command.name,
        key=command.key,
        created_at=context.now,
        description=command.description,
        image_url=command.image_url,
        progressions=_progressions(command.progressions),
        attributes=command.attributes,
    )


def update_badge(context: DefinitionContext, command: UpdateBadge) -> Badge:
    badge: Badge = known(context.game.badges, command.badge_id, "badge", "badge_id")
    badge = changed(badge, command, "name", "key", "description", "image_url", "attributes")
    if command.progressions is not UNSET:
        badge = replace(badge, progressions=_progressions(command.progressions))
    return badge


def check_badge(badge: Badge, game: Game) -> Badge:
    check_few(badge.progressions, "progressions")
    for progression in badge.progressions:
        known_item(game, progression.reward_item_id)
        check_amount(progression.reward_item_threshold, "reward_item_threshold")
    return check_named(badge, game.badges)


def _progressions(new: Iterable[NewProgression]) -> tuple[BadgeProgression, ...]:
    return tuple(
        BadgeProgression(reward_item_id=p.reward_item_id, reward_item_threshold=p.reward_item_threshold) for p in new
    )
