"""Requests with these bodies invoke reward actions, one or several."""

from typing import Annotated

import msgspec

from tifo.kernel.ids import ProfileId, ProgramId
from tifo.livelike.inputs.fields import Attributes, Name, Text


class InvokedActionInput(msgspec.Struct, frozen=True):
    program_id: ProgramId
    reward_action_key: Name
    profile_id: ProfileId | None = None
    custom_profile_id: Name | None = None
    code: Name | None = None
    description: Text | None = None
    attributes: Attributes = ()


class BatchedAction(msgspec.Struct, frozen=True):
    reward_action_key: Name
    code: Name | None = None
    description: Text | None = None
    attributes: Attributes = ()


# LiveLike's only request that rewards many fans at once.
class BatchUpdate(msgspec.Struct, frozen=True):
    """One fan performs these actions; each is named by its key alone or given with a code."""

    reward_actions: Annotated[tuple[BatchedAction | Name, ...], msgspec.Meta(min_length=1, max_length=100)]
    profile_id: ProfileId | None = None
    custom_profile_id: Name | None = None


class BatchInput(msgspec.Struct, frozen=True):
    program_id: ProgramId
    updates: Annotated[tuple[BatchUpdate, ...], msgspec.Meta(min_length=1, max_length=1_000)]
