"""Opens, reads and writes the state's database, and hides how SQLite and PostgreSQL differ in this."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tifo.kernel.errors import Interrupted, NotFound, Rejected, Transient, Unusable
from tifo.kernel.postgres_refusals import reason_of
from tifo.store.sql import schema
from tifo.store.sql.faults import OUT_OF_REACH, lasting_fault, place_of
from tifo.store.sql.reachability import Reachability

_log = structlog.get_logger("tifo.store")
_WRITES = "tifo_writes"
_POOL_TIMEOUT_S = 10
_STANDSTILL_S = 1.0
"""The time for which SQLite waits for a lock before it is looked at whether its holder gets on."""
_POOL = 16
"""The number of pooled connections, and as many again at peaks. A process has at most this many threads that read."""
_WRITERS = 4
"""The same of connections that write: most writers take turns, and an engine needs one."""
PATIENCE_S = 10.0
"""The time for which a command waits for a server that restarts, or for a lock of SQLite."""
_IDLE_S = 20
"""The time after which PostgreSQL ends a transaction that sends nothing: a process that is paused, or a machine that is
gone, would hold its locks for as long, and everybody else would wait.
"""
# `tifo` in ASCII: other programs in the same database have other keys.
_WRITE_LOCK = 0x7469_666F
_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_INTERRUPTIONS = frozenset({"40001", "40P01", "23505", "55P03", "57P01", "57P02", "57P03"})
"""PostgreSQL's codes: serialization failure, deadlock, a unique key that another writer used first, a lock not acquired
in time, and a server that stops or starts.
"""


class Database:
    """Reads and writes one open database. `reading` and `writing` each open a transaction, which ends with the block.

    All statements of a `reading` block see the same moment: the one of its first statement.

    Raises `Interrupted` if the block may be tried again at once, `Transient` if the database cannot be used.
    """

    def __init__(self, engine: Engine, writer: Engine | None = None, reachability: Reachability | None = None) -> None:
        """`writer` has the connections of blocks that write, where they differ from those that read."""
        self.engine = engine
        self.writer = writer or engine
        self._driver = engine.dialect.loaded_dbapi
        self._reachability = reachability or Reachability(lambda: True)
        self.is_shared = engine.dialect.name == "postgresql"
        """Whether other processes may write at the same time. If not, a `writing` block is alone."""

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        self._reachability.check()
        with _errors_translated(self._driver, self.engine.url), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self, *, in_turn: bool = True) -> Iterator[Connection]:
        """Holds the write lock from its start: nothing that is read in the block can change before it commits.

        On PostgreSQL only blocks that write `in_turn` exclude one another.
        """
        self._reachability.check()
        # The engine does not write in turn, because it locks the rows that it reads: so many engines write at once.
        with _errors_translated(self._driver, self.engine.url), self.writer.connect() as plain:
            connection = plain.execution_options(**{_WRITES: True})
            with connection.begin():
                # The lock ends with the transaction, also where the process is killed.
                if in_turn and self.is_shared:
                    connection.execute(_LOCK, {"key": _WRITE_LOCK})
                yield connection

    def dispose(self) -> None:
        self._reachability.close()
        self.engine.dispose()
        self.writer.dispose()


def open_postgres(url: str, *, make: bool = True, patience_s: float = PATIENCE_S) -> Database:
    """Opens `postgresql://user:password@host/database`, and brings its tables to this version of Tifo.

    Without `make` it raises `NotFound` for a database without a state, and makes no tables. A server that cannot be
    reached is tried for `patience_s`, now and later. Raises `Unusable` where the database cannot be connected to.
    """
    parsed = postgres_url(url)
    # Late: a folder with SQLite needs no driver of PostgreSQL.
    from tifo.store.sql.connecting import PatientConnect, ServerProbe  # noqa: PLC0415 (see above)

    probe = ServerProbe()
    reachability = Reachability(probe)
    connect = PatientConnect(probe, reachability, patience_s)
    # A page and its count, a fan and her quests' tasks: the statements of a block that reads must not contradict one
    # another, so they share a snapshot. SQLite's readers have one anyway.
    reader = _pool(parsed, connect, "REPEATABLE READ", _POOL)
    # Each statement sees what was committed before it, so what is read behind a lock is what the lock protects. A pool
    # of its own, because changing the level of a connection for each block would cost a quarter of a commit.
    writer = _pool(parsed, connect, "READ COMMITTED", _WRITERS)
    return _upgraded(Database(reader, writer, reachability), make=make)


def _pool(url: URL, connect: Any, isolation_level: Any, size: int) -> Engine:
    engine = create_engine(
        # Without `hide_parameters`, errors in the log would hold tokens and the bodies of rows.
        url,
        pool_size=size,
        max_overflow=size,
        pool_timeout=_POOL_TIMEOUT_S,
        hide_parameters=True,
        isolation_level=isolation_level,
    )
    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", _limit_idling)
    return engine


def postgres_url(url: str) -> URL:
    """Parses the address. Raises `Rejected`, without the password in its text."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise Rejected("database_url is no address. Give one such as postgresql://user@host/tifo.") from error
    if parsed.drivername not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise Rejected(
            f"database_url begins with {parsed.drivername!r:.40}; only postgresql:// is known. Without it: SQLite.",
            field="database_url",
        )
    return parsed.set(drivername="postgresql+psycopg")


def open_sqlite(path: Path, *, patience_s: float = PATIENCE_S) -> Database:
    """Opens the file, or makes it (readable by its owner only), and brings its tables to this version of Tifo.

    A lock that another program holds is waited for: a second, and `patience_s` in all while nothing is committed.
    """
    with _errors_translated(sqlite3, URL.create("sqlite", database=str(path))):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Only if there is no file: closing one that SQLite has open elsewhere in this process drops its locks there.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        # A URL made of its parts: `?` and `%` in a folder's name have no meaning of their own.
        url = URL.create("sqlite", database=str(path))
        engine = create_engine(url, connect_args={"timeout": _STANDSTILL_S})
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _PatientBegin(path, patience_s))
        return _upgraded(Database(engine))


def _upgraded(database: Database, *, make: bool = True) -> Database:
    with contextlib.ExitStack() as refused:
        refused.callback(database.dispose)
        # Read first: a write lock at every start would wait for the engine of a running Tifo.
        with _connecting(database), database.reading() as connection:
            is_ready = schema.version_of(connection) == schema.HEAD
            if not is_ready and not make and not inspect(connection).has_table("applications"):
                place = place_of(database.engine.url)
                raise NotFound(f"There is no Tifo in {place}. Correct database_url, or start one there: tifo up.")
        if not is_ready:
            with database.writing() as connection:  # another process that opens it now waits, and then finds it ready
                schema.upgrade(connection)
        # It is open and ready: from now on the caller closes it.
        refused.pop_all()
    return database


@contextmanager
def _connecting(database: Database) -> Iterator[None]:
    """Raises `Unusable` where the first connection fails: the patience of `PatientConnect` is over by then."""
    try:
        yield
    except Unusable:
        raise
    except Transient as error:
        cause = getattr(error.__cause__, "orig", error.__cause__)
        if not database.is_shared or getattr(cause, "sqlstate", None) is not None:
            raise
        place = place_of(database.engine.url)
        reason = f"PostgreSQL {place} cannot be reached: {reason_of(str(cause))}. Start it, or correct database_url."
        raise Unusable(error.message, reason=reason) from error


def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
    # Transactions are begun by _on_begin: the driver's own way would let a read slip out of its transaction.
    connection.isolation_level = None
    # FULL syncs the write-ahead log at every commit; NORMAL would lose the last commits in a power cut. A negative
    # cache size is in KiB.
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -64000"):
        connection.execute(f"PRAGMA {pragma}")


class _PatientBegin:
    """Begins SQLite's transactions, and waits for the write lock as long as others commit."""

    def __init__(self, path: Path, patience_s: float) -> None:
        self._log = path.with_name(f"{path.name}-wal")
        self._patience_s = patience_s
        self._refused_at_s = float("-inf")

    def __call__(self, connection: Connection) -> None:
        # A plain BEGIN takes SQLite's write lock at the first write. Where another has written since the first read,
        # SQLite then refuses at once, however long the timeout.
        if connection.get_execution_options().get(_WRITES):
            self._begin_to_write(connection)
        else:
            connection.exec_driver_sql("BEGIN")

    def _begin_to_write(self, connection: Connection) -> None:
        # Who waited behind a writer that was refused has waited long enough.
        if time.monotonic() - self._refused_at_s < _STANDSTILL_S:
            self._begin_at_once(connection)
            return
        began_s = still_since_s = time.monotonic()
        commits = self._commits()
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except OperationalError:
                now_s = time.monotonic()
                if (seen := self._commits()) != commits:
                    commits, still_since_s = seen, now_s
                # SQLite gives the lock to whoever asks at the right moment: a busy engine may leave others without.
                if now_s - still_since_s >= self._patience_s or now_s - began_s >= PATIENCE_S:
                    self._refused_at_s = now_s
                    raise
            else:
                return

    def _begin_at_once(self, connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA busy_timeout = 0")
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            self._refused_at_s = float("-inf")
        finally:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {_STANDSTILL_S * 1000:.0f}")

    def _commits(self) -> tuple[int, int] | None:
        """Returns what differs after each commit."""
        try:
            status = self._log.stat()
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns


@contextmanager
def _errors_translated(driver: Any, url: URL | None = None) -> Iterator[None]:
    """Translates errors. `driver` is the DBAPI module: statements that bypass SQLAlchemy raise its own errors."""
    try:
        yield
    except (DBAPIError, driver.Error, PoolTimeout, OSError) as error:
        # The driver's text holds the statement and its values: it is for the log, not for clients.
        cause = getattr(error, "orig", error)
        if _is_interruption(error, cause):
            _log.info("state interrupted", error=str(cause))
            raise Interrupted("The state was interrupted. Send this again.", retry_after_s=1.0) from error
        _log.warning("state out of reach", error=str(cause))
        raise lasting_fault(cause, url) or Transient(OUT_OF_REACH, retry_after_s=1.0) from error


def _is_interruption(error: Exception, cause: Any) -> bool:
    # SQLAlchemy has seen that the connection is lost, and dropped it from the pool.
    if getattr(error, "connection_invalidated", False):
        return True
    if not hasattr(cause, "sqlstate"):  # SQLite's
        return False
    if cause.sqlstate is None:  # the connection was lost, unless SQLAlchemy, which knows it by more, says otherwise
        return not isinstance(error, DBAPIError) and type(cause).__name__ == "OperationalError"
    # Class 08: exceptions of the connection.
    return cause.sqlstate in _INTERRUPTIONS or cause.sqlstate.startswith("08")


def _limit_idling(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{_IDLE_S}s'")
    connection.commit()
