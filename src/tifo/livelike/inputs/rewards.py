"""Requests with these bodies make or change reward items and reward actions."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from tifo.kernel.ids import ClientId, ProgramId
from tifo.livelike.inputs.fields import Attributes, Name, Several, Text


class RewardItemInput(msgspec.Struct, frozen=True):
    name: Name
    client_id: ClientId | None = None
    key: Name | None = None
    attributes: Attributes = ()


class RewardItemChange(msgspec.Struct, frozen=True):
    name: Name | UnsetType = UNSET
    key: Name | UnsetType | None = UNSET
    attributes: Attributes | UnsetType = UNSET


class ConditionInput(msgspec.Struct, frozen=True):
    """`property` is a name in the event's properties; dots lead into nested objects."""

    property: Name
    operator: Literal["=", "!=", ">", ">=", "<", "<=", "contains", "exists"] = "="
    value: str | int | float | bool | None = None


class SegmentInput(msgspec.Struct, frozen=True):
    """`source` is a source's slug or id; `properties` are conditions that must all hold."""

    source: Name
    event: Name
    properties: Several[ConditionInput] = ()
    program_id: ProgramId | None = None
    create_profiles: bool = False


class RewardActionInput(msgspec.Struct, frozen=True):
    name: Name
    key: Name
    client_id: ClientId | None = None
    description: Text | None = None
    type: Literal["custom", "segment"] = "custom"
    segment: SegmentInput | None = None
    """The tracked event that invokes an action of the type `segment`; no other type has it."""


class RewardActionChange(msgspec.Struct, frozen=True):
    name: Name | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
