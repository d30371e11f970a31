"""The state's database: how it is opened, read and written. What is SQLite's own stands here."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from tifo.kernel.errors import Transient
from tifo.store.tables import METADATA

_log = structlog.get_logger("tifo.store")
_WRITES = "tifo_writes"
_BUSY_TIMEOUT_S = 10


class Database:
    """One open database. `reading` and `writing` give a transaction each; `writing` commits when its block ends."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with _errors_translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Holds the write lock from its start: what is read in it cannot change before it commits."""
        with _errors_translated(), self.engine.connect() as plain:
            connection = plain.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection

    def dispose(self) -> None:
        self.engine.dispose()


def open_sqlite(path: Path) -> Database:
    """Makes the file (readable by its owner only) and its tables where they are missing."""
    with _errors_translated():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Only where there is none: closing a file that SQLite has open elsewhere in this process drops its locks there.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
        database = Database(engine)
    with database.writing() as connection:
        METADATA.create_all(connection)
    return database


def to_micros(moment: datetime) -> int:
    """Times are stored as microseconds since 1970, UTC: exact, small, and the same in every database."""
    return int(moment.timestamp() * 1_000_000 + 0.5)


def from_micros(micros: int) -> datetime:
    seconds, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def maybe_micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


def maybe_moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
    # Transactions are begun by _on_begin: the driver's own way would let a read slip out of its transaction.
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -64000"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _errors_translated() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, OSError) as error:
        # The driver's text holds the statement and its values: it is for the log, not for clients.
        _log.warning("state out of reach", error=str(getattr(error, "orig", error)))
        raise Transient("The state cannot be read or written right now. Send this again.", retry_after_s=1.0) from error
