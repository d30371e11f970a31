"""Requests with these bodies make or change applications, their tokens and their programs."""

import msgspec
from msgspec import UNSET, UnsetType

from tifo.kernel.ids import ClientId
from tifo.livelike.inputs.fields import Name


class ApplicationSettings(msgspec.Struct, frozen=True):
    name: Name | None = None
    automatic_quest_processing: bool | None = None
    auto_claim_quest_rewards: bool | None = None


class ApplicationInput(msgspec.Struct, frozen=True):
    name: Name


class TokenInput(msgspec.Struct, frozen=True):
    """`name` reminds the owner of the place that uses the token."""

    name: Name


# LiveLike has further fields (scheduled_at, stream_url, …), which concern its widgets and chats.
class ProgramInput(msgspec.Struct, frozen=True):
    """`title` is LiveLike's word for a program's name."""

    client_id: ClientId | None = None
    name: Name | None = None
    title: Name | None = None
    key: Name | None = None


class ProgramChange(msgspec.Struct, frozen=True):
    name: Name | UnsetType = UNSET
    key: Name | UnsetType | None = UNSET
