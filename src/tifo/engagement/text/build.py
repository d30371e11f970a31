"""Builds the commands that a plan needs. Definitions that exist keep their ids, so fans keep what they have of them."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from tifo.documents.changes import Change, Verb
from tifo.engagement import commands as c
from tifo.engagement.model import Game, Leaderboard, Quest, RewardTable, is_live
from tifo.engagement.text.describe import describe
from tifo.engagement.text.document import (
    ActionText,
    BadgeText,
    Document,
    ItemText,
    LeaderboardText,
    ProgramText,
    QuestText,
    TableText,
    TaskText,
)
from tifo.engagement.text.fields import CommandFields, attributes, task_fields
from tifo.engagement.text.keys import Keys
from tifo.engagement.text.plan import pairs
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import NewId, SourceId


def build(
    game: Game,
    wanted: Document,
    planned: Iterable[Change],
    new_id: NewId,
    slugs: Mapping[SourceId, str] = MappingProxyType({}),
) -> tuple[c.DefinitionCommand, ...]:
    """Returns the commands that bring the planned changes about. Each refers to definitions of earlier ones only."""
    builder = _Builder(game, wanted, new_id, slugs)
    return tuple(command for change in planned for command in builder.commands(change))


class _Builder:
    """Builds commands by two methods a section, which are named after it.

    `_create_…` gets the fields that every definition is made with; `_change_…` those that every change has, the
    definition as it is, and its text.
    """

    def __init__(self, game: Game, wanted: Document, new_id: NewId, slugs: Mapping[SourceId, str]) -> None:
        self._client: dict[str, Any] = {"client_id": game.application.id}
        self._wanted = wanted
        self._new_id = new_id
        self._there = describe(game, slugs)
        self._old: dict[str, dict[str, Any]] = Keys(game).named
        ids = {(section, key): each.id for section, named in self._old.items() for key, each in named.items()}
        ids |= {("sources", slug): source_id for source_id, slug in slugs.items()}
        self._fields = CommandFields(ids, new_id)

    def commands(self, change: Change) -> Iterable[Any]:
        section, key = change.section, change.key
        if section == "application":
            return [c.UpdateApplication(**self._client, **self._wanted.application.written_fields())]
        if change.verb is Verb.ARCHIVE:
            # A section is named after its kind: `reward_tables` holds each `reward_table`.
            kind: Any = section.removesuffix("s")
            return [c.Archive(**self._client, kind=kind, id=self._fields.id_of(section, key))]
        text = getattr(self._wanted, section)[key]
        common = {**self._client, "name": text.name}
        if change.verb is Verb.CREATE:
            made = {**common, "key": key, "id": self._fields.id_of(section, key)}
            return list(getattr(self, f"_create_{section}")(text, made))
        old, now = self._old[section][key], getattr(self._there, section)[key]
        return list(getattr(self, f"_change_{section}")(text, common, old, now))

    def _create_programs(self, _text: ProgramText, made: Any) -> Iterator[Any]:
        yield c.CreateProgram(**made)

    def _change_programs(self, _text: ProgramText, common: Any, old: Any, _now: Any) -> Iterator[Any]:
        yield c.UpdateProgram(**common, program_id=old.id)

    def _create_reward_items(self, text: ItemText, made: Any) -> Iterator[Any]:
        yield c.CreateRewardItem(**made, attributes=attributes(text.attributes))

    def _change_reward_items(self, text: ItemText, common: Any, old: Any, _now: Any) -> Iterator[Any]:
        yield c.UpdateRewardItem(**common, reward_item_id=old.id, attributes=attributes(text.attributes))

    def _create_reward_actions(self, text: ActionText, made: Any) -> Iterator[Any]:
        yield c.CreateRewardAction(**made, **self._fields.action(text))

    def _change_reward_actions(self, text: ActionText, common: Any, old: Any, _now: Any) -> Iterator[Any]:
        yield c.UpdateRewardAction(**common, reward_action_id=old.id, **self._fields.action(text))

    def _create_reward_tables(self, text: TableText, made: Any) -> Iterator[Any]:
        entries = tuple(self._fields.entry(each, None) for each in text.entries)
        yield c.CreateRewardTable(**made, entries=entries, program_ids=self._fields.program_ids(text))
        if not text.programs:  # the engine links it to the default program where none is given
            yield c.UpdateRewardTable(**self._client, reward_table_id=made["id"], program_ids=())

    def _change_reward_tables(self, text: TableText, common: Any, old: RewardTable, now: TableText) -> Iterator[Any]:
        entries = tuple(
            self._fields.entry(each, None if place is None else old.entries[place].id)
            for each, place in zip(text.entries, pairs(now.entries, text.entries), strict=True)
        )
        yield c.UpdateRewardTable(
            **common, reward_table_id=old.id, entries=entries, program_ids=self._fields.program_ids(text)
        )

    def _create_badges(self, text: BadgeText, made: Any) -> Iterator[Any]:
        yield c.CreateBadge(**made, **self._fields.badge(text))

    def _change_badges(self, text: BadgeText, common: Any, old: Any, _now: Any) -> Iterator[Any]:
        yield c.UpdateBadge(**common, badge_id=old.id, **self._fields.badge(text))

    def _create_quests(self, text: QuestText, made: Any) -> Iterator[Any]:
        yield c.CreateQuest(**made, **self._fields.quest(text))
        # The engine has no command that makes a quest with its tasks.
        yield from (self._new_task(made["id"], task) for task in text.tasks)
        if text.rewards:
            yield c.AddQuestRewards(**self._client, quest_id=made["id"], rewards=self._fields.quest_rewards(text))

    def _change_quests(self, text: QuestText, common: Any, old: Quest, now: QuestText) -> Iterator[Any]:
        # Rewards are replaced as a whole, with new ids: unchanged ones are not sent, so that they keep theirs.
        rewards: dict[str, Any] = {} if now.rewards == text.rewards else {"rewards": self._fields.quest_rewards(text)}
        yield c.UpdateQuest(**common, quest_id=old.id, **self._fields.quest(text), **rewards)
        tasks = [task for task in old.tasks if is_live(task)]
        continued = pairs(now.tasks, text.tasks)
        for place, task in enumerate(tasks):
            if place not in continued:
                yield c.RemoveQuestTask(**self._client, quest_task_id=task.id)
        for at, task_text in zip(continued, text.tasks, strict=True):
            if at is None:
                yield self._new_task(old.id, task_text)
            elif now.tasks[at] != task_text:
                yield c.UpdateQuestTask(**self._client, quest_task_id=tasks[at].id, **task_fields(task_text))

    def _create_leaderboards(self, text: LeaderboardText, made: Any) -> Iterator[Any]:
        yield c.CreateLeaderboard(
            **made, reward_item_id=self._fields.item_id(text.item), **self._fields.leaderboard(text)
        )
        if not text.programs:  # the engine links it to the default program where none is given
            yield c.UpdateLeaderboard(**self._client, leaderboard_id=made["id"], program_ids=())

    def _change_leaderboards(
        self, text: LeaderboardText, common: Any, old: Leaderboard, now: LeaderboardText
    ) -> Iterator[Any]:
        if text.item != now.item or (text.custom_id is None and now.custom_id is not None):
            field = "item" if text.item != now.item else "custom_id"
            raise Rejected(
                f"The leaderboard {text.name!r} has the {field} {getattr(now, field)!r} for good."
                " Keep it, or give the leaderboard another key: then it is a new one.",
                field=field,
            )
        yield c.UpdateLeaderboard(**common, leaderboard_id=old.id, **self._fields.leaderboard(text))

    def _new_task(self, quest_id: Any, text: TaskText) -> c.AddQuestTask:
        return c.AddQuestTask(**self._client, quest_id=quest_id, id=self._new_id(), **task_fields(text))
