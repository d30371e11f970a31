"""Finds ledger rows by an id, on SQL."""

from collections.abc import Sequence

from sqlalchemy import or_, select

from tifo.engagement.model import Transaction
from tifo.store.engagement import rows as r
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import without_nul
from tifo.store.sql.database import Database


class SqlLedgerTrace:
    """Implements `engagement.ports.LedgerTrace`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def about(self, wanted: str, *, limit: int) -> Sequence[Transaction]:
        c = t.transactions.c
        named = without_nul(wanted)
        query = select(c.body).where(or_(c.id == named, c.profile_id == named))
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(c.position.desc()).limit(limit)).all()
        return [r.decode_transaction(row.body) for row in reversed(rows)]
