"""Gives each definition its key in text: its own, or one made of its name where it has none."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from tifo.engagement.model import Game, Program, is_live
from tifo.engagement.text.document import SECTIONS
from tifo.engagement.values import MAX_TEXT

DEFAULT_PROGRAM = "default"
"""Key of the default program. Every application has one, so files may refer to it without naming it."""


class Keys:
    """The keys of a game: `of` by a definition's id, `named` the definitions of a section by key, oldest first."""

    def __init__(self, game: Game) -> None:
        self.of: dict[str, str] = {}
        self.named: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
        for section, definitions in _sections(game).items():
            self._name(section, [each for each in definitions if is_live(each)], game)

    def ids(self, section: str) -> list[str]:
        return [each.id for each in self.named[section].values()]

    def known(self, *, prune: bool) -> dict[str, set[str]]:
        """Returns the keys that a file may refer to without naming them. Pruning leaves only the default program."""
        if prune:
            return {"programs": {DEFAULT_PROGRAM}}
        return {section: set(named) for section, named in self.named.items()}

    def _name(self, section: str, definitions: list[Any], game: Game) -> None:
        # Own keys first: a key that is made of a name must not be one that a later definition has.
        own = {each.id: key for each in definitions if (key := _own_key(each, game)) is not None}
        used = set(own.values())
        for each in definitions:
            key = own.get(each.id) or _free(_slug(each.name) or SECTIONS[section].replace(" ", "-"), used)
            used.add(key)
            self.of[each.id] = key
            self.named[section][key] = each


def _sections(game: Game) -> dict[str, Iterable[Any]]:
    return {
        "programs": game.programs.values(),
        "reward_items": game.reward_items.values(),
        "reward_actions": game.actions_by_id.values(),
        "reward_tables": game.reward_tables.values(),
        "badges": game.badges.values(),
        "quests": game.quests.values(),
        "leaderboards": game.leaderboards.values(),
    }


def _own_key(definition: Any, game: Game) -> str | None:
    if definition.id == game.application.default_program_id:
        return DEFAULT_PROGRAM
    key: str | None = definition.key
    # In a file `default` means the default program, so another program of that key gets one made of its name.
    return None if isinstance(definition, Program) and key == DEFAULT_PROGRAM else key


def _slug(name: str) -> str:
    """Makes a key of letters of any script, digits and hyphens, with room for a number behind it."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"[\W_]+", "-", folded).strip("-")[: MAX_TEXT - 10]


def _free(wanted: str, used: set[str]) -> str:
    key, number = wanted, 2
    while key in used:
        key, number = f"{wanted}-{number}", number + 1
    return key
