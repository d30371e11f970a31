"""The answers kept for `Idempotency-Key`, and how long they are kept."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select, tuple_

from tifo.store.sql import tables as t
from tifo.store.sql.database import Database
from tifo.store.sql.times import to_micros

KEPT = timedelta(hours=24)
"""At least so long the same key gives the same answer. Clients that retry do so within minutes, or a night."""
_STEP = 1_000


def forget_answers(database: Database, before: datetime, *, limit: int = _STEP) -> int:
    """Delete the answers given before then, the oldest first, at most `limit`. Returns how many.

    A short transaction, because commands wait while it writes: fewer than `limit` means that no older one is left.
    The marks of engines that have committed nothing since then go too.
    """
    c = t.idempotency.c
    with database.writing() as connection:
        connection.execute(delete(t.writers).where(t.writers.c.at < to_micros(before)))
        oldest = select(c.client_id, c.key).where(c.created_at < to_micros(before)).order_by(c.created_at).limit(limit)
        return connection.execute(delete(t.idempotency).where(tuple_(c.client_id, c.key).in_(oldest))).rowcount
