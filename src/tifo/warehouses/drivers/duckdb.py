"""Loads into a DuckDB file, and queries it.

The file is opened for a load and closed after it, so that other programs can read it in between.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import NotFound, Rejected, Transient
from tifo.kernel.json import JsonObject
from tifo.warehouses.answers import objects
from tifo.warehouses.drivers.dialect import Dialect, Session
from tifo.warehouses.drivers.sql_warehouse import SqlWarehouse
from tifo.warehouses.ports import ColumnType, Load, Loaded
from tifo.warehouses.sql import never_loaded, quoted

DUCKDB = Dialect(
    types={
        ColumnType.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
        ColumnType.INTEGER: "BIGINT",
        ColumnType.FLOAT: "DOUBLE",
        ColumnType.BOOLEAN: "BOOLEAN",
        ColumnType.VARCHAR: "VARCHAR",
    },
    tables_of="""
SELECT table_name FROM duckdb_tables() WHERE schema_name = $1 AND database_name = current_database() ORDER BY table_name
""",
    # In small letters: DuckDB finds a column in any spelling, but lists it as someone first wrote it.
    columns_of="""
SELECT table_name, lower(column_name), data_type FROM duckdb_columns()
WHERE schema_name = $1 AND database_name = current_database()
""",
    # strftime of a TIMESTAMP WITH TIME ZONE writes the session's time zone; make_timestamp gives a plain UTC one.
    timestamp_text="strftime(make_timestamp(epoch_us({column})), '%Y-%m-%dT%H:%M:%S.%fZ')",
    try_cast=lambda value, data_type: f"TRY_CAST({value} AS {data_type})",
    # Ids are looked up before a plain insert. A key costs 4 to 18 times the time, and 3 to 8 times the file
    # (docs/decisions/0003).
    has_primary_keys=False,
    alters_at_once=False,  # "Only one ALTER command per statement is supported"
    sorts_text_by_bytes=True,
)
_READ_POLL_S = 0.01
"""Pause between two attempts to open a file that a load holds."""
_OWN_ROW_GROUPS = 4_096
"""Rows for each table of a load, on average, from which its row groups are large enough to stay."""
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # Without it a name in SQL that is no table finds a variable of the calling Python code.
    "python_enable_replacements": False,
    # The block size of files that are made from now on, in place of 256 KiB. Each table takes a block of its own,
    # however few rows it has; large loads are as quick (docs/decisions/0014).
    "default_block_size": "65536",
}


class DuckdbWarehouse(SqlWarehouse):
    def __init__(self, path: Path, clock: Clock = system_clock) -> None:
        super().__init__(clock)
        self._path = path

    def load(self, loads: Sequence[Load], meanwhile: Callable[[], None] | None = None) -> list[Loaded]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._opened(read_only=False) as connection, _errors_translated():
            connection.execute(f"SET max_vacuum_tasks = {_merges(loads)}")
            connection.begin()
            loaded = self._load_all(DuckdbSession(connection), loads)
            _commit(connection, meanwhile)
            return loaded

    def rewind(self, connection: str, received_after: datetime | None) -> None:
        if not self._path.exists():  # opening it to write would make it
            raise never_loaded(connection)
        super().rewind(connection, received_after)

    def query(self, sql: str, *, wait_s: float = 10.0) -> list[JsonObject]:
        with self._opened_to_read(wait_s) as connection:
            try:
                relation = connection.sql(sql)
                rows = None if relation is None else relation.to_arrow_table()
            except duckdb.OperationalError as error:
                raise Transient(f"The warehouse could not answer: {error}") from error
            except duckdb.Error as error:
                raise Rejected(str(error), code="invalid_sql") from error
        return [] if rows is None else objects(rows)

    @contextmanager
    def _reading(self, wait_s: float) -> Iterator[Session]:
        with self._opened_to_read(wait_s) as connection, _errors_translated():
            yield DuckdbSession(connection)

    @contextmanager
    def _rewinding(self) -> Iterator[Session]:
        with self._opened(read_only=False) as connection, _errors_translated():
            connection.begin()  # left by an error, the transaction ends with its connection
            yield DuckdbSession(connection)
            connection.commit()

    @contextmanager
    def _opened(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        connection = _connect(self._path, read_only=read_only)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def _opened_to_read(self, wait_s: float) -> Iterator[duckdb.DuckDBPyConnection]:
        if not self._path.exists():
            raise NotFound(
                f"There is no warehouse at {self._path} yet: the first load makes it. Start `tifo up`, send events.",
                code="no_warehouse",
            )
        connection = self._connected_within(wait_s)
        try:
            yield connection
        finally:
            connection.close()

    def _connected_within(self, wait_s: float) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + wait_s
        while True:
            try:
                return _connect(self._path, read_only=True)
            except _Busy:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_READ_POLL_S)


class DuckdbSession(Session):
    """DuckDB reads Arrow tables where they are; registering one copies nothing."""

    dialect = DUCKDB

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def execute(self, sql: str, *values: object) -> None:
        self._connection.execute(sql, values or None)

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, values or None).fetchall()

    @contextmanager
    def batch(self, rows: pa.Table) -> Iterator[str]:
        self._connection.register("_batch", rows)
        yield "_batch"
        # Not after an error: the aborted transaction would refuse it, and the connection is closed then.
        self._connection.unregister("_batch")

    def append(self, schema: str, table: str, rows: pa.Table) -> None:
        names = ", ".join(map(quoted, rows.column_names))
        with self.batch(rows) as batch:
            self.execute(f"INSERT INTO {quoted(schema, table)} ({names}) SELECT {names} FROM {batch}")


class _Busy(Transient):
    """Another program holds the file."""

    code = "warehouse_busy"


def _merges(loads: Sequence[Load]) -> int:
    """Returns how many merges of row groups DuckDB may do as it commits."""
    # Merging reads and writes a table's last groups again, in every commit, the longer the larger they have grown: a
    # third of a backlog's time (docs/decisions/0008). Small loads need it, or a table would become thousands of small
    # groups.
    sizes = [len(table.rows) for load in loads for table in load.tables.values()]
    return 0 if sum(sizes) >= _OWN_ROW_GROUPS * max(1, len(sizes)) else 1


def _connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(str(path), read_only=read_only, config=_CONFIG)
    except (duckdb.IOException, duckdb.ConnectionException) as error:
        # DuckDB has no error of its own for a file that another process holds: only its text says so. A connection of
        # this process with another setting (to read, to write) is a ConnectionException.
        if "lock" in str(error) or isinstance(error, duckdb.ConnectionException):
            raise _Busy(f"Another program holds {path}: {error}", retry_after_s=0.1) from error
        raise Transient(f"The warehouse {path} does not open: {error}", retry_after_s=1.0) from error
    except duckdb.Error as error:
        raise Transient(f"The warehouse {path} does not open: {error}", retry_after_s=1.0) from error


def _commit(connection: duckdb.DuckDBPyConnection, meanwhile: Callable[[], None] | None) -> None:
    """Commits, and calls `meanwhile` while that lasts."""
    # Two thirds of a large load's time are this one call, which leaves the interpreter to others.
    if meanwhile is None:
        connection.commit()
        return
    with ThreadPoolExecutor(1, "commit") as thread:
        committing = thread.submit(connection.commit)
        meanwhile()
        committing.result()


@contextmanager
def _errors_translated() -> Iterator[None]:
    try:
        yield
    except (duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException, pa.ArrowInvalid) as error:
        raise Rejected(f"The warehouse refuses a value: {error}") from error
    except duckdb.Error as error:
        raise Transient(f"The warehouse could not take the load: {error}") from error
