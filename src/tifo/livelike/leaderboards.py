"""LiveLike's shapes of leaderboards. Of a fan they show the public what a leaderboard is for: nickname, rank, score."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from tifo.engagement.leaderboards import Standing, percentile
from tifo.engagement.model import Leaderboard, Profile
from tifo.kernel.clock import to_iso
from tifo.kernel.ids import ClientId, ProfileId, ProgramId, RewardItemId
from tifo.livelike.links import Links
from tifo.livelike.shapes import Attributes, Name, Several

if TYPE_CHECKING:
    from tifo.livelike.resources import Resource, Resources


class LeaderboardInput(msgspec.Struct, frozen=True):
    name: Name
    reward_item_id: RewardItemId
    client_id: ClientId | None = None
    custom_id: Name | None = None
    program_ids: Several[ProgramId] = ()
    is_locked: bool = False
    attributes: Attributes = ()


class LeaderboardChange(msgspec.Struct, frozen=True):
    """Fields that are not sent stay as they are."""

    name: Name | None = None
    custom_id: Name | None = None
    program_ids: Several[ProgramId] | None = None
    is_locked: bool | None = None
    attributes: Attributes | None = None


def leaderboard(board: Leaderboard, resources: "Resources", links: Links) -> "Resource":
    """The SDK appends `?…` to `entries_url`, and sends no token with any of these."""
    return {
        "id": board.id,
        "custom_id": board.custom_id,
        "url": links.to("leaderboards", board.id),
        "client_id": resources.client_id,
        "name": board.name,
        "created_at": to_iso(board.created_at),
        "reward_item": resources.reward_item(resources.game.reward_items[board.reward_item_id]),
        "reward_item_id": board.reward_item_id,
        "program_ids": board.program_ids,
        "is_locked": board.is_locked,
        "attributes": board.attributes,
        "entries_url": links.to("leaderboards", board.id, "entries"),
        "entry_detail_url_template": links.to("leaderboards", board.id, "entries", "{profile_id}"),
    }


def entry(standing: Standing, count: int, profiles: Mapping[ProfileId, Profile]) -> "Resource":
    profile = profiles.get(standing.profile_id)
    nickname = profile.nickname if profile else None
    return {
        "profile_id": standing.profile_id,
        "profile_nickname": nickname,
        "profile": {"id": standing.profile_id, "nickname": nickname},
        "rank": standing.rank,
        "score": standing.score,
        "percentile_rank": percentile(standing.rank, count),
    }
