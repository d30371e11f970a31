"""Commands that define reward items, reward actions and reward tables."""

import msgspec
from msgspec import UNSET

from tifo.engagement.commands.base import Command, Create, Unset
from tifo.engagement.model import (
    Attributes,
    RateLimit,
    RewardAction,
    RewardItem,
    RewardLimit,
    RewardTable,
    SegmentTrigger,
)
from tifo.kernel.ids import ProgramId, RewardActionId, RewardItemId, RewardTableEntryId, RewardTableId


class CreateRewardItem(Create[RewardItem], frozen=True, kw_only=True):
    attributes: Attributes = ()


class UpdateRewardItem(Command[RewardItem], frozen=True, kw_only=True):
    reward_item_id: RewardItemId
    name: str | Unset = UNSET
    key: str | Unset | None = UNSET
    attributes: Attributes | Unset = UNSET


class CreateRewardAction(Command[RewardAction], frozen=True, kw_only=True):
    """Defines an action; refused with 409 if a live action has the key."""

    name: str
    key: str
    description: str | None = None
    trigger: SegmentTrigger | None = None
    id: str | None = None


# LiveLike: callers name an action by its key.
class UpdateRewardAction(Command[RewardAction], frozen=True, kw_only=True):
    """Changes an action, but never its key: entries, tasks and recorded actions refer to it.

    A trigger makes it one of the type `segment`, and None one that only requests invoke.
    """

    reward_action_id: RewardActionId
    name: str | Unset = UNSET
    description: str | Unset | None = UNSET
    trigger: SegmentTrigger | Unset | None = UNSET


class NewEntry(msgspec.Struct, frozen=True, kw_only=True):
    reward_item_id: RewardItemId
    reward_item_amount: int
    action_key: str
    rate_limit: RateLimit | None = None
    reward_limit: RewardLimit | None = None
    id: RewardTableEntryId | None = None
    """An update names the entry to replace here; that entry's limits keep their counts."""


class CreateRewardTable(Create[RewardTable], frozen=True, kw_only=True):
    """Defines a table linked to the given programs, or to the default one if none is given."""

    entries: tuple[NewEntry, ...] = ()
    program_ids: tuple[ProgramId, ...] = ()


class UpdateRewardTable(Command[RewardTable], frozen=True, kw_only=True):
    """Changes a table; `entries` and `program_ids` replace the whole list."""

    reward_table_id: RewardTableId
    name: str | Unset = UNSET
    key: str | Unset | None = UNSET
    entries: tuple[NewEntry, ...] | Unset = UNSET
    program_ids: tuple[ProgramId, ...] | Unset = UNSET


class LinkRewardTable(Command[RewardTable], frozen=True, kw_only=True):
    """Adds programs to those that the table is linked to."""

    reward_table_id: RewardTableId
    program_ids: tuple[ProgramId, ...]


class UnlinkRewardTable(Command[RewardTable], frozen=True, kw_only=True):
    """Removes one program from the table; refused with 404 if the table is not linked to it."""

    reward_table_id: RewardTableId
    program_id: ProgramId


class AddRewardTableEntry(Command[RewardTable], frozen=True, kw_only=True):
    """Adds an entry; it is the last one of the answer."""

    reward_table_id: RewardTableId
    entry: NewEntry


class ChangeRewardTableEntry(Command[RewardTable], frozen=True, kw_only=True):
    """Replaces the entry with `entry_id`; the new one keeps that id."""

    reward_table_id: RewardTableId
    entry_id: RewardTableEntryId
    entry: NewEntry


class RemoveRewardTableEntry(Command[RewardTable], frozen=True, kw_only=True):
    reward_table_id: RewardTableId
    entry_id: RewardTableEntryId
