"""How far the event log was read for actions, and what was no action, on SQL."""

from collections.abc import Sequence

from sqlalchemy import func, insert, select, update

from tifo.engagement.model import is_live
from tifo.kernel.clock import Clock
from tifo.kernel.ids import ClientId, Position
from tifo.source.segment_actions import Skipped, SkippedAt, Triggered, View
from tifo.store.engagement.games import Games
from tifo.store.sql import tables as t
from tifo.store.sql.database import Database
from tifo.store.sql.times import from_micros, to_micros

_C = t.action_skips.c


class SqlActionsState:
    """Implements `source.segment_actions.ActionsState`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._games = Games()

    def view(self) -> View:
        with self._database.reading() as connection:
            ids = [ClientId(each) for each in connection.execute(select(t.applications.c.id)).scalars()]
            games = self._games.load(connection, ids)
        found = [
            Triggered(
                client_id, action.trigger.program_id or game.application.default_program_id, action, action.trigger
            )
            for client_id, game in games.items()
            for action in game.reward_actions.values()
            if action.trigger is not None and is_live(action)
        ]
        return View(found, set(ids))

    def position(self) -> Position:
        with self._database.reading() as connection:
            return Position(connection.execute(select(func.max(t.action_cursor.c.position))).scalar() or 0)

    def advance(self, through: Position, skipped: Sequence[Skipped]) -> None:
        now = to_micros(self._clock())
        with self._database.writing() as connection:
            if connection.execute(update(t.action_cursor).values(position=through)).rowcount == 0:
                connection.execute(insert(t.action_cursor), {"number": 1, "position": through})
            for each in skipped:
                new = {"message_id": each.message_id, "detail": each.detail, "at": now}
                key = {name: getattr(each, name) for name in ("client_id", "reward_action_key", "reason")}
                known = update(t.action_skips).where(*(_C[name] == value for name, value in key.items()))
                if connection.execute(known.values(total=_C.total + each.total, **new)).rowcount == 0:
                    connection.execute(insert(t.action_skips), {**key, "total": each.total, **new})

    def skipped(self, client_id: ClientId) -> list[SkippedAt]:
        query = select(t.action_skips).where(_C.client_id == client_id).order_by(_C.reward_action_key, _C.reason)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [
            SkippedAt(
                Skipped(client_id, row.reward_action_key, row.reason, row.total, row.message_id, row.detail),
                from_micros(row.at),
            )
            for row in rows
        ]
