"""Requests with these bodies make or change leaderboards."""

import msgspec

from tifo.kernel.ids import ClientId, ProgramId, RewardItemId
from tifo.livelike.inputs.fields import Attributes, Name, Several


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
