"""A document's definitions made, or put in the place of those that they change: ids are kept, so fans' state holds."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from tifo.engagement.model import (
    Application,
    Attribute,
    Attributes,
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
from tifo.engagement.text.describe import describe
from tifo.engagement.text.document import (
    ActionText,
    AttributeText,
    BadgeText,
    Document,
    EntryText,
    ItemText,
    QuestText,
    RewardText,
    TableText,
    TaskText,
)
from tifo.engagement.text.keys import Keys
from tifo.engagement.text.plan import Change, Verb, pairs
from tifo.kernel.ids import NewId

Make = Callable[[Any, Any], Any]


def build(game: Game, wanted: Document, made: Iterable[Change], now: datetime, new_id: NewId) -> tuple[Definition, ...]:
    """The definitions that `made` creates or changes, as they are afterwards. `made` comes from these two documents."""
    builder = _Builder(game, wanted, now, new_id)
    return tuple(builder.definition(each) for each in made if each.verb is not Verb.ARCHIVE)


def rewritten(game: Game, wanted: Document, made: Sequence[Change], now: datetime, new_id: NewId) -> Game:
    """The game as it is after `made`."""
    for definition in build(game, wanted, made, now, new_id):
        game = game.with_(definition)
    return game


class _Builder:
    """One method a section, named after it."""

    def __init__(self, game: Game, wanted: Document, now: datetime, new_id: NewId) -> None:
        self._game, self._wanted = game, wanted
        self._now, self._new_id = now, new_id
        self._there = describe(game)
        self._old = Keys(game).named
        self._ids: dict[tuple[str, str], Any] = {
            (section, key): each.id for section, named in self._old.items() for key, each in named.items()
        }

    def definition(self, change: Change) -> Definition:
        section, key = change.section, change.key
        if section == "application":
            return self._application()
        old = self._old[section].get(key)
        text = getattr(self._wanted, section)[key]
        fields = getattr(self, section)(text, old, getattr(self._there, section).get(key))
        if old is None:
            kind = _KINDS[section]
            fields = {"id": self._id(section, key), "created_at": self._now, **fields}
            fields |= {"key": key} if "key" in kind.__struct_fields__ else {}
        definition: Definition = _put(old, _KINDS[section], name=text.name, **fields)
        return definition

    def programs(self, _text: Any, _old: Any, _said: Any) -> dict[str, Any]:
        return {}

    def reward_items(self, text: ItemText, _old: Any, _said: Any) -> dict[str, Any]:
        return {"attributes": _attributes(text.attributes)}

    def reward_actions(self, text: ActionText, _old: Any, _said: Any) -> dict[str, Any]:
        return {"description": text.description}

    def reward_tables(self, text: TableText, old: RewardTable | None, said: TableText | None) -> dict[str, Any]:
        return {
            "program_ids": tuple(self._id("programs", key) for key in dict.fromkeys(text.programs)),
            "entries": self._parts(text.entries, said.entries if said else (), old.entries if old else (), self._entry),
        }

    def badges(self, text: BadgeText, _old: Any, _said: Any) -> dict[str, Any]:
        progressions = (
            BadgeProgression(reward_item_id=self._item(each.item), reward_item_threshold=each.threshold)
            for each in text.progressions
        )
        return {
            "description": text.description,
            "image_url": text.image_url,
            "progressions": tuple(progressions),
            "attributes": _attributes(text.attributes),
        }

    def quests(self, text: QuestText, old: Quest | None, said: QuestText | None) -> dict[str, Any]:
        return {
            "description": text.description,
            "started_at": text.started_at,
            "stopped_at": text.stopped_at,
            "timeout": text.timeout,
            "tasks": self._parts(text.tasks, said.tasks if said else (), old.tasks if old else (), self._task),
            "rewards": self._parts(
                text.rewards, said.rewards if said else (), old.rewards if old else (), self._reward
            ),
            "attributes": _attributes(text.attributes),
        }

    def _parts(self, texts: Sequence[Any], said: Sequence[Any], old: Sequence[Any], make: Make) -> tuple[Any, ...]:
        """Each new part, in the place of the old one that it continues. `said` is how the old ones read as text."""
        return tuple(
            make(text, None if place is None else old[place])
            for text, place in zip(texts, pairs(said, texts), strict=True)
        )

    def _entry(self, text: EntryText, old: RewardTableEntry | None) -> Any:
        fields = {
            "reward_item_id": self._item(text.item),
            "reward_item_amount": text.amount,
            "action_key": text.action,
        }
        return self._part(old, RewardTableEntry, fields)

    def _task(self, text: TaskText, old: QuestTask | None) -> Any:
        fields: dict[str, Any] = {
            "name": text.name,
            "description": text.description,
            "target_value": text.target,
            "default_progress_increment": text.increment,
            "reward_action_key": text.action,
            "attributes": _attributes(text.attributes),
        }
        if old is None:
            fields["created_at"] = self._now
        return self._part(old, QuestTask, fields)

    def _reward(self, text: RewardText, old: QuestReward | None) -> Any:
        return self._part(
            old, QuestReward, {"reward_item_id": self._item(text.item), "reward_item_amount": text.amount}
        )

    def _part(self, old: Any, kind: Any, fields: dict[str, Any]) -> Any:
        return _put(old, kind, **({"id": self._new_id()} if old is None else {}), **fields)

    def _application(self) -> Application:
        return replace(self._game.application, **self._wanted.application.said())

    def _id(self, section: str, key: str) -> Any:
        """An existing definition's, or the one that its making gives it."""
        if (section, key) not in self._ids:
            self._ids[section, key] = self._new_id()
        return self._ids[section, key]

    def _item(self, key: str) -> Any:
        return self._id("reward_items", key)


def _put(old: Any, kind: Any, **fields: Any) -> Any:
    """What the format does not say of an old one stays."""
    return kind(**fields) if old is None else replace(old, **fields)


def _attributes(texts: Iterable[AttributeText]) -> Attributes:
    return tuple(Attribute(each.key, each.value) for each in texts)


_KINDS: dict[str, Any] = {
    "programs": Program,
    "reward_items": RewardItem,
    "reward_actions": RewardAction,
    "reward_tables": RewardTable,
    "badges": Badge,
    "quests": Quest,
}
