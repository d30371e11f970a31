"""Rules as text: what `tifo game` does, on the parts that `compose.py` makes. Works whether or not `tifo up` runs."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tifo.app import compose
from tifo.app.cli import text_plan as plans
from tifo.app.settings import Settings
from tifo.documents.changes import Change, Verb
from tifo.documents.tree import MAX_BYTES
from tifo.documents.write import write
from tifo.engagement import definitions
from tifo.engagement.commands import ApplyDefinitions
from tifo.engagement.definitions import digest
from tifo.engagement.model import Game
from tifo.engagement.replay import RulesReplay, Tally
from tifo.engagement.text.build import build
from tifo.engagement.text.describe import describe
from tifo.engagement.text.document import Document
from tifo.engagement.text.keys import Keys
from tifo.engagement.text.plan import changes
from tifo.engagement.text.read import load
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import ClientId, uuid7
from tifo.store.engagement.engine import SqlEngine
from tifo.store.engagement.queries import SqlQueries
from tifo.store.engagement.recorded import SqlRecorded, client_ids
from tifo.store.sql.database import Database

MAX_CHANGES = 2_000
"""Ours: so many hold the state for some ten seconds."""


class Planned(NamedTuple):
    """What applying a file does, and the game before and after."""

    before: Game
    after: Game
    changes: tuple[Change, ...]
    command: ApplyDefinitions

    def as_data(self) -> dict[str, Any]:
        return {"client_id": self.before.application.id, "changes": plans.as_data(self.changes)}

    def as_lines(self) -> list[str]:
        return plans.as_lines(self.changes, removal=Verb.ARCHIVE)


def plan(settings: Settings, file: Path, app: str | None, *, prune: bool) -> Planned:
    """Raises `Rejected` with everything that is wrong with the file, or what the rules of definitions refuse of it."""
    game = _game(compose.open_state(settings), app)
    wanted = _load(file, game, prune=prune)
    made = changes(describe(game), wanted, prune=prune)
    if len(made) > MAX_CHANGES:
        raise Rejected(
            f"{file} makes {len(made):,} changes; at most {MAX_CHANGES:,} are made at once."
            " Nobody can play meanwhile. Split it: a file may refer to what an earlier one made.",
            field="file",
        )
    command = ApplyDefinitions(
        client_id=game.application.id, commands=build(game, wanted, made, uuid7), expected=digest(game)
    )
    after, _ = definitions.apply(game, command, system_clock(), uuid7)
    return Planned(game, after, made, command)


def apply(settings: Settings, planned: Planned) -> None:
    """All of it, or nothing: raises `Conflict` where the game is no longer the one that was planned for."""

    async def handle() -> None:
        engine = SqlEngine(compose.open_state(settings), system_clock, uuid7)
        try:
            await engine.handle(planned.command)
        finally:
            await engine.close()

    asyncio.run(handle())


def export(settings: Settings, app: str | None) -> str:
    return write(describe(_game(compose.open_state(settings), app)))


def preview(
    settings: Settings, file: Path, app: str | None, *, prune: bool, advance: Callable[[int, int], None]
) -> dict[str, Any]:
    """`advance` is told how many of how many recorded actions are played. Nothing is written."""
    planned = plan(settings, file, app, prune=prune)
    before, after = planned.before, planned.after
    recorded = SqlRecorded(compose.open_state(settings), before.application.id)
    replay = RulesReplay(after, new_quests=frozenset(after.quests.keys() - before.quests.keys()))
    total, played = recorded.count_actions(), 0
    for group in recorded.groups():
        replay.play(group)
        played += sum(len(each.actions) for each in group)
        advance(played, total)
    return {
        "client_id": before.application.id,
        "fans": replay.tally.fans,
        "actions": played,
        **_compared(before, after, recorded.earned(), replay.tally),
        "left_out": [{"what": what, "count": count} for what, count in replay.tally.left_out.most_common()],
    }


def _compared(old: Game, new: Game, now: Tally, would: Tally) -> dict[str, list[dict[str, Any]]]:
    def rows(section: str, **measures: tuple[Mapping[Any, int], Mapping[Any, int]]) -> list[dict[str, Any]]:
        keys = {**Keys(new).of, **Keys(old).of}
        ids = dict.fromkeys([*Keys(old).ids(section), *Keys(new).ids(section)])
        return [
            {"key": keys[each]}
            | {
                f"{name}_{when}": count[each]
                for name, pair in measures.items()
                for when, count in zip(_WHEN, pair, strict=True)
            }
            for each in ids
        ]

    return {
        "reward_items": rows(
            "reward_items", fans=(now.item_fans, would.item_fans), total=(now.item_totals, would.item_totals)
        ),
        "badges": rows("badges", fans=(now.badges, would.badges)),
        "quests": rows("quests", started=(now.started, would.started), completed=(now.completed, would.completed)),
    }


_WHEN = ("now", "would")


def _game(database: Database, app: str | None) -> Game:
    known = client_ids(database)
    if app is None and len(known) != 1:
        remedy = f"Name one of {len(known)} with --app." if known else "Make one with tifo app create NAME."
        raise Rejected(f"There is not one application, but {len(known)}. {remedy}", field="app")
    return SqlQueries(database).game(ClientId(app) if app is not None else known[0])


def _load(file: Path, game: Game, *, prune: bool) -> Document:
    return load(read_file(file), str(file), Keys(game).known(prune=prune))


def read_file(file: Path) -> str:
    """Raises `Rejected` for a file that is none, too large or not UTF-8."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise Rejected(f"{file} cannot be read: {error.strerror}. Name a file of rules.", field="file") from error
    if len(content) > MAX_BYTES:
        raise Rejected(f"{file} is larger than {MAX_BYTES:,} bytes. Split it: files may refer to one another's keys.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Rejected(f"{file}: byte {error.start:,} is no UTF-8. Save the file as UTF-8.", field="file") from error
