"""References between definitions: finds the live definition that an id or a key names."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from tifo.engagement.model import Game, RewardItem, is_live
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import NewId, RewardItemId


def known(things: Mapping[Any, Any], key: str, what: str, field: str) -> Any:
    """Returns the live definition with this key. Raises `NotFound` if it is archived or not the application's."""
    if key not in things or not is_live(things[key]):
        raise NotFound(f"There is no {what} {key!r:.100} in this application.", field=field)
    return things[key]


def known_item(game: Game, item_id: RewardItemId) -> RewardItem:
    item: RewardItem = known(game.reward_items, item_id, "reward item", "reward_item_id")
    return item


def chosen_id(chosen: str | None, game: Game, new_id: NewId) -> str:
    """Returns the id that the caller chose, or a new one. Raises `Conflict` if a definition or a task has it."""
    if chosen is None:
        return new_id()
    try:
        made = str(UUID(chosen))  # so that an id has one spelling
    except ValueError as exc:
        raise Rejected(f"{chosen!r:.100} is no UUID. Send one, or leave the id out.", field="id") from exc
    # Tasks are parts of quests, but are found by their id alone: no definition may share it.
    if made in game.quest_of_task or any(definition.id == made for definition in game.definitions):
        raise Conflict(f"A definition with the id {made!r} exists. Choose another id.", field="id")
    return made
