"""Runs something between two statements of a database, as another process may: every such moment can be tried."""

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from sqlalchemy import event

from tifo.store.sql.database import Database

T = TypeVar("T")
Work = Callable[[], object]
_NO_MOMENTS = frozenset({"COMMIT", "ROLLBACK", "SET"})
_ALONE = ("BEGIN IMMEDIATE", "pg_advisory_xact_lock(%(key)s)")


class Interleaving:
    """Counts the statements of one database, and runs a piece of work before one of them, once."""

    def __init__(self, database: Database) -> None:
        self._left: int | None = None
        self._work: Work = lambda: None
        # A `writing` block in turn keeps all others out, so nothing can come between its statements.
        self._is_alone = False
        # The pool's connections are from before this listens.
        database.dispose()
        for engine in {database.engine, database.writer}:
            event.listen(engine, "connect", self._hook)
            for end in ("commit", "rollback"):
                event.listen(engine, end, self._end)

    @contextmanager
    def before(self, number: int, work: Work) -> Iterator[None]:
        """In the block, `work` runs before the statement of this number, counted from 1."""
        self._left, self._work = number, work
        try:
            yield
        finally:
            self.was_reached = self._left is None
            self._left = None

    def _hook(self, connection: Any, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.set_trace_callback(self._step)
            return
        step = self._step

        class Cursor(psycopg.Cursor[Any]):
            def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
                step(str(query))
                return super().execute(query, *args, **kwargs)

        connection.cursor_factory = Cursor

    def _step(self, sql: str) -> None:
        is_moment = not self._is_alone and sql.split(None, 1)[0].upper() not in _NO_MOMENTS
        self._is_alone |= any(alone in sql for alone in _ALONE)
        if self._left is None or not is_moment:
            return
        self._left -= 1
        if self._left == 0:
            self._left = None
            self._work()

    def _end(self, _connection: object) -> None:
        self._is_alone = False


def outcomes(database: Database, run: Callable[[Interleaving, int], T]) -> Iterator[T]:
    """Calls `run` with 1, 2, 3 … until its statements are fewer, and yields what it returns: one for each moment."""
    interleaving = Interleaving(database)
    for number in itertools.count(1):
        found = run(interleaving, number)
        if not interleaving.was_reached:
            assert number > 1, "there was no statement to come between"
            return
        yield found
