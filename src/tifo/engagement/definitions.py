"""Definitions: what a producer may make of the game, checked whole before anything of it is kept."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import singledispatch
from typing import Any

import msgspec

from tifo.engagement.commands import (
    AddQuestRewards,
    AddQuestTask,
    AddRewardTableEntry,
    CreateBadge,
    CreateProgram,
    CreateQuest,
    CreateRewardAction,
    CreateRewardItem,
    CreateRewardTable,
    DefinitionCommand,
    LinkRewardTable,
    NewEntry,
    RemoveRewardTableEntry,
    UpdateApplication,
)
from tifo.engagement.model import (
    Application,
    Badge,
    BadgeProgression,
    Definition,
    Game,
    Program,
    Quest,
    QuestReward,
    QuestTask,
    RewardAction,
    RewardItem,
    RewardTable,
    RewardTableEntry,
)
from tifo.engagement.triggers import check_trigger
from tifo.engagement.values import check_amount, check_decimal, check_text, decimal_text
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import (
    BadgeId,
    NewId,
    ProgramId,
    QuestId,
    QuestRewardId,
    QuestTaskId,
    RewardActionId,
    RewardItemId,
    RewardTableEntryId,
    RewardTableId,
)

MAX_PARTS = 1_000
"""Entries or programs of a table, tasks or rewards of a quest, progressions of a badge. Ours."""
MAX_TIMEOUT = timedelta(days=3660)
"""Ten years: so that no run ends beyond what a date can tell. Ours."""


def define(game: Game, command: DefinitionCommand, now: datetime, new_id: NewId) -> Definition:
    """The new definition, or the one that takes the place of an older with its id.

    Raises `Rejected` for a value that cannot be, `NotFound` for an id that is none of this application's, `Conflict`
    for an action key that is taken.
    """
    return _define(command, game, now, new_id)


@singledispatch
def _define(command: Any, _game: Game, _now: datetime, _new_id: NewId) -> Definition:
    raise TypeError(f"{type(command).__name__} defines nothing")


@_define.register
def _(command: UpdateApplication, game: Game, _now: datetime, _new_id: NewId) -> Application:
    names = ("name", "automatic_quest_processing", "auto_claim_quest_rewards")
    given = {name: value for name in names if (value := getattr(command, name)) is not None}
    if "name" in given:
        check_text(given["name"], "name")
    return msgspec.structs.replace(game.application, **given)


@_define.register
def _(command: CreateProgram, _game: Game, now: datetime, new_id: NewId) -> Program:
    return Program(id=ProgramId(new_id()), name=check_text(command.name, "name"), created_at=now)


@_define.register
def _(command: CreateRewardItem, _game: Game, now: datetime, new_id: NewId) -> RewardItem:
    return RewardItem(
        id=RewardItemId(new_id()),
        name=check_text(command.name, "name"),
        created_at=now,
        attributes=command.attributes,
    )


@_define.register
def _(command: CreateRewardAction, game: Game, now: datetime, new_id: NewId) -> RewardAction:
    if command.key in game.reward_actions:
        raise Conflict(f"A reward action with the key {command.key!r} exists. Choose another key.", field="key")
    return RewardAction(
        id=RewardActionId(new_id()),
        key=check_text(command.key, "key"),
        name=check_text(command.name, "name"),
        created_at=now,
        description=command.description,
        type="custom" if command.trigger is None else "segment",
        trigger=None if command.trigger is None else check_trigger(game, command.trigger),
    )


@_define.register
def _(command: CreateRewardTable, game: Game, now: datetime, new_id: NewId) -> RewardTable:
    programs = command.program_ids or (game.application.default_program_id,)
    return RewardTable(
        id=RewardTableId(new_id()),
        name=check_text(command.name, "name"),
        created_at=now,
        entries=_some(command.entries, "entries", lambda entry: _entry(game, entry, new_id)),
        program_ids=_programs(game, programs),
    )


@_define.register
def _(command: AddRewardTableEntry, game: Game, _now: datetime, new_id: NewId) -> RewardTable:
    table: RewardTable = _known(game.reward_tables, command.reward_table_id, "reward table", field="reward_table_id")
    entries = (*table.entries, _entry(game, command.entry, new_id))
    return msgspec.structs.replace(table, entries=_some(entries, "entries", lambda entry: entry))


@_define.register
def _(command: RemoveRewardTableEntry, game: Game, _now: datetime, _new_id: NewId) -> RewardTable:
    table: RewardTable = _known(game.reward_tables, command.reward_table_id, "reward table", field="reward_table_id")
    kept = tuple(entry for entry in table.entries if entry.id != command.entry_id)
    if len(kept) == len(table.entries):
        raise NotFound(f"Reward table {table.id} has no entry {command.entry_id!r:.100}.", field="entry_id")
    return msgspec.structs.replace(table, entries=kept)


@_define.register
def _(command: LinkRewardTable, game: Game, _now: datetime, _new_id: NewId) -> RewardTable:
    table: RewardTable = _known(game.reward_tables, command.reward_table_id, "reward table", field="reward_table_id")
    return msgspec.structs.replace(table, program_ids=_programs(game, command.program_ids))


@_define.register
def _(command: CreateBadge, game: Game, now: datetime, new_id: NewId) -> Badge:
    def progression(new: Any) -> BadgeProgression:
        _known(game.reward_items, new.reward_item_id, "reward item", field="reward_item_id")
        threshold = check_amount(new.reward_item_threshold, "reward_item_threshold")
        return BadgeProgression(reward_item_id=new.reward_item_id, reward_item_threshold=threshold)

    return Badge(
        id=BadgeId(new_id()),
        name=check_text(command.name, "name"),
        created_at=now,
        description=command.description,
        image_url=command.image_url,
        progressions=_some(command.progressions, "progressions", progression),
        attributes=command.attributes,
    )


@_define.register
def _(command: CreateQuest, _game: Game, now: datetime, new_id: NewId) -> Quest:
    if command.started_at and command.stopped_at and command.stopped_at <= command.started_at:
        raise Rejected("stopped_at is not after started_at. Send a later one, or leave it out.", field="stopped_at")
    if command.timeout is not None and command.timeout.total_seconds() <= 0:
        raise Rejected("timeout is not longer than nothing. Send a duration such as PT1H.", field="timeout")
    if command.timeout is not None and command.timeout > MAX_TIMEOUT:
        raise Rejected(
            f"timeout is {command.timeout.days} days. Send at most {MAX_TIMEOUT.days}, or leave it out for none.",
            field="timeout",
        )
    return Quest(
        id=QuestId(new_id()),
        name=check_text(command.name, "name"),
        created_at=now,
        description=command.description,
        started_at=command.started_at,
        stopped_at=command.stopped_at,
        timeout=command.timeout,
        attributes=command.attributes,
    )


@_define.register
def _(command: AddQuestTask, game: Game, now: datetime, new_id: NewId) -> Quest:
    quest: Quest = _known(game.quests, command.quest_id, "quest", field="quest_id")
    if command.reward_action_key is not None:
        _known(game.reward_actions, command.reward_action_key, "reward action", field="reward_action_key")
    task = QuestTask(
        id=QuestTaskId(new_id()),
        name=check_text(command.name, "name"),
        created_at=now,
        description=command.description,
        target_value=_positive(command.target_value, "target_value"),
        default_progress_increment=_positive(command.default_progress_increment, "default_progress_increment"),
        reward_action_key=command.reward_action_key,
        attributes=command.attributes,
    )
    return msgspec.structs.replace(quest, tasks=_some((*quest.tasks, task), "tasks", lambda part: part))


@_define.register
def _(command: AddQuestRewards, game: Game, _now: datetime, new_id: NewId) -> Quest:
    def reward(new: Any) -> QuestReward:
        _known(game.reward_items, new.reward_item_id, "reward item", field="reward_item_id")
        amount = check_amount(new.reward_item_amount, "reward_item_amount")
        return QuestReward(id=QuestRewardId(new_id()), reward_item_id=new.reward_item_id, reward_item_amount=amount)

    quest: Quest = _known(game.quests, command.quest_id, "quest", field="quest_id")
    rewards = (*quest.rewards, *map(reward, command.rewards))
    return msgspec.structs.replace(quest, rewards=_some(rewards, "quest_rewards", lambda part: part))


def _entry(game: Game, new: NewEntry, new_id: NewId) -> RewardTableEntry:
    _known(game.reward_items, new.reward_item_id, "reward item", field="reward_item_id")
    _known(game.reward_actions, new.action_key, "reward action", field="action")
    return RewardTableEntry(
        id=RewardTableEntryId(new_id()),
        reward_item_id=new.reward_item_id,
        reward_item_amount=check_amount(new.reward_item_amount, "reward_item_amount"),
        action_key=new.action_key,
    )


def _programs(game: Game, program_ids: Iterable[ProgramId]) -> tuple[ProgramId, ...]:
    """Each once: a table that is linked twice to a program would pay twice."""
    once = tuple(dict.fromkeys(program_ids))
    return _some(once, "program_ids", lambda each: _known(game.programs, each, "program", field="program_ids").id)


def _known(things: Mapping[Any, Any], key: str, what: str, *, field: str) -> Any:
    if key not in things:
        raise NotFound(f"There is no {what} {key!r:.100} in this application.", field=field)
    return things[key]


def _some(parts: tuple[Any, ...], field: str, make: Callable[[Any], Any]) -> tuple[Any, ...]:
    if len(parts) > MAX_PARTS:
        raise Rejected(f"{field} has {len(parts):,} parts; at most {MAX_PARTS:,} are taken.", field=field)
    return tuple(map(make, parts))


def _positive(value: Decimal, field: str) -> Decimal:
    if (number := check_decimal(value, field)) <= 0:
        raise Rejected(f"{field} is {decimal_text(number)}. Send a number above 0.", field=field)
    return number
