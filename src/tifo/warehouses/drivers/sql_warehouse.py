"""Implements the warehouse's contract over SQL. A driver opens sessions, commits, and translates errors."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TypeVar

from tifo.kernel.clock import Clock
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import Shard
from tifo.warehouses.drivers import bookkeeping, questions
from tifo.warehouses.drivers.dialect import Session
from tifo.warehouses.drivers.load import SchemaLoad
from tifo.warehouses.ports import Cursor, EventCount, FilledCount, Load, Loaded, RowCount, RowSelection
from tifo.warehouses.sql import quoted

_Answer = TypeVar("_Answer")
_WAIT_S = 10.0


class SqlWarehouse(ABC):
    """Implements `Warehouse`, but for `load` and `query`, where products differ most."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @abstractmethod
    def _reading(self, wait_s: float) -> AbstractContextManager[Session]:
        """Opens a session that only reads. Raises `NotFound` before the first load where that makes the warehouse."""

    @abstractmethod
    def _rewinding(self) -> AbstractContextManager[Session]:
        """Opens a session that commits when its block ends without an error."""

    def _reading_committed(self) -> AbstractContextManager[Session]:
        """Opens a session that reads what is committed, also where it is not published yet."""
        return self._reading(0)

    def positions(self, shard: Shard) -> dict[str, Cursor]:
        return self._asked(lambda session: bookkeeping.positions(session, shard), {}, wait_s=0)

    def committed_positions(self, shard: Shard) -> dict[str, Cursor]:
        return _or_nothing(self._reading_committed, lambda session: bookkeeping.positions(session, shard), {})

    def table_names(self, schema: str) -> frozenset[str]:
        return _or_nothing(self._reading_committed, lambda session: frozenset(session.table_names(schema)), frozenset())

    def publish(self, *, at_end: bool = False) -> None:  # noqa: B027 (a server's way; a file's driver has another)
        """Does nothing: a server shows what is committed."""

    def tables(self, schema: str, *, wait_s: float = _WAIT_S) -> dict[str, int]:
        def count(session: Session) -> dict[str, int]:
            sql = "SELECT count(*) FROM "
            return {name: session.rows(sql + quoted(schema, name))[0][0] for name in session.table_names(schema)}

        return self._asked(count, {}, wait_s=wait_s)

    def rewind(self, connection: str, received_after: datetime | None) -> None:
        with self._rewinding() as session:
            bookkeeping.rewind(session, connection, received_after)

    def columns(self, schema: str) -> dict[str, list[str]]:
        return self._asked(
            lambda session: {name: list(types) for name, types in session.column_types(schema).items()}, {}
        )

    def row_counts(self, schema: str, tables: Collection[str]) -> dict[str, RowCount]:
        return self._asked(lambda session: questions.row_counts(session, schema, tables), {})

    def stored_ids(self, schema: str, table: str, ids: Collection[str]) -> set[str]:
        return self._asked(lambda session: questions.stored_ids(session, schema, table, ids), set())

    def filled_count(self, asked: RowSelection, groups: Sequence[Collection[str]]) -> FilledCount:
        none = FilledCount(0, (0,) * len(groups))
        return self._asked(lambda session: questions.filled_count(session, asked, groups), none)

    def ids_without(self, asked: RowSelection, group: Collection[str], *, limit: int) -> list[str]:
        return self._asked(lambda session: questions.ids_without(session, asked, group, limit), [])

    def unplanned_events(self, schema: str, planned: Collection[str], *, limit: int) -> list[EventCount]:
        return self._asked(lambda session: questions.unplanned_events(session, schema, planned, limit), [])

    def loaded_at(self, schema: str, message_id: str) -> dict[str, datetime]:
        return self._asked(lambda session: questions.loaded_at(session, schema, message_id), {})

    def _asked(
        self, ask: Callable[[Session], _Answer], before_first_load: _Answer, *, wait_s: float = _WAIT_S
    ) -> _Answer:
        return _or_nothing(lambda: self._reading(wait_s), ask, before_first_load)

    def _load_all(self, session: Session, loads: Sequence[Load]) -> list[Loaded]:
        """Writes rows, discards, positions and history; the driver commits."""
        # Asked at each load, in its transaction: someone may have dropped the schema.
        if not bookkeeping.is_prepared(session):
            self._prepare(session)
        known = bookkeeping.every_position(session)
        return [self._load_one(session, load, known) for load in loads]

    def _prepare(self, session: Session) -> None:
        """Makes the schema `_tifo`, before the first load."""
        bookkeeping.prepare(session)

    def _load_one(self, session: Session, load: Load, known: Mapping[tuple[str, Shard], Cursor]) -> Loaded:
        bookkeeping.check_position(load, known)
        started_at = self._clock()
        loaded = SchemaLoad(session, load.schema).insert(load, started_at)
        finished_at = self._clock()
        bookkeeping.move(session, load, finished_at, known)
        # A load that only moves the position is no sync that people look for.
        if load.tables or load.discards:
            bookkeeping.record(session, load, loaded, started_at, finished_at)
        return loaded


def _or_nothing(
    reading: Callable[[], AbstractContextManager[Session]],
    ask: Callable[[Session], _Answer],
    before_first_load: _Answer,
) -> _Answer:
    try:
        with reading() as session:
            return ask(session)
    # DuckDB's file is made by the first load. Nothing is stored until then, which is an answer and no error.
    except NotFound:
        return before_first_load
