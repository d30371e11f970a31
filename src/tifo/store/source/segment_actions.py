"""Stores how far the event log was read for actions, and counts the messages that invoked none, on SQL."""

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select, update

from tifo.kernel.clock import Clock
from tifo.kernel.ids import START, ClientId, Position, Shard
from tifo.source.segment_actions.matching import view_of
from tifo.source.segment_actions.ports import ActionsView, Skipped, SkippedAt
from tifo.store.engagement.games import Games
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import upsert_each
from tifo.store.sql.database import Database
from tifo.store.sql.times import from_micros, to_micros

_C = t.action_skips.c


class SqlActionsState:
    """Implements `source.segment_actions.ports.ActionsState`."""

    def __init__(self, database: Database, clock: Clock, shard: Shard) -> None:
        self._shard = shard
        self._database = database
        self._clock = clock
        self._games = Games()

    def view(self) -> ActionsView:
        with self._database.reading() as connection:
            ids = [ClientId(each) for each in connection.execute(select(t.applications.c.id)).scalars()]
            games = self._games.load(connection, ids)
        return view_of(games.values())

    def position(self) -> Position:
        with self._database.reading() as connection:
            own = select(t.action_cursor.c.position).where(t.action_cursor.c.shard == self._shard)
            return Position(connection.execute(own).scalar() or START)

    def advance(self, through: Position, skipped: Sequence[Skipped]) -> None:
        now = to_micros(self._clock())
        with self._database.writing() as connection:
            upsert_each(connection, t.action_cursor, [{"shard": self._shard, "position": through}])
            # In the cursor's transaction: a crash counts no message twice.
            for each in skipped:
                _add(connection, each, now)

    def skipped(self, client_id: ClientId) -> Sequence[SkippedAt]:
        query = select(t.action_skips).where(_C.client_id == client_id).order_by(_C.reward_action_key, _C.reason)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [
            SkippedAt(
                Skipped(
                    client_id=client_id,
                    reward_action_key=row.reward_action_key,
                    reason=row.reason,
                    total=row.total,
                    message_id=row.message_id,
                    detail=row.detail,
                ),
                from_micros(row.at),
            )
            for row in rows
        ]


def _add(connection: Connection, skipped: Skipped, now: int) -> None:
    newest = {"message_id": skipped.message_id, "detail": skipped.detail, "at": now}
    key = {name: getattr(skipped, name) for name in ("client_id", "reward_action_key", "reason")}
    known = update(t.action_skips).where(*(_C[name] == value for name, value in key.items()))
    if connection.execute(known.values(total=_C.total + skipped.total, **newest)).rowcount == 0:
        connection.execute(insert(t.action_skips), {**key, "total": skipped.total, **newest})
