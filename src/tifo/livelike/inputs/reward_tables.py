"""Requests with these bodies make or change reward tables, their entries and their links to programs."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from tifo.engagement.model import RateLimit, RewardLimit
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import ClientId, ProgramId, RewardItemId, RewardTableEntryId
from tifo.livelike.inputs.fields import Amount, Name, Several


class RateLimitInput(msgspec.Struct, frozen=True):
    """An entry pays a fan at most `frequency` times in each `unit` of the clock."""

    # LiveLike's fields; there they are the length of a cooldown.

    is_enabled: bool = True
    frequency: Amount | None = None
    unit: Literal["second", "minute", "hour", "day"] | None = None

    def value(self) -> RateLimit | None:
        if not self.is_enabled:
            return None
        if self.frequency is None or self.unit is None:
            raise Rejected("Give frequency and unit, or is_enabled: false.", field="rate_limit")
        return RateLimit(frequency=self.frequency, unit=self.unit)


class RewardLimitInput(msgspec.Struct, frozen=True):
    """An entry pays a fan at most `action_limit_count` times in each calendar `duration` of the time zone."""

    is_enabled: bool = True
    action_limit_count: Amount | None = None
    duration: Literal["day", "week", "month", "all_time"] | None = None
    timezone: Name | None = None

    def value(self) -> RewardLimit | None:
        if not self.is_enabled:
            return None
        if self.action_limit_count is None or self.duration is None:
            raise Rejected("Give action_limit_count and duration, or is_enabled: false.", field="reward_limit")
        return RewardLimit(
            action_limit_count=self.action_limit_count, duration=self.duration, timezone=self.timezone or "UTC"
        )


class EntryInput(msgspec.Struct, frozen=True):
    """`id` names the entry that this one replaces; it counts only in a change of the whole table."""

    reward_item_id: RewardItemId
    reward_item_amount: Amount
    action: Name
    rate_limit: RateLimitInput | None = None
    reward_limit: RewardLimitInput | None = None
    id: RewardTableEntryId | None = None


class RewardTableInput(msgspec.Struct, frozen=True):
    name: Name
    client_id: ClientId | None = None
    key: Name | None = None
    entries: Several[EntryInput] = ()
    program_ids: Several[ProgramId] = ()


class RewardTableChange(msgspec.Struct, frozen=True):
    """`entries` and `program_ids` replace all of the table's."""

    name: Name | UnsetType = UNSET
    key: Name | UnsetType | None = UNSET
    entries: Several[EntryInput] | UnsetType = UNSET
    program_ids: Several[ProgramId] | UnsetType = UNSET


class RewardTableLinks(msgspec.Struct, frozen=True):
    """The request names one program (`program_id`), several (`program_ids`), or both."""

    # Ours: LiveLike links without a body, by PUT programs/{id}/reward-tables/{id}/.

    program_id: ProgramId | None = None
    program_ids: Several[ProgramId] = ()
