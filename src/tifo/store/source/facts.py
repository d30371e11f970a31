"""Implements the relay's queues of facts on SQL: a cursor over the facts, and the dead letters beside it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, func, insert, or_, select, update

from tifo.engagement.facts import AnyFact
from tifo.kernel.ids import ClientId, FactId
from tifo.leases.ports import Lease
from tifo.source.ports import DeadLetter, RelayReport, Trouble
from tifo.store.engagement import rows as r
from tifo.store.leases import require_lease
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import Row
from tifo.store.sql.database import Database
from tifo.store.sql.times import from_micros, maybe_moment, to_micros

# max() gives a row even where the application has no cursor yet: it begins at 0.
_CURSOR = select(func.coalesce(func.max(t.relay_cursors.c.position), 0))


class SqlFactFeed:
    """Implements `source.ports.FactFeed`.

    An application's positions follow the order of commits. SQLite has one writer; on PostgreSQL the engine gives
    positions to one transaction at a time, until that one commits.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(self) -> set[ClientId]:
        beyond = select(t.applications.c.id).where(
            or_(
                exists().where(
                    t.facts.c.client_id == t.applications.c.id,
                    t.facts.c.position > _cursor_of(t.applications.c.id),
                ),
                exists().where(
                    t.set_aside_facts.c.client_id == t.applications.c.id,
                    t.set_aside_facts.c.resend_number.is_not(None),
                ),
            )
        )
        with self._database.reading() as connection:
            return {ClientId(client_id) for client_id in connection.execute(beyond).scalars()}

    def pending(self, client_id: ClientId, limit: int) -> Sequence[AnyFact]:
        again = (
            select(t.facts.c.body)
            .join(t.set_aside_facts, t.set_aside_facts.c.position == t.facts.c.position)
            .where(t.set_aside_facts.c.client_id == client_id, t.set_aside_facts.c.resend_number.is_not(None))
            .order_by(t.set_aside_facts.c.resend_number, t.facts.c.position)
            .limit(limit)
        )
        with self._database.reading() as connection:
            # Facts that are sent again come before new ones.
            bodies = list(connection.execute(again).scalars())
            new = new_facts(client_id, _cursor(connection, client_id)).limit(limit - len(bodies))
            bodies += [row.body for row in connection.execute(new)]
        return [r.decode_fact(body) for body in bodies]

    def advance(self, client_id: ClientId, sent: Sequence[FactId], at: datetime, *, under: Lease | None = None) -> None:
        moved = {"last_sent": sent[-1], "last_sent_at": to_micros(at), "refused_in_a_row": 0, **_NO_TROUBLE}
        with self._database.writing() as connection:
            require_lease(connection, under)
            self._leave(connection, client_id, sent)
            connection.execute(
                delete(t.set_aside_facts).where(
                    t.set_aside_facts.c.client_id == client_id, t.set_aside_facts.c.fact_id.in_(list(sent))
                )
            )
            _mark(connection, client_id, moved)

    def dead_letter(
        self,
        client_id: ClientId,
        fact_id: FactId,
        status: int,
        answer: str,
        at: datetime,
        *,
        under: Lease | None = None,
    ) -> None:
        refusal = {"status": status, "answer": answer, "at": to_micros(at), "resend_number": None}
        with self._database.writing() as connection:
            require_lease(connection, under)
            self._leave(connection, client_id, [fact_id])
            known = update(t.set_aside_facts).where(t.set_aside_facts.c.fact_id == fact_id).values(refusal)
            if connection.execute(known).rowcount == 0:
                place = select(t.facts.c.position).where(t.facts.c.client_id == client_id, t.facts.c.id == fact_id)
                position = connection.execute(place).scalar_one()
                row = {"position": position, "client_id": client_id, "fact_id": fact_id, **refusal}
                connection.execute(insert(t.set_aside_facts), row)
            # Status 0: the relay itself refused the fact, for its size.
            refused = _refused_in_a_row(connection, client_id) + (status != 0)
            _mark(connection, client_id, {"refused_in_a_row": refused, **_NO_TROUBLE})

    def dead_letters(self, client_id: ClientId) -> Sequence[DeadLetter]:
        c = t.set_aside_facts.c
        query = (
            select(t.facts.c.body, c.status, c.answer, c.at)
            .join(t.facts, t.facts.c.position == c.position)
            .where(c.client_id == client_id, c.resend_number.is_(None))
            .order_by(c.position)
        )
        with self._database.reading() as connection:
            found = connection.execute(query).all()
        return [DeadLetter(r.decode_fact(row.body), row.status, row.answer, from_micros(row.at)) for row in found]

    def resend(self, client_id: ClientId, fact_ids: Sequence[FactId] | None = None) -> int:
        c = t.set_aside_facts.c
        chosen = [c.client_id == client_id, c.resend_number.is_(None)]
        if fact_ids is not None:
            chosen.append(c.fact_id.in_(list(fact_ids)))
        with self._database.writing() as connection:
            # One number for all facts of a request, so that later requests come after it.
            number = connection.execute(select(func.coalesce(func.max(c.resend_number), 0) + 1)).scalar_one()
            return connection.execute(update(t.set_aside_facts).where(*chosen).values(resend_number=number)).rowcount

    def note(self, client_id: ClientId, trouble: Trouble | None, *, under: Lease | None = None) -> None:
        with self._database.writing() as connection:
            require_lease(connection, under)
            refused = _refused_in_a_row(connection, client_id)
            _mark(connection, client_id, {"refused_in_a_row": refused, **_trouble_row(trouble)})

    def report(self, client_id: ClientId) -> RelayReport:
        again = t.set_aside_facts.c
        with self._database.reading() as connection:
            new = select(func.count()).where(
                t.facts.c.client_id == client_id, t.facts.c.position > _cursor(connection, client_id)
            )
            put_back = select(func.count()).where(again.client_id == client_id, again.resend_number.is_not(None))
            waiting = connection.execute(new).scalar_one() + connection.execute(put_back).scalar_one()
            row = connection.execute(select(t.relay_lines).where(t.relay_lines.c.client_id == client_id)).first()
        if row is None:
            return RelayReport(waiting)
        trouble = None
        if row.since is not None:
            trouble = Trouble(
                held=row.held,
                since=from_micros(row.since),
                tried_at=from_micros(row.tried_at),
                attempts=row.attempts,
                error=row.error,
            )
        return RelayReport(
            waiting=waiting,
            last_sent=row.last_sent,
            last_sent_at=maybe_moment(row.last_sent_at),
            refused_in_a_row=row.refused_in_a_row,
            trouble=trouble,
        )

    def _leave(self, connection: Connection, client_id: ClientId, sent: Sequence[FactId]) -> None:
        """Moves the cursor to the last of these facts that stands after it."""
        cursor = _cursor(connection, client_id)
        # Facts that were sent again stand before the cursor, which never moves back.
        newest = select(func.max(t.facts.c.position)).where(
            t.facts.c.client_id == client_id, t.facts.c.position > cursor, t.facts.c.id.in_(list(sent))
        )
        position = connection.execute(newest).scalar()
        if position is None:
            return
        moved = update(t.relay_cursors).where(t.relay_cursors.c.client_id == client_id).values(position=position)
        if connection.execute(moved).rowcount == 0:
            connection.execute(insert(t.relay_cursors), {"client_id": client_id, "position": position})


def new_facts(client_id: ClientId, after: int) -> Select[Any]:
    """Selects the position and body of the application's facts after this position, in the order of commits."""
    c = t.facts.c
    return select(c.position, c.body).where(c.client_id == client_id, c.position > after).order_by(c.position)


_NO_TROUBLE: Row = dict.fromkeys(("held", "since", "tried_at", "attempts", "error"))


def _trouble_row(trouble: Trouble | None) -> Row:
    if trouble is None:
        return _NO_TROUBLE
    return {**trouble._asdict(), "since": to_micros(trouble.since), "tried_at": to_micros(trouble.tried_at)}


def _refused_in_a_row(connection: Connection, client_id: ClientId) -> int:
    query = select(t.relay_lines.c.refused_in_a_row).where(t.relay_lines.c.client_id == client_id)
    return connection.execute(query).scalar() or 0


def _mark(connection: Connection, client_id: ClientId, values: Row) -> None:
    # Update or insert: under the write lock nobody inserts the row in between.
    known = update(t.relay_lines).where(t.relay_lines.c.client_id == client_id).values(values)
    if connection.execute(known).rowcount == 0:
        connection.execute(insert(t.relay_lines), {"client_id": client_id, **values})


def _cursor_of(client_id: object) -> object:
    return _CURSOR.where(t.relay_cursors.c.client_id == client_id).correlate(t.applications).scalar_subquery()


def _cursor(connection: Connection, client_id: ClientId) -> int:
    return int(connection.execute(_CURSOR.where(t.relay_cursors.c.client_id == client_id)).scalar_one())
