"""Checks and changes that several kinds of definition share."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET

from tifo.engagement.model import Defined, Game, is_live
from tifo.engagement.references import chosen_id
from tifo.engagement.values import check_text
from tifo.kernel.errors import Conflict, Rejected
from tifo.kernel.ids import NewId

MAX_PARTS = 1_000
"""Entries or programs of a table, tasks or rewards of a quest, progressions of a badge. Our limit."""

N = TypeVar("N", bound=Defined)
S = TypeVar("S", bound=msgspec.Struct)
T = TypeVar("T")


class DefinitionContext(NamedTuple):
    """Carries the game before the command, the time and the maker of ids to the command's handler."""

    game: Game
    now: datetime
    new_id: NewId

    def id(self, chosen: str | None) -> str:
        """Returns the id that the caller chose, or a new one. Raises `Conflict` if a definition has it."""
        return chosen_id(chosen, self.game, self.new_id)


def changed(definition: S, command: Any, *names: str) -> S:
    """Returns the definition with those of the command's fields that were sent."""
    given = {name: value for name in names if (value := getattr(command, name)) is not UNSET}
    return msgspec.structs.replace(definition, **given)


def check_named(definition: N, others: Mapping[Any, Any]) -> N:
    """Checks the name, and that no other live one of `others` has the key."""
    check_text(definition.name, "name")
    if definition.key is not None:
        check_text(definition.key, "key")
        own_id = definition.id  # type: ignore[attr-defined]  # every kind has one, of its own type
        if any(o.key == definition.key and o.id != own_id and is_live(o) for o in others.values()):
            raise Conflict(f"The key {definition.key!r} is in use. Choose another key.", field="key")
    return definition


def check_few(parts: tuple[Any, ...], field: str) -> None:
    if len(parts) > MAX_PARTS:
        raise Rejected(f"{field} has {len(parts):,} parts; at most {MAX_PARTS:,} are accepted.", field=field)


def distinct(ids: Iterable[T]) -> tuple[T, ...]:
    """Returns each id once, in order."""
    # A table that is linked twice to a program would pay twice.
    return tuple(dict.fromkeys(ids))
