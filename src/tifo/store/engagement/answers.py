"""Reads and writes first answers by `Idempotency-Key`, and deletes them after a day."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, select, tuple_

from tifo.engagement.idempotency import FirstAnswer
from tifo.store.sql.bulk import Row
from tifo.store.sql.database import Database
from tifo.store.sql.tables import engagement as t
from tifo.store.sql.times import to_micros

KEPT = timedelta(hours=24)
"""The same key gives the same answer for at least this long. Clients retry within minutes, or a night."""
_STEP = 1_000
_KEYS = select(t.idempotency).where(
    tuple_(t.idempotency.c.client_id, t.idempotency.c.key).in_(bindparam("keys", expanding=True))
)


def load_answers(connection: Connection, places: Sequence[tuple[str, str]]) -> dict[tuple[str, str], FirstAnswer]:
    """Returns the answers to these (scope, key) that were given before."""
    if not places:
        return {}
    found = connection.execute(_KEYS, {"keys": places})
    return {(row.client_id, row.key): FirstAnswer(row.digest, row.answer) for row in found}


def answer_rows(answers: Mapping[tuple[str, str], FirstAnswer], now: datetime) -> list[Row]:
    return [
        {
            "client_id": scope,
            "key": key,
            "digest": first.digest,
            "answer": first.answer,
            "created_at": to_micros(now),
        }
        for (scope, key), first in answers.items()
    ]


def forget_answers(database: Database, before: datetime, *, limit: int = _STEP) -> int:
    """Deletes the answers given before then, the oldest first, at most `limit`. Returns how many.

    Fewer than `limit` means that no older one is left. The commit marks of engines that have committed nothing since
    then are deleted too.
    """
    c = t.idempotency.c
    # Few at a time, because commands wait while this writes.
    with database.writing() as connection:
        # An engine that has gone leaves its mark behind; a live one writes a new one with each commit.
        connection.execute(delete(t.writers).where(t.writers.c.at < to_micros(before)))
        oldest = select(c.client_id, c.key).where(c.created_at < to_micros(before)).order_by(c.created_at).limit(limit)
        return connection.execute(delete(t.idempotency).where(tuple_(c.client_id, c.key).in_(oldest))).rowcount
