"""Reads what the ledger knows of an id, for a trace."""

from typing import NamedTuple

from sqlalchemy import or_, select

from tifo.store.sql import tables as t
from tifo.store.sql.bulk import without_nul
from tifo.store.sql.database import Database

_LIMIT = 20


class Entry(NamedTuple):
    at: int
    """Microseconds since 1970."""
    kind: str
    amount: int
    detail: str


def ledger_of(database: Database, wanted: str) -> list[Entry]:
    """Returns the reward transaction with this id, or the newest of the profile with this id, oldest first."""
    c = t.transactions.c
    named = without_nul(wanted)
    query = select(t.transactions).where(or_(c.id == named, c.profile_id == named))
    with database.reading() as connection:
        rows = connection.execute(query.order_by(c.position.desc()).limit(_LIMIT)).all()
    return [
        Entry(row.created_at, row.kind, row.amount, f"transaction {row.id}, balance {row.balance}")
        for row in reversed(rows)
    ]
