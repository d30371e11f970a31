"""Definitions: what a producer may make of the game, checked whole before anything of it is kept.

A new definition and a changed one pass the same check, `_check`, which looks at the whole of it.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import singledispatch
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET

from tifo.engagement import leaderboards
from tifo.engagement.commands import (
    AddQuestRewards,
    AddQuestTask,
    AddRewardTableEntry,
    ApplyDefinitions,
    Archive,
    ChangeRewardTableEntry,
    CreateBadge,
    CreateProgram,
    CreateQuest,
    CreateRewardAction,
    CreateRewardItem,
    CreateRewardTable,
    DefinitionCommand,
    LinkRewardTable,
    NewEntry,
    NewProgression,
    NewQuestReward,
    RemoveQuestReward,
    RemoveQuestTask,
    RemoveRewardTableEntry,
    UnlinkRewardTable,
    UpdateApplication,
    UpdateBadge,
    UpdateProgram,
    UpdateQuest,
    UpdateQuestTask,
    UpdateRewardAction,
    UpdateRewardItem,
    UpdateRewardTable,
)
from tifo.engagement.model import (
    Application,
    Badge,
    BadgeProgression,
    Defined,
    Definition,
    Game,
    Leaderboard,
    Program,
    Quest,
    QuestReward,
    QuestTask,
    RateLimit,
    RewardAction,
    RewardItem,
    RewardLimit,
    RewardTable,
    RewardTableEntry,
    is_live,
)
from tifo.engagement.references import chosen_id, known
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
MAX_QUEST_BADGES = 5
"""LiveLike's."""
MAX_TIMEOUT = timedelta(days=3660)
"""Ten years: so that no run ends beyond what a date can tell. Ours."""
MAX_LIMIT = 1_000_000
"""Payments that a limit can allow. Ours."""


def define(game: Game, command: DefinitionCommand, now: datetime, new_id: NewId) -> Definition:
    """The new definition, or the one that takes the place of an older with its id.

    Raises `Rejected` for a value that cannot be, `NotFound` for an id that is none of this application's live ones,
    `Conflict` for a key that is taken, or for archiving what a live definition uses.
    """
    definition: Definition = _define(command, game, now, new_id)
    return definition if isinstance(command, Archive) else _check(definition, game)


def apply(game: Game, command: ApplyDefinitions, now: datetime, new_id: NewId) -> tuple[Game, tuple[Definition, ...]]:
    """The game with all of them, and what each made. Raises what `define` raises, with the command's number before."""
    if command.expected is not None and command.expected != digest(game):
        raise Conflict("The game has changed since these changes were planned. Plan them again.", field="expected")
    made: list[Definition] = []
    for number, each in enumerate(command.commands, 1):
        try:
            made.append(define(game, each, now, new_id))
        except Rejected as error:
            error.message = f"{type(each).__name__} (change {number}): {error.message}"
            raise
        game = game.with_(made[-1])
    return game, tuple(made)


def digest(game: Game) -> str:
    """The same for the same definitions, whichever process asks."""
    return hashlib.sha256(msgspec.json.encode((game.application, game.definitions))).hexdigest()


@singledispatch
def _define(command: Any, _game: Game, _now: datetime, _new_id: NewId) -> Definition:
    raise TypeError(f"{type(command).__name__} defines nothing")


@_define.register
def _(command: UpdateApplication, game: Game, _now: datetime, _new_id: NewId) -> Application:
    names = ("name", "automatic_quest_processing", "auto_claim_quest_rewards")
    given = {name: value for name in names if (value := getattr(command, name)) is not None}
    return msgspec.structs.replace(game.application, **given)


@_define.register
def _(command: CreateProgram, game: Game, now: datetime, new_id: NewId) -> Program:
    return Program(
        id=ProgramId(chosen_id(command.id, game, new_id)), name=command.name, key=command.key, created_at=now
    )


@_define.register
def _(command: UpdateProgram, game: Game, _now: datetime, _new_id: NewId) -> Program:
    return _changed(_program(game, command.program_id), command, "name", "key")


@_define.register
def _(command: CreateRewardItem, game: Game, now: datetime, new_id: NewId) -> RewardItem:
    return RewardItem(
        id=RewardItemId(chosen_id(command.id, game, new_id)),
        name=command.name,
        key=command.key,
        created_at=now,
        attributes=command.attributes,
    )


@_define.register
def _(command: UpdateRewardItem, game: Game, _now: datetime, _new_id: NewId) -> RewardItem:
    return _changed(_item(game, command.reward_item_id), command, "name", "key", "attributes")


@_define.register
def _(command: CreateRewardAction, game: Game, now: datetime, new_id: NewId) -> RewardAction:
    return RewardAction(
        id=RewardActionId(chosen_id(command.id, game, new_id)),
        key=command.key,
        name=command.name,
        created_at=now,
        description=command.description,
        type="custom" if command.trigger is None else "segment",
        trigger=None if command.trigger is None else check_trigger(game, command.trigger),
    )


@_define.register
def _(command: UpdateRewardAction, game: Game, _now: datetime, _new_id: NewId) -> RewardAction:
    action: RewardAction = known(game.actions_by_id, command.reward_action_id, "reward action", "reward_action_id")
    return _changed(action, command, "name", "description")


@_define.register
def _(command: CreateRewardTable, game: Game, now: datetime, new_id: NewId) -> RewardTable:
    return RewardTable(
        id=RewardTableId(chosen_id(command.id, game, new_id)),
        name=command.name,
        key=command.key,
        created_at=now,
        entries=tuple(_entry(entry, new_id) for entry in command.entries),
        program_ids=_once(command.program_ids or (game.application.default_program_id,)),
    )


@_define.register
def _(command: UpdateRewardTable, game: Game, _now: datetime, new_id: NewId) -> RewardTable:
    table = _changed(_table(game, command.reward_table_id), command, "name", "key")
    if command.entries is not UNSET:
        known = {entry.id for entry in table.entries}
        for entry in command.entries:
            if entry.id is not None and entry.id not in known:
                raise NotFound(f"Reward table {table.id} has no entry {entry.id!r:.100}.", field="entries")
        table = msgspec.structs.replace(table, entries=tuple(_entry(entry, new_id) for entry in command.entries))
    if command.program_ids is not UNSET:
        table = msgspec.structs.replace(table, program_ids=_once(command.program_ids))
    return table


@_define.register
def _(command: LinkRewardTable, game: Game, _now: datetime, _new_id: NewId) -> RewardTable:
    table = _table(game, command.reward_table_id)
    return msgspec.structs.replace(table, program_ids=_once((*table.program_ids, *command.program_ids)))


@_define.register
def _(command: UnlinkRewardTable, game: Game, _now: datetime, _new_id: NewId) -> RewardTable:
    table = _table(game, command.reward_table_id)
    if command.program_id not in table.program_ids:
        raise NotFound(f"The reward table is not linked to a program {command.program_id!r:.100}.", field="program_id")
    kept = tuple(program_id for program_id in table.program_ids if program_id != command.program_id)
    return msgspec.structs.replace(table, program_ids=kept)


@_define.register
def _(command: AddRewardTableEntry, game: Game, _now: datetime, new_id: NewId) -> RewardTable:
    table = _table(game, command.reward_table_id)
    return msgspec.structs.replace(table, entries=(*table.entries, _entry(command.entry, new_id)))


@_define.register
def _(command: ChangeRewardTableEntry, game: Game, _now: datetime, new_id: NewId) -> RewardTable:
    table = _table(game, command.reward_table_id)
    _entry_of(table, command.entry_id)
    changed = msgspec.structs.replace(_entry(command.entry, new_id), id=command.entry_id)
    entries = tuple(changed if entry.id == command.entry_id else entry for entry in table.entries)
    return msgspec.structs.replace(table, entries=entries)


@_define.register
def _(command: RemoveRewardTableEntry, game: Game, _now: datetime, _new_id: NewId) -> RewardTable:
    table = _table(game, command.reward_table_id)
    removed = _entry_of(table, command.entry_id)
    return msgspec.structs.replace(table, entries=tuple(entry for entry in table.entries if entry is not removed))


@_define.register
def _(command: CreateBadge, game: Game, now: datetime, new_id: NewId) -> Badge:
    return Badge(
        id=BadgeId(chosen_id(command.id, game, new_id)),
        name=command.name,
        key=command.key,
        created_at=now,
        description=command.description,
        image_url=command.image_url,
        progressions=_progressions(command.progressions),
        attributes=command.attributes,
    )


@_define.register
def _(command: UpdateBadge, game: Game, _now: datetime, _new_id: NewId) -> Badge:
    badge: Badge = known(game.badges, command.badge_id, "badge", "badge_id")
    badge = _changed(badge, command, "name", "key", "description", "image_url", "attributes")
    if command.progressions is not UNSET:
        badge = msgspec.structs.replace(badge, progressions=_progressions(command.progressions))
    return badge


@_define.register
def _(command: CreateQuest, game: Game, now: datetime, new_id: NewId) -> Quest:
    return Quest(
        id=QuestId(chosen_id(command.id, game, new_id)),
        name=command.name,
        key=command.key,
        created_at=now,
        description=command.description,
        started_at=command.started_at,
        stopped_at=command.stopped_at,
        timeout=command.timeout,
        badge_ids=_once(command.badge_ids),
        attributes=command.attributes,
    )


@_define.register
def _(command: UpdateQuest, game: Game, _now: datetime, new_id: NewId) -> Quest:
    names = ("name", "key", "description", "started_at", "stopped_at", "timeout", "attributes")
    quest = _changed(_quest(game, command.quest_id), command, *names)
    if command.badge_ids is not UNSET:
        quest = msgspec.structs.replace(quest, badge_ids=_once(command.badge_ids))
    if command.rewards is not UNSET:
        quest = msgspec.structs.replace(quest, rewards=_rewards(command.rewards, new_id))
    return quest


@_define.register
def _(command: AddQuestTask, game: Game, now: datetime, new_id: NewId) -> Quest:
    quest = _quest(game, command.quest_id)
    task = QuestTask(
        id=QuestTaskId(chosen_id(command.id, game, new_id)),
        name=command.name,
        key=command.key,
        created_at=now,
        description=command.description,
        target_value=_positive(command.target_value, "target_value"),
        default_progress_increment=_positive(command.default_progress_increment, "default_progress_increment"),
        reward_action_key=command.reward_action_key,
        attributes=command.attributes,
    )
    return msgspec.structs.replace(quest, tasks=(*quest.tasks, task))


@_define.register
def _(command: UpdateQuestTask, game: Game, _now: datetime, _new_id: NewId) -> Quest:
    quest, task = _task(game, command.quest_task_id)
    changed = _changed(task, command, "name", "key", "description", "reward_action_key", "attributes")
    for name in ("target_value", "default_progress_increment"):
        value = getattr(command, name)
        if value is not UNSET:
            changed = msgspec.structs.replace(changed, **{name: _positive(value, name)})
    return _with_task(quest, changed)


@_define.register
def _(command: RemoveQuestTask, game: Game, now: datetime, _new_id: NewId) -> Quest:
    quest, task = _task(game, command.quest_task_id)
    return _with_task(quest, msgspec.structs.replace(task, archived_at=now))


@_define.register
def _(command: AddQuestRewards, game: Game, _now: datetime, new_id: NewId) -> Quest:
    quest = _quest(game, command.quest_id)
    return msgspec.structs.replace(quest, rewards=(*quest.rewards, *_rewards(command.rewards, new_id)))


@_define.register
def _(command: RemoveQuestReward, game: Game, _now: datetime, _new_id: NewId) -> Quest:
    for quest in filter(is_live, game.quests.values()):
        kept = tuple(reward for reward in quest.rewards if reward.id != command.quest_reward_id)
        if len(kept) < len(quest.rewards):
            return msgspec.structs.replace(quest, rewards=kept)
    raise NotFound(f"There is no quest reward {command.quest_reward_id!r:.100} in this application.", field="id")


for _rule in (leaderboards.create, leaderboards.change):
    _define.register(_rule)


@_define.register
def _(command: Archive, game: Game, now: datetime, _new_id: NewId) -> Definition:
    definition: Any = _of_kind(game, command.kind).get(command.id)
    if definition is None:
        what = command.kind.replace("_", " ")
        raise NotFound(f"There is no {what} {command.id!r:.100} in this application.", field="id")
    if not is_live(definition):
        return definition  # type: ignore[no-any-return]  # of the kind that was asked for
    users = list(_users(game, definition))
    if users:
        raise Conflict(
            f"{definition.name!r} is used by {', '.join(users[:5])}{' and others' if len(users) > 5 else ''}."  # noqa: PLR2004 (enough to find them)
            " Take it out there first.",
            code="in_use",
        )
    return msgspec.structs.replace(definition, archived_at=now)  # type: ignore[no-any-return]  # likewise


def _of_kind(game: Game, kind: str) -> Mapping[Any, Any]:
    kinds: dict[str, Mapping[Any, Any]] = {
        "program": game.programs,
        "reward_item": game.reward_items,
        "reward_action": game.actions_by_id,
        "reward_table": game.reward_tables,
        "badge": game.badges,
        "quest": game.quests,
        "leaderboard": game.leaderboards,
    }
    return kinds[kind]


def _users(game: Game, used: Any) -> Iterator[str]:
    """What of the live game names it, in words."""
    if used.id == game.application.default_program_id:
        yield "the application, as its default program"
    for table in filter(is_live, game.reward_tables.values()):
        of_entries = {each for entry in table.entries for each in (entry.reward_item_id, entry.action_key)}
        if not of_entries.isdisjoint(_names(used)) or used.id in table.program_ids:
            yield f"the reward table {table.name!r}"
    for badge in filter(is_live, game.badges.values()):
        if any(progression.reward_item_id == used.id for progression in badge.progressions):
            yield f"the badge {badge.name!r}"
    for quest in filter(is_live, game.quests.values()):
        items = {reward.reward_item_id for reward in quest.rewards}
        actions = {task.reward_action_key for task in quest.tasks if is_live(task)}
        if used.id in items | set(quest.badge_ids) or not actions.isdisjoint(_names(used)):
            yield f"the quest {quest.name!r}"
    for board in game.leaderboards.values():
        if used.id in {board.reward_item_id, *board.program_ids}:
            yield f"the leaderboard {board.name!r}"


def _names(used: Any) -> set[str]:
    """By what entries and tasks name it: actions by key, all else by id."""
    return {used.key} if isinstance(used, RewardAction) else {used.id}


@singledispatch
def _check(definition: Any, _game: Game) -> Any:
    raise TypeError(f"{type(definition).__name__} is no definition")


@_check.register
def _(application: Application, _game: Game) -> Application:
    check_text(application.name, "name")
    return application


@_check.register
def _(board: Leaderboard, game: Game) -> Leaderboard:
    return _named(board, game.leaderboards)


@_check.register
def _(program: Program, game: Game) -> Program:
    return _named(program, game.programs)


@_check.register
def _(item: RewardItem, game: Game) -> RewardItem:
    return _named(item, game.reward_items)


@_check.register
def _(action: RewardAction, game: Game) -> RewardAction:
    other = game.reward_actions.get(action.key)
    if other is not None and is_live(other) and other.id != action.id:
        raise Conflict(f"A reward action with the key {action.key!r} exists. Choose another key.", field="key")
    check_text(action.key, "key")
    check_text(action.name, "name")
    return action


@_check.register
def _(table: RewardTable, game: Game) -> RewardTable:
    _few(table.entries, "entries")
    _few(table.program_ids, "program_ids")
    if len({entry.id for entry in table.entries}) < len(table.entries):
        raise Rejected("Two entries have the same id. Leave the id of new ones out.", field="entries")
    for program_id in table.program_ids:
        known(game.programs, program_id, "program", "program_ids")
    for entry in table.entries:
        _item(game, entry.reward_item_id)
        known(game.reward_actions, entry.action_key, "reward action", "action")
        check_amount(entry.reward_item_amount, "reward_item_amount")
        _check_limits(entry.rate_limit, entry.reward_limit)
    return _named(table, game.reward_tables)


@_check.register
def _(badge: Badge, game: Game) -> Badge:
    _few(badge.progressions, "progressions")
    for progression in badge.progressions:
        _item(game, progression.reward_item_id)
        check_amount(progression.reward_item_threshold, "reward_item_threshold")
    return _named(badge, game.badges)


@_check.register
def _(quest: Quest, game: Game) -> Quest:
    _check_times(quest)
    _few(quest.tasks, "tasks")
    _few(quest.rewards, "quest_rewards")
    if len(quest.badge_ids) > MAX_QUEST_BADGES:
        raise Rejected(f"Quest can't have more than {MAX_QUEST_BADGES} Badges", field="badge_ids")
    for badge_id in quest.badge_ids:
        known(game.badges, badge_id, "badge", "badge_ids")
    for reward in quest.rewards:
        _item(game, reward.reward_item_id)
        check_amount(reward.reward_item_amount, "reward_item_amount")
    tasks = {task.id: task for task in quest.tasks}
    for task in filter(is_live, quest.tasks):
        if task.reward_action_key is not None:
            known(game.reward_actions, task.reward_action_key, "reward action", "reward_action_key")
        _named(task, tasks)
    return _named(quest, game.quests)


def _check_times(quest: Quest) -> None:
    if quest.started_at and quest.stopped_at and quest.stopped_at <= quest.started_at:
        raise Rejected("stopped_at is not after started_at. Send a later one, or leave it out.", field="stopped_at")
    if quest.timeout is not None and quest.timeout.total_seconds() <= 0:
        raise Rejected("timeout is not longer than nothing. Send a duration such as PT1H.", field="timeout")
    if quest.timeout is not None and quest.timeout > MAX_TIMEOUT:
        raise Rejected(
            f"timeout is {quest.timeout.days} days. Send at most {MAX_TIMEOUT.days}, or leave it out for none.",
            field="timeout",
        )


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
        except (ValueError, KeyError, OSError) as exc:
            raise Rejected(
                f"{reward.timezone!r:.100} is no time zone. Send one such as Europe/Madrid.", field="reward_limit"
            ) from exc


N = TypeVar("N", bound=Defined)
S = TypeVar("S", bound=msgspec.Struct)


def _named(definition: N, others: Mapping[Any, Any]) -> N:
    """With a name, and a key that no other live one has."""
    check_text(definition.name, "name")
    if definition.key is not None:
        check_text(definition.key, "key")
        own_id = definition.id  # type: ignore[attr-defined]  # every kind has one, of its own type
        if any(o.key == definition.key and o.id != own_id and is_live(o) for o in others.values()):
            raise Conflict(f"The key {definition.key!r} is taken. Choose another key.", field="key")
    return definition


def _changed(definition: S, command: Any, *names: str) -> S:
    given = {name: value for name in names if (value := getattr(command, name)) is not UNSET}
    return msgspec.structs.replace(definition, **given)


def _entry(new: NewEntry, new_id: NewId) -> RewardTableEntry:
    return RewardTableEntry(
        id=new.id or RewardTableEntryId(new_id()),
        reward_item_id=new.reward_item_id,
        reward_item_amount=new.reward_item_amount,
        action_key=new.action_key,
        rate_limit=new.rate_limit,
        reward_limit=new.reward_limit,
    )


def _progressions(new: Iterable[NewProgression]) -> tuple[BadgeProgression, ...]:
    return tuple(
        BadgeProgression(reward_item_id=p.reward_item_id, reward_item_threshold=p.reward_item_threshold) for p in new
    )


def _rewards(new: Iterable[NewQuestReward], new_id: NewId) -> tuple[QuestReward, ...]:
    return tuple(
        QuestReward(
            id=QuestRewardId(new_id()), reward_item_id=r.reward_item_id, reward_item_amount=r.reward_item_amount
        )
        for r in new
    )


def _program(game: Game, program_id: ProgramId) -> Program:
    program: Program = known(game.programs, program_id, "program", "program_id")
    return program


def _item(game: Game, item_id: RewardItemId) -> RewardItem:
    item: RewardItem = known(game.reward_items, item_id, "reward item", "reward_item_id")
    return item


def _table(game: Game, table_id: RewardTableId) -> RewardTable:
    table: RewardTable = known(game.reward_tables, table_id, "reward table", "reward_table_id")
    return table


def _entry_of(table: RewardTable, entry_id: RewardTableEntryId) -> RewardTableEntry:
    for entry in table.entries:
        if entry.id == entry_id:
            return entry
    raise NotFound(f"Reward table {table.id} has no entry {entry_id!r:.100}.", field="entry_id")


def _quest(game: Game, quest_id: QuestId) -> Quest:
    quest: Quest = known(game.quests, quest_id, "quest", "quest_id")
    return quest


def _task(game: Game, task_id: QuestTaskId) -> tuple[Quest, QuestTask]:
    quest_id = game.quest_of_task.get(task_id)
    task = None
    if quest_id is not None:
        task = next(each for each in game.quests[quest_id].tasks if each.id == task_id)
    if quest_id is None or task is None or not is_live(task):
        raise NotFound(f"There is no quest task {task_id!r:.100} in this application.", field="quest_task_id")
    return _quest(game, quest_id), task


def _with_task(quest: Quest, task: QuestTask) -> Quest:
    return msgspec.structs.replace(quest, tasks=tuple(task if each.id == task.id else each for each in quest.tasks))


T = TypeVar("T")


def _once(ids: Iterable[T]) -> tuple[T, ...]:
    """Each once: a table that is linked twice to a program would pay twice."""
    return tuple(dict.fromkeys(ids))


def _few(parts: tuple[Any, ...], field: str) -> None:
    if len(parts) > MAX_PARTS:
        raise Rejected(f"{field} has {len(parts):,} parts; at most {MAX_PARTS:,} are taken.", field=field)


def _positive(value: Decimal, field: str) -> Decimal:
    if (number := check_decimal(value, field)) <= 0:
        raise Rejected(f"{field} is {decimal_text(number)}. Send a number above 0.", field=field)
    return number
