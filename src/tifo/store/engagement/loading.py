"""Loads the state that a batch's commands may touch, with a few set-based queries."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, select

from tifo.engagement.batch import Working
from tifo.engagement.commands import PlayCommand
from tifo.engagement.model import Game
from tifo.engagement.rules import Needs, needs
from tifo.kernel.ids import ClientId, ProfileId
from tifo.store.engagement.fans import Fans, Known
from tifo.store.engagement.games import LOCKED_VERSIONS
from tifo.store.sql.bulk import Given, Lookup
from tifo.store.sql.tables import engagement as t


def _used(given: Given) -> Any:
    c, asked = t.invoked_actions.c, given.tuples("used", 3).c
    is_one = and_(c.profile_id == asked["0"], c.reward_action_key == asked["1"], c.code == asked["2"])
    return select(c.profile_id, c.reward_action_key, c.code).where(is_one)


_BY_CUSTOM_ID = Lookup(
    lambda given: select(t.profiles.c.id).where(
        t.profiles.c.client_id == bindparam("client_id"), given.among(t.profiles.c.custom_id)
    )
)
_BY_USER_QUEST = Lookup(lambda given: select(t.user_quests.c.profile_id).where(given.among(t.user_quests.c.id)))
_BY_USER_QUEST_TASK = Lookup(
    lambda given: select(t.user_quest_tasks.c.profile_id).where(given.among(t.user_quest_tasks.c.id))
)
_BY_EARNED_BADGE = Lookup(lambda given: select(t.earned_badges.c.profile_id).where(given.among(t.earned_badges.c.id)))
_CODES = Lookup(_used)
_LOCK_TO_DEFINE = select(t.applications.c.id).where(t.applications.c.id == bindparam("client_id")).with_for_update()


class LoadedState(NamedTuple):
    working: Working
    known: dict[ProfileId, Known]
    """The fans in `working`, with the versions of their rows."""


def load_working(connection: Connection, game: Game, fans: Fans, commands: Sequence[PlayCommand]) -> LoadedState:
    """Loads one application's fans, and the codes that were used, as far as the commands may touch them."""
    wanted = list(map(needs, commands))
    known = fans.load(connection, _profile_ids(connection, game.application.id, wanted))
    # The codes come after the fans: a command may name its fan by a custom id, which is resolved only now.
    working = Working(game, fans={fan_id: each.fan for fan_id, each in known.items()})
    working.used_codes |= _used_codes(connection, wanted, working)
    return LoadedState(working, known)


def lock_applications(connection: Connection, client_ids: set[ClientId], defining: set[ClientId]) -> None:
    """Locks the applications of a batch with definitions, on PostgreSQL: the `defining` ones against others' play and
    definitions, the rest against others' definitions only.
    """
    # All batches lock in one order, so that two of them never wait for one another in a circle.
    if not defining or connection.dialect.name != "postgresql":
        return
    for client_id in sorted(client_ids):
        if client_id in defining:
            connection.execute(_LOCK_TO_DEFINE, {"client_id": client_id})
        else:
            LOCKED_VERSIONS.tuples(connection, ids=[client_id])


def _profile_ids(connection: Connection, client_id: ClientId, wanted: Sequence[Needs]) -> set[str]:
    ids: set[str] = {each for need in wanted for each in need.profile_ids}

    def add(lookup: Lookup, values: set[str], **more: str) -> None:
        # No query for what no command of the batch names.
        if values:
            ids.update(row[0] for row in lookup.tuples(connection, ids=values, **more))

    add(_BY_CUSTOM_ID, {each for need in wanted for each in need.custom_ids}, client_id=client_id)
    add(_BY_USER_QUEST, {each for need in wanted for each in need.user_quest_ids})
    add(_BY_USER_QUEST_TASK, {each for need in wanted for each in need.user_quest_task_ids})
    add(_BY_EARNED_BADGE, {each for need in wanted for each in need.earned_badge_ids})
    return ids


def _used_codes(connection: Connection, wanted: Sequence[Needs], working: Working) -> set[tuple[ProfileId, str, str]]:
    """Returns the commands' codes that were used before."""
    used = {
        (profile_id, *need.code)
        for need in wanted
        if need.code is not None
        for profile_id in (*need.profile_ids, *map(working.by_custom_id.get, need.custom_ids))
        if profile_id is not None
    }
    return {(row[0], row[1], row[2]) for row in _CODES.tuples(connection, used=used)} if used else set()
