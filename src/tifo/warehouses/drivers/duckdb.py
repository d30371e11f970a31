"""Loads into a DuckDB file, and queries a copy of it that any number of programs may read at any time.

The file that is loaded is opened for a load and closed after it, and then copied (`published.py`).
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
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
from tifo.warehouses.drivers.published import PublishedFile
from tifo.warehouses.drivers.sql_warehouse import SqlWarehouse
from tifo.warehouses.ports import ColumnType, Load, Loaded
from tifo.warehouses.sql import never_loaded, quoted

# strftime of a TIMESTAMP WITH TIME ZONE writes the session's time zone; make_timestamp gives a plain UTC one.
_TIMESTAMP_TEXT = """
regexp_replace(
    strftime(make_timestamp(epoch_us({column})), '%Y-%m-%dT%H:%M:%S.%fZ'), '(\\.000|(\\.\\d{{3}}))000Z$', '\\2Z'
)"""
# DuckDB writes 1.0, and an exponent from 1e+16 on and below 1e-04. HUGEINT and DECIMAL read that text exactly.
_FLOAT_TEXT = """CASE
    WHEN abs({column}) >= 1e16 AND abs({column}) < 1e21 THEN {column}::varchar::hugeint::varchar
    WHEN abs({column}) >= 1e-6 AND abs({column}) < 1e-4 THEN rtrim({column}::varchar::decimal(38, 30)::varchar, '0')
    ELSE regexp_replace(regexp_replace({column}::varchar, '\\.0$', ''), 'e\\+?(-?)0*(\\d)', 'e\\1\\2')
END"""

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
    timestamp_text=_TIMESTAMP_TEXT,
    float_text=_FLOAT_TEXT,
    try_cast=lambda value, data_type: f"TRY_CAST({value} AS {data_type})",
    # Ids are looked up before a plain insert. A key costs 4 to 18 times the time, and 3 to 8 times the file
    # (docs/decisions/0003).
    has_primary_keys=False,
    alters_at_once=False,  # "Only one ALTER command per statement is supported"
    sorts_text_by_bytes=True,
)
_OPEN_POLL_S = 0.01
"""Pause between two attempts to open a file that another program holds."""
_LOAD_WAIT_S, _REWIND_WAIT_S = 2.0, 10.0
"""The waits of a load for a rewind to end, and of a rewind for a load."""
_OWN_ROW_GROUPS = 4_096
"""Rows for each table of a load, on average, from which its row groups are large enough to stay."""
_NOT_IN_ARROW = re.compile(r"\b(UHUGEINT|BIGNUM|BIT|TIME WITH TIME ZONE|VARIANT)\b")
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # Without it a name in SQL that is no table finds a variable of the calling Python code.
    "python_enable_replacements": False,
    # The oldest version that this one works with: each newer one, a command line of 1.4 included, reads the file.
    "storage_compatibility_version": "v1.4.0",
    # The block size of files that are made from now on, in place of 256 KiB. Each table takes a block of its own,
    # however few rows it has; large loads are as quick (docs/decisions/0019).
    "default_block_size": "65536",
}


class DuckdbWarehouse(SqlWarehouse):
    """Loads a working file, and answers from its published copy, which is at `path`."""

    def __init__(self, path: Path, clock: Clock = system_clock) -> None:
        super().__init__(clock)
        self._file = PublishedFile(path, _merge)

    def load(self, loads: Sequence[Load], meanwhile: Callable[[], None] | None = None) -> list[Loaded]:
        self._file.prepare()
        with self._writing(_LOAD_WAIT_S) as connection, _errors_translated():
            connection.execute(f"SET max_vacuum_tasks = {_merges(loads)}")
            connection.begin()
            loaded = self._load_all(DuckdbSession(connection), loads)
            _commit(connection, meanwhile)
        self._file.publish_if_due()
        return loaded

    def publish(self, *, at_end: bool = False) -> None:
        self._file.publish_if_due(at_end=at_end)

    def rewind(self, connection: str, received_after: datetime | None) -> None:
        if not self._file.exists:  # opening it to write would make it
            raise never_loaded(connection)
        self._file.prepare()
        super().rewind(connection, received_after)
        self._file.publish()

    def query(self, sql: str, *, wait_s: float = 10.0) -> list[JsonObject]:
        with self._opened_to_read(wait_s) as connection:
            try:
                relation = connection.sql(sql)
                rows = None if relation is None else _readable(relation).to_arrow_table()
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
    def _reading_committed(self) -> Iterator[Session]:
        if not self._file.exists:
            raise self._no_warehouse()
        self._file.prepare()
        with _opened(self._file.working, read_only=True) as connection, _errors_translated():
            yield DuckdbSession(connection)

    @contextmanager
    def _rewinding(self) -> Iterator[Session]:
        with self._writing(_REWIND_WAIT_S) as connection, _errors_translated():
            connection.begin()  # left by an error, the transaction ends with its connection
            yield DuckdbSession(connection)
            connection.commit()

    @contextmanager
    def _writing(self, wait_s: float) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._file.alone(wait_s), _opened(self._file.working, read_only=False) as connection:
            yield connection

    def _opened_to_read(self, wait_s: float) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        if not self._file.published.exists():
            raise self._no_warehouse()
        return _opened(self._file.published, read_only=True, wait_s=wait_s)

    def _no_warehouse(self) -> NotFound:
        return NotFound(
            f"There is no warehouse at {self._file.published} yet: the first load makes it. Start `tifo up`, send"
            " events.",
            code="no_warehouse",
        )


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


@contextmanager
def _opened(path: Path, *, read_only: bool, wait_s: float = 0.0) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = _connected_within(path, wait_s, read_only=read_only)
    try:
        yield connection
    finally:
        connection.close()


def _merge(path: Path) -> None:
    with _opened(path, read_only=False):
        """Closing it merges its log."""


def _connected_within(path: Path, wait_s: float, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    deadline_s = time.monotonic() + wait_s
    while True:
        try:
            return _connect(path, read_only=read_only)
        except _Busy:
            if time.monotonic() >= deadline_s:
                raise
            time.sleep(_OPEN_POLL_S)


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


def _readable(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Writes values as text that Arrow has no type for: it would get other values, or bytes."""
    kinds = [str(kind) for kind in relation.types]
    if not any(map(_NOT_IN_ARROW.search, kinds)):
        return relation
    columns = [
        f"#{number}{'::varchar' if _NOT_IN_ARROW.search(kind) else ''} AS {quoted(name)}"
        for number, (name, kind) in enumerate(zip(relation.columns, kinds, strict=True), 1)
    ]
    return relation.project(", ".join(columns))


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
