"""Defines reward tables, their entries, and the programs that they are linked to."""

from zoneinfo import ZoneInfo

from msgspec import UNSET
from msgspec.structs import replace

from tifo.engagement.commands import (
    AddRewardTableEntry,
    ChangeRewardTableEntry,
    CreateRewardTable,
    LinkRewardTable,
    NewEntry,
    RemoveRewardTableEntry,
    UnlinkRewardTable,
    UpdateRewardTable,
)
from tifo.engagement.definitions.shared import DefinitionContext, changed, check_few, check_named, distinct
from tifo.engagement.model import Game, RateLimit, RewardLimit, RewardTable, RewardTableEntry
from tifo.engagement.references import known, known_item
from tifo.engagement.values import check_amount
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import NewId, RewardTableEntryId, RewardTableId

MAX_LIMIT = 1_000_000
"""Payments that a limit can allow. Our limit."""


def create_reward_table(context: DefinitionContext, command: CreateRewardTable) -> RewardTable:
    return RewardTable(
        id=RewardTableId(context.id(command.id)),
        name=command.name,
        key=command.key,
        created_at=context.now,
        entries=tuple(_new_entry(entry, context.new_id) for entry in command.entries),
        # LiveLike: an action consults the tables of its program. A table that is linked to none would never pay.
        program_ids=distinct(command.program_ids or (context.game.application.default_program_id,)),
    )


def update_reward_table(context: DefinitionContext, command: UpdateRewardTable) -> RewardTable:
    table = changed(_known_table(context.game, command.reward_table_id), command, "name", "key")
    if command.entries is not UNSET:
        entry_ids = {entry.id for entry in table.entries}
        for entry in command.entries:
            # An entry that keeps its id keeps the counts of its limits.
            if entry.id is not None and entry.id not in entry_ids:
                raise NotFound(f"Reward table {table.id} has no entry {entry.id!r:.100}.", field="entries")
        table = replace(table, entries=tuple(_new_entry(entry, context.new_id) for entry in command.entries))
    if command.program_ids is not UNSET:
        table = replace(table, program_ids=distinct(command.program_ids))
    return table


def link_reward_table(context: DefinitionContext, command: LinkRewardTable) -> RewardTable:
    table = _known_table(context.game, command.reward_table_id)
    # Added here and not by a route that reads and writes back: of two links at once both are stored.
    return replace(table, program_ids=distinct((*table.program_ids, *command.program_ids)))


def unlink_reward_table(context: DefinitionContext, command: UnlinkRewardTable) -> RewardTable:
    table = _known_table(context.game, command.reward_table_id)
    if command.program_id not in table.program_ids:
        raise NotFound(f"The reward table is not linked to a program {command.program_id!r:.100}.", field="program_id")
    kept = tuple(program_id for program_id in table.program_ids if program_id != command.program_id)
    return replace(table, program_ids=kept)


def add_reward_table_entry(context: DefinitionContext, command: AddRewardTableEntry) -> RewardTable:
    table = _known_table(context.game, command.reward_table_id)
    return replace(table, entries=(*table.entries, _new_entry(command.entry, context.new_id)))


def change_reward_table_entry(context: DefinitionContext, command: ChangeRewardTableEntry) -> RewardTable:
    table = _known_table(context.game, command.reward_table_id)
    _known_entry(table, command.entry_id)
    # The entry keeps its id, and with it the counts of its limits; an id in the body is ignored.
    new = replace(_new_entry(command.entry, context.new_id), id=command.entry_id)
    return replace(table, entries=tuple(new if entry.id == command.entry_id else entry for entry in table.entries))


def remove_reward_table_entry(context: DefinitionContext, command: RemoveRewardTableEntry) -> RewardTable:
    table = _known_table(context.game, command.reward_table_id)
    removed = _known_entry(table, command.entry_id)
    return replace(table, entries=tuple(entry for entry in table.entries if entry is not removed))


def check_reward_table(table: RewardTable, game: Game) -> RewardTable:
    check_few(table.entries, "entries")
    check_few(table.program_ids, "program_ids")
    # Two entries with one id would count their limits together, and only one of them could be changed.
    if len({entry.id for entry in table.entries}) < len(table.entries):
        raise Rejected("Two entries have the same id. Leave the id of new ones out.", field="entries")
    for program_id in table.program_ids:
        known(game.programs, program_id, "program", "program_ids")
    for entry in table.entries:
        known_item(game, entry.reward_item_id)
        known(game.reward_actions, entry.action_key, "reward action", "action")
        check_amount(entry.reward_item_amount, "reward_item_amount")
        _check_limits(entry.rate_limit, entry.reward_limit)
    return check_named(table, game.reward_tables)


def _check_limits(rate: RateLimit | None, reward: RewardLimit | None) -> None:
    for value, field in (
        (None if rate is None else rate.frequency, "rate_limit"),
        (None if reward is None else reward.action_limit_count, "reward_limit"),
    ):
        if value is not None and not 1 <= value <= MAX_LIMIT:
            raise Rejected(f"{field} allows {value} payments. Send a number from 1 to {MAX_LIMIT:,}.", field=field)
    if reward is not None:
        try:
            ZoneInfo(reward.timezone)
        # ZoneInfo raises ValueError for a path, KeyError for an unknown name and OSError for a folder (`Europe`).
        except (ValueError, KeyError, OSError) as exc:
            raise Rejected(
                f"{reward.timezone!r:.100} is no time zone. Send one such as Europe/Madrid.", field="reward_limit"
            ) from exc


def _new_entry(new: NewEntry, new_id: NewId) -> RewardTableEntry:
    return RewardTableEntry(
        id=new.id or RewardTableEntryId(new_id()),
        reward_item_id=new.reward_item_id,
        reward_item_amount=new.reward_item_amount,
        action_key=new.action_key,
        rate_limit=new.rate_limit,
        reward_limit=new.reward_limit,
    )


def _known_table(game: Game, table_id: RewardTableId) -> RewardTable:
    table: RewardTable = known(game.reward_tables, table_id, "reward table", "reward_table_id")
    return table


def _known_entry(table: RewardTable, entry_id: RewardTableEntryId) -> RewardTableEntry:
    for entry in table.entries:
        if entry.id == entry_id:
            return entry
    raise NotFound(f"Reward table {table.id} has no entry {entry_id!r:.100}.", field="entry_id")
