"""The rules of an application as text: planned, applied whole or not at all, exported, and previewed on past play."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tifo.documents.changes import Change
from tifo.documents.write import write
from tifo.engagement import definitions
from tifo.engagement.commands import ApplyDefinitions, DefinitionCommand
from tifo.engagement.definitions import digest
from tifo.engagement.model import Game, SegmentTrigger
from tifo.engagement.replay import RulesReplay, Tally
from tifo.engagement.text.build import build
from tifo.engagement.text.describe import describe
from tifo.engagement.text.document import Document
from tifo.engagement.text.keys import Keys
from tifo.engagement.text.plan import changes
from tifo.engagement.text.read import load
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import ClientId
from tifo.kernel.naming import MAX_LISTED
from tifo.operations import applications, sources
from tifo.operations.backend import Backend
from tifo.workspace.rules import check_no_circle

MAX_CHANGES = 2_000
"""Ours: the engine decides on nothing else while it applies them, some ten seconds for so many."""


@dataclass(frozen=True)
class PlannedGame:
    """Holds the changes that applying a file makes, and the game before and after."""

    before: Game
    after: Game
    changes: tuple[Change, ...]
    command: ApplyDefinitions


class NowAndWould(NamedTuple):
    """A count as it is, and as it would be by other rules."""

    now: int
    would: int


@dataclass(frozen=True)
class PreviewedItem:
    key: str
    fans: NowAndWould
    """Fans who earned any of it by the rules."""
    total: NowAndWould


@dataclass(frozen=True)
class PreviewedBadge:
    key: str
    fans: NowAndWould


@dataclass(frozen=True)
class PreviewedQuest:
    key: str
    started: NowAndWould
    completed: NowAndWould


@dataclass(frozen=True)
class NotReplayed:
    """Recorded play that other rules could not take."""

    what: str
    count: int


@dataclass(frozen=True, kw_only=True)
class GamePreview:
    """Compares what fans earned with what they would have earned by other rules."""

    client_id: ClientId
    fans: int
    actions: int
    reward_items: Sequence[PreviewedItem]
    badges: Sequence[PreviewedBadge]
    quests: Sequence[PreviewedQuest]
    left_out: Sequence[NotReplayed]
    """The most frequent first."""


def plan(backend: Backend, text: str, *, file: str, application: str | None = None, prune: bool = False) -> PlannedGame:
    """Plans the changes that make the rules what the text says. Changes nothing.

    `application` is a client id, and may be left out where there is only one. `prune` archives what the text does not
    name; `file` names the text in messages. Raises `Rejected` with everything that is wrong with the text, or what the
    rules of definitions refuse of it.
    """
    game = _game(backend, application)
    slugs = sources.slugs(backend)
    now = describe(game, slugs)
    wanted = load(text, file, {**Keys(game).known(prune=prune), "sources": {*slugs.values(), *_sources_named(now)}})
    made = changes(now, wanted, prune=prune)
    if len(made) > MAX_CHANGES:
        raise Rejected(
            f"{file} makes {len(made):,} changes; at most {MAX_CHANGES:,} are made at once."
            " Nobody can play meanwhile. Split it: a file may refer to what an earlier one made.",
            field="file",
        )
    commands = build(game, wanted, made, backend.new_id, slugs)
    command = ApplyDefinitions(client_id=game.application.id, commands=commands, expected=digest(game))
    after, _ = definitions.apply(game, command, backend.clock(), backend.new_id)
    _check_triggers(backend, commands)
    return PlannedGame(game, after, made, command)


def apply(backend: Backend, planned: PlannedGame) -> None:
    """Applies all changes or none. Raises `Conflict` where the game is no longer the one that was planned for.

    Runs an event loop of its own: call it from a thread that has none.
    """

    async def handle() -> None:
        async with backend.open_engine() as engine:
            await engine.handle(planned.command)

    asyncio.run(handle())


def export(backend: Backend, application: str | None = None) -> str:
    """Returns the rules as YAML: applying it changes nothing."""
    return write(describe(_game(backend, application), sources.slugs(backend)))


def preview(
    backend: Backend, planned: PlannedGame, advance: Callable[[int, int], None] = lambda _, __: None
) -> GamePreview:
    """Plays all recorded actions by the planned rules. Writes nothing.

    `advance` is called with the number of actions that were played so far, and of all actions.
    """
    before, after = planned.before, planned.after
    client_id = before.application.id
    replay = RulesReplay(after, new_quests=frozenset(after.quests.keys() - before.quests.keys()))
    total, played = backend.recorded.count_actions(client_id), 0
    for group in backend.recorded.groups(client_id):
        replay.play(group)
        played += sum(len(each.actions) for each in group)
        advance(played, total)
    rows = _Comparison(before, after, backend.recorded.earned(client_id), replay.tally)
    return GamePreview(
        client_id=client_id,
        fans=replay.tally.fans,
        actions=played,
        reward_items=rows.reward_items(),
        badges=rows.badges(),
        quests=rows.quests(),
        left_out=[NotReplayed(*each) for each in replay.tally.left_out.most_common()],
    )


class _Comparison:
    """Compares what fans have earned with what they would have, for definitions of both games."""

    def __init__(self, old: Game, new: Game, now: Tally, would: Tally) -> None:
        self._old, self._new = Keys(old), Keys(new)
        self._now, self._would = now, would

    def reward_items(self) -> Sequence[PreviewedItem]:
        fans = _pairs(self._now.item_fans, self._would.item_fans)
        totals = _pairs(self._now.item_totals, self._would.item_totals)
        return [PreviewedItem(key, fans(each), totals(each)) for each, key in self._keys("reward_items").items()]

    def badges(self) -> Sequence[PreviewedBadge]:
        fans = _pairs(self._now.badges, self._would.badges)
        return [PreviewedBadge(key, fans(each)) for each, key in self._keys("badges").items()]

    def quests(self) -> Sequence[PreviewedQuest]:
        started = _pairs(self._now.started, self._would.started)
        completed = _pairs(self._now.completed, self._would.completed)
        return [PreviewedQuest(key, started(each), completed(each)) for each, key in self._keys("quests").items()]

    def _keys(self, section: str) -> Mapping[str, str]:
        """Returns keys by id: those of the old game first. A definition of both has its old key."""
        keys = {**self._new.of, **self._old.of}
        return {each: keys[each] for each in [*self._old.ids(section), *self._new.ids(section)]}


def _pairs(now: Mapping[Any, int], would: Mapping[Any, int]) -> Callable[[str], NowAndWould]:
    return lambda each: NowAndWould(now[each], would[each])


def _sources_named(document: Document) -> Collection[str]:
    """Returns the sources that the rules name already, also those that are deleted."""
    return {each.segment.source for each in document.reward_actions.values() if each.segment is not None}


def _check_triggers(backend: Backend, commands: Sequence[DefinitionCommand]) -> None:
    known = {source.id: source for source in backend.catalog.sources()}
    for command in commands:
        trigger = getattr(command, "trigger", None)
        if isinstance(trigger, SegmentTrigger) and trigger.source_id in known:
            check_no_circle(command.client_id, known[trigger.source_id], backend.catalog.connections())


def _game(backend: Backend, application: str | None) -> Game:
    if application is not None:
        return backend.queries.game(applications.find(backend, application).id)
    known = applications.listed(backend)
    if len(known) == 1:
        return backend.queries.game(known[0].id)
    if not known:
        raise Rejected("There is no application. Make one with tifo app create NAME.", field="app")
    listed = ", ".join(map(applications.in_words, known[:MAX_LISTED]))
    raise Rejected(f"There are {len(known):,} applications. Name one by --app: {listed}.", field="app")
