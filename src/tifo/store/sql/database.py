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
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tifo.kernel.errors import Interrupted, Rejected, Transient
from tifo.store.sql import schema

_log = structlog.get_logger("tifo.store")
_WRITES = "tifo_writes"
_BUSY_TIMEOUT_S = 10
_POOL = 16
"""The number of pooled connections, and as many again at peaks. A process has at most this many threads that read."""
_WRITERS = 4
"""The same of connections that write: most writers take turns, and an engine needs one."""
_BETWEEN_TRIES_S = 0.1
_PATIENCE_S = 20.0
"""The time for which a connection is tried: a server that restarts is away for seconds."""
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

    def __init__(self, engine: Engine, writer: Engine | None = None) -> None:
        """`writer` has the connections of blocks that write, where they differ from those that read."""
        self.engine = engine
        self.writer = writer or engine
        self._driver = engine.dialect.loaded_dbapi
        self.is_shared = engine.dialect.name == "postgresql"
        """Whether other processes may write at the same time. If not, a `writing` block is alone."""

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with _errors_translated(self._driver), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self, *, in_turn: bool = True) -> Iterator[Connection]:
        """Holds the write lock from its start: nothing that is read in the block can change before it commits.

        On PostgreSQL only blocks that write `in_turn` exclude one another.
        """
        # The engine does not write in turn, because it locks the rows that it reads: so many engines write at once.
        with _errors_translated(self._driver), self.writer.connect() as plain:
            connection = plain.execution_options(**{_WRITES: True})
            with connection.begin():
                # The lock ends with the transaction, also where the process is killed.
                if in_turn and self.is_shared:
                    connection.execute(_LOCK, {"key": _WRITE_LOCK})
                yield connection

    def dispose(self) -> None:
        self.engine.dispose()
        self.writer.dispose()


def open_postgres(url: str) -> Database:
    """Opens `postgresql://user:password@host/database`, and brings its tables to this version of Tifo."""
    parsed = postgres_url(url)
    # A page and its count, a fan and her quests' tasks: the statements of a block that reads must not contradict one
    # another, so they share a snapshot. SQLite's readers have one anyway.
    reader = _pool(parsed, "REPEATABLE READ", _POOL)
    # Each statement sees what was committed before it, so what is read behind a lock is what the lock protects. A pool
    # of its own, because changing the level of a connection for each block would cost a quarter of a commit.
    writer = _pool(parsed, "READ COMMITTED", _WRITERS)
    return _upgraded(Database(reader, writer))


def _pool(url: URL, isolation_level: Any, size: int) -> Engine:
    engine = create_engine(
        # Without `hide_parameters`, errors in the log would hold tokens and the bodies of rows.
        url,
        pool_size=size,
        max_overflow=size,
        pool_timeout=_BUSY_TIMEOUT_S,
        hide_parameters=True,
        isolation_level=isolation_level,
    )
    event.listen(engine, "do_connect", _connect_patiently)
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


def open_sqlite(path: Path) -> Database:
    """Opens the file, or makes it (readable by its owner only), and brings its tables to this version of Tifo."""
    with _errors_translated(sqlite3):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Only if there is no file: closing one that SQLite has open elsewhere in this process drops its locks there.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
        return _upgraded(Database(engine))


def _upgraded(database: Database) -> Database:
    with contextlib.ExitStack() as refused:
        refused.callback(database.dispose)
        # Read first: a write lock at every start would wait for the engine of a running Tifo.
        with database.reading() as connection:
            is_ready = schema.version_of(connection) == schema.HEAD
        if not is_ready:
            with database.writing() as connection:  # another process that opens it now waits, and then finds it ready
                schema.upgrade(connection)
        # It is open and ready: from now on the caller closes it.
        refused.pop_all()
    return database


def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
    # Transactions are begun by _on_begin: the driver's own way would let a read slip out of its transaction.
    connection.isolation_level = None
    # FULL syncs the write-ahead log at every commit; NORMAL would lose the last commits in a power cut. A negative
    # cache size is in KiB.
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -64000"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    # A plain BEGIN takes SQLite's write lock at the first write. Where another has written since the first read, SQLite
    # then refuses at once, however long the timeout.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _errors_translated(driver: Any) -> Iterator[None]:
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
        raise Transient("The state cannot be read or written right now. Send this again.", retry_after_s=1.0) from error


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


def _connect_patiently(dialect: Any, _record: Any, arguments: Any, options: dict[str, Any]) -> Any:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return dialect.connect(*arguments, **options)
        except dialect.loaded_dbapi.OperationalError:
            # Also a server that is starting up answers with this error.
            if time.monotonic() > deadline:
                raise
            time.sleep(_BETWEEN_TRIES_S)
