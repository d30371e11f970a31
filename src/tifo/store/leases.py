"""Stores leases on SQL, and fences what their holders store."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, delete, literal_column, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tifo.leases.ports import Lease, lease_lost
from tifo.store.sql import tables as t
from tifo.store.sql.database import Database

_C = t.leases.c
# The database's clock, in microseconds since 1970. PostgreSQL's now() is when the transaction began.
_POSTGRES_NOW = literal_column("CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)", BigInteger)
_SQLITE_NOW = literal_column("CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)", BigInteger)
_MICROS = 1_000_000
_FORGOTTEN_AFTER = 24 * 3600 * _MICROS
_AT_ONCE = 1_000
_NOBODY = ""


class SqlLeases:
    """Implements `leases.ports.Leases`. On PostgreSQL nothing here waits for the writers that write in turn."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._now = _POSTGRES_NOW if database.is_shared else _SQLITE_NOW
        self._insert: Any = postgresql.insert if database.is_shared else sqlite.insert

    def acquire(self, names: Sequence[str], holder: str, *, for_s: float) -> list[Lease]:
        found: list[Lease] = []
        with self._database.writing(in_turn=False) as connection:
            # In one order: two processes that take the same ones wait for one another in no circle.
            ordered = sorted(names)
            for start in range(0, len(ordered), _AT_ONCE):
                found += self._acquire(connection, ordered[start : start + _AT_ONCE], holder, for_s)
        return found

    def _acquire(self, connection: Connection, names: Sequence[str], holder: str, for_s: float) -> list[Lease]:
        expires_at = self._now + int(for_s * _MICROS)
        rows = [{"name": name, "holder": holder, "number": 1, "expires_at": expires_at} for name in names]
        made = self._insert(t.leases).values(rows)
        # One statement: it locks a row before it looks whether the lease has expired.
        statement = made.on_conflict_do_update(
            index_elements=[_C.name],
            set_={"holder": made.excluded.holder, "number": _C.number + 1, "expires_at": made.excluded.expires_at},
            where=_C.expires_at <= self._now,
        ).returning(_C.name, _C.number)
        return [Lease(row.name, holder, row.number) for row in connection.execute(statement)]

    def renew(self, holder: str, *, for_s: float) -> list[Lease]:
        later = {"expires_at": self._now + int(for_s * _MICROS)}
        statement = update(t.leases).where(_C.holder == holder).values(later).returning(_C.name, _C.number)
        with self._database.writing(in_turn=False) as connection:
            rows = connection.execute(statement).all()
        return sorted(Lease(row.name, holder, row.number) for row in rows)

    def release(self, holder: str, names: Sequence[str] | None = None) -> None:
        # The row stays, so that the next holder's number is a higher one.
        free = update(t.leases).where(_C.holder == holder).values(holder=_NOBODY, expires_at=self._now)
        with self._database.writing(in_turn=False) as connection:
            if names is None:
                connection.execute(free)
            for start in range(0, len(names or ()), _AT_ONCE):
                connection.execute(free.where(_C.name.in_(list(names or ())[start : start + _AT_ONCE])))

    def held(self, group: str) -> list[Lease]:
        inside = _C.name.startswith(f"{group}/", autoescape=True)
        query = select(t.leases).where(inside, _C.expires_at > self._now).order_by(_C.name)
        with self._database.reading() as connection:
            return [Lease(row.name, row.holder, row.number) for row in connection.execute(query)]

    def forget(self) -> None:
        with self._database.writing(in_turn=False) as connection:
            connection.execute(delete(t.leases).where(_C.expires_at < self._now - _FORGOTTEN_AFTER))


def require_lease(connection: Connection, lease: Lease | None) -> None:
    """Raises `LeaseLost` unless the lease is still its holder's, and lets nobody take it before the transaction ends.

    None needs no lease: the caller is alone by other means.
    """
    if lease is None:
        return
    own = (_C.name == lease.name, _C.holder == lease.holder, _C.number == lease.number)
    # FOR SHARE (which SQLite, with its one writer, does not need): who takes the lease waits until this is committed.
    query = select(_C.number).where(*own).with_for_update(read=True)
    if connection.execute(query).first() is None:
        raise lease_lost(lease)
