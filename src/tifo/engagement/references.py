"""How definitions name one another: by the ids of live ones."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from tifo.engagement.model import Game, is_live
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import NewId


def known(things: Mapping[Any, Any], key: str, what: str, field: str) -> Any:
    """The live one. `NotFound` for what is archived or is none of the application's."""
    if key not in things or not is_live(things[key]):
        raise NotFound(f"There is no {what} {key!r:.100} in this application.", field=field)
    return things[key]


def chosen_id(chosen: str | None, game: Game, new_id: NewId) -> str:
    """The id that the caller chose, or a new one. 409 where a definition or a task has it."""
    if chosen is None:
        return new_id()
    try:
        made = str(UUID(chosen))
    except ValueError as exc:
        raise Rejected(f"{chosen!r:.100} is no UUID.", field="id") from exc
    if made in game.quest_of_task or any(definition.id == made for definition in game.definitions):
        raise Conflict(f"There is a definition with the id {made!r} already.", field="id")
    return made
