"""Commands that define leaderboards."""

from tifo.engagement.commands.base import Command, Create
from tifo.engagement.model import Attributes, Leaderboard
from tifo.kernel.ids import LeaderboardId, ProgramId, RewardItemId


class CreateLeaderboard(Create[Leaderboard], frozen=True, kw_only=True):
    """Defines a leaderboard linked to the given programs, or to the default one if none is given.

    Refused with 409 if a leaderboard has the custom id.
    """

    reward_item_id: RewardItemId
    custom_id: str | None = None
    program_ids: tuple[ProgramId, ...] = ()
    is_locked: bool = False
    attributes: Attributes = ()


class UpdateLeaderboard(Command[Leaderboard], frozen=True, kw_only=True):
    """Changes a leaderboard; None leaves a field as it is.

    Locking freezes the standings of this moment; unlocking shows the current ones.
    """

    leaderboard_id: LeaderboardId
    name: str | None = None
    custom_id: str | None = None
    program_ids: tuple[ProgramId, ...] | None = None
    is_locked: bool | None = None
    attributes: Attributes | None = None
