"""Archives definitions: removes them from play while what fans have of them stays readable."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from tifo.engagement.commands import Archive
from tifo.engagement.definitions.shared import DefinitionContext
from tifo.engagement.model import Definition, Game, RewardAction, is_live
from tifo.kernel.errors import Conflict, NotFound

_SHOWN = 5
"""Users named in a refusal: enough to find them."""


def archive(context: DefinitionContext, command: Archive) -> Definition:
    game = context.game
    definition: Any = _of_kind(game, command.kind).get(command.id)
    if definition is None:
        what = command.kind.replace("_", " ")
        raise NotFound(f"There is no {what} {command.id!r:.100} in this application.", field="id")
    # A repeated DELETE answers like the first one.
    if not is_live(definition):
        return definition  # type: ignore[no-any-return]  # of the kind that was asked for
    # A live definition would go on to pay or award what no list shows any more.
    users = list(_users(game, definition))
    if users:
        raise Conflict(
            f"{definition.name!r} is used by {', '.join(users[:_SHOWN])}"
            f"{' and others' if len(users) > _SHOWN else ''}. Remove it there first.",
            code="in_use",
        )
    return replace(definition, archived_at=context.now)  # type: ignore[no-any-return]  # likewise


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
    """Describes each live definition that refers to `used`."""
    for table in filter(is_live, game.reward_tables.values()):
        of_entries = {each for entry in table.entries for each in (entry.reward_item_id, entry.action_key)}
        if _reference(used) in of_entries or used.id in table.program_ids:
            yield f"the reward table {table.name!r}"
    for badge in filter(is_live, game.badges.values()):
        if any(progression.reward_item_id == used.id for progression in badge.progressions):
            yield f"the badge {badge.name!r}"
    for quest in filter(is_live, game.quests.values()):
        items = {reward.reward_item_id for reward in quest.rewards}
        actions = {task.reward_action_key for task in quest.tasks if is_live(task)}
        if used.id in items | set(quest.badge_ids) or _reference(used) in actions:
            yield f"the quest {quest.name!r}"
    yield from _users_of_programs(game, used)
    # The game's leaderboards are live ones only.
    for board in game.leaderboards.values():
        if used.id in {board.reward_item_id, *board.program_ids}:
            yield f"the leaderboard {board.name!r}"


def _users_of_programs(game: Game, used: Any) -> Iterator[str]:
    if used.id == game.application.default_program_id:
        yield "the application, as its default program"
    for action in filter(is_live, game.actions_by_id.values()):
        if action.trigger is not None and action.trigger.program_id == used.id:
            yield f"the reward action {action.name!r}"


def _reference(used: Any) -> str:
    """Entries and tasks refer to an action by its key, and to every other definition by its id."""
    return str(used.key if isinstance(used, RewardAction) else used.id)
