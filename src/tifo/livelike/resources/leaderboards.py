"""Leaderboards and their entries. The public sees a fan's nickname, rank and score only."""
# LiveLike shows the whole profile with each entry, custom_data included, to requests without a token. Tifo does not.

from collections.abc import Mapping

from tifo.engagement.leaderboards import Standing, percentile
from tifo.engagement.model import Attributes, Leaderboard, Profile
from tifo.kernel.clock import to_iso
from tifo.kernel.ids import ProfileId
from tifo.livelike.resources.base import Id, Resource, Time, Url
from tifo.livelike.resources.context import ResourceContext
from tifo.livelike.resources.rewards import RewardItemResource


class LeaderboardResource(Resource, frozen=True, kw_only=True):
    id: Id
    custom_id: str | None
    url: Url
    client_id: Id
    name: str
    created_at: Time
    reward_item: RewardItemResource
    reward_item_id: Id
    program_ids: tuple[Id, ...]
    is_locked: bool
    attributes: Attributes
    entries_url: Url
    entry_detail_url_template: Url

    @classmethod
    def of(cls, board: Leaderboard, context: ResourceContext) -> "LeaderboardResource":
        # LiveLike's SDK appends `?…` to `entries_url`, and sends no token to any of these addresses.
        links = context.links
        return cls(
            id=board.id,
            custom_id=board.custom_id,
            url=links.to("leaderboards", board.id),
            client_id=context.client_id,
            name=board.name,
            created_at=to_iso(board.created_at),
            reward_item=RewardItemResource.of(context.game.reward_items[board.reward_item_id], context),
            reward_item_id=board.reward_item_id,
            program_ids=board.program_ids,
            is_locked=board.is_locked,
            attributes=board.attributes,
            entries_url=links.to("leaderboards", board.id, "entries"),
            entry_detail_url_template=links.to("leaderboards", board.id, "entries", "{profile_id}"),
        )


class LeaderboardProfileResource(Resource, frozen=True, kw_only=True):
    id: Id
    nickname: str | None


class LeaderboardEntryResource(Resource, frozen=True, kw_only=True):
    profile_id: Id
    profile_nickname: str | None
    profile: LeaderboardProfileResource
    rank: int
    score: int
    # LiveLike sends a text.
    percentile_rank: str

    @classmethod
    def of(cls, standing: Standing, count: int, profiles: Mapping[ProfileId, Profile]) -> "LeaderboardEntryResource":
        """Makes an entry; `count` is the number of entries of the whole leaderboard."""
        profile = profiles.get(standing.profile_id)
        nickname = profile.nickname if profile else None
        return cls(
            profile_id=standing.profile_id,
            profile_nickname=nickname,
            profile=LeaderboardProfileResource(id=standing.profile_id, nickname=nickname),
            rank=standing.rank,
            score=standing.score,
            percentile_rank=percentile(standing.rank, count),
        )


class ProfileLeaderboardResource(Resource, frozen=True, kw_only=True):
    """A leaderboard with one fan's entry."""

    client_id: Id
    profile_id: Id
    profile_nickname: str
    entry: LeaderboardEntryResource
    leaderboard: LeaderboardResource

    @classmethod
    def of(
        cls, board: Leaderboard, standing: Standing, count: int, profile: Profile, context: ResourceContext
    ) -> "ProfileLeaderboardResource":
        return cls(
            client_id=context.client_id,
            profile_id=profile.id,
            profile_nickname=profile.nickname,
            entry=LeaderboardEntryResource.of(standing, count, {profile.id: profile}),
            leaderboard=LeaderboardResource.of(board, context),
        )


class LeaderboardViewResource(Resource, frozen=True, kw_only=True):
    """LiveLike's view of a leaderboard with one fan's entry. Here a leaderboard has one view: itself."""

    id: Id
    name: str
    client_id: Id
    profile_id: Id
    profile_nickname: str
    entry: LeaderboardEntryResource
    leaderboard: LeaderboardResource

    @classmethod
    def of(cls, place: ProfileLeaderboardResource) -> "LeaderboardViewResource":
        return cls(
            id=place.leaderboard.id,
            name=place.leaderboard.name,
            client_id=place.client_id,
            profile_id=place.profile_id,
            profile_nickname=place.profile_nickname,
            entry=place.entry,
            leaderboard=place.leaderboard,
        )
