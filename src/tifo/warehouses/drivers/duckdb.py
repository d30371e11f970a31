"""DuckDB: one file, opened for a load and closed after it, so that other programs can read it in between.

Tables have no primary key; ids are looked up before a plain insert. Measured, 50,000 rows into 5 million on 2 cores:

| message ids | primary key | looked up | file with key | without |
| --- | --- | --- | --- | --- |
| random (UUIDv4) | 450 ms | 110 ms | 935 MB | 112 MB |
| in the order of time (UUIDv7) | 150 ms | 8 ms | 266 MB | 92 MB |

(The second is so quick because row groups outside the batch's range of ids are skipped.)

Beside the sources' schemas there is `_tifo`: `positions` (one row a connection) and `loads` (the history of a month).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import Conflict, NotFound, Rejected, Transient
from tifo.kernel.ids import Position
from tifo.kernel.json import JsonObject
from tifo.warehouses import sql
from tifo.warehouses.answers import objects
from tifo.warehouses.columns import EXACT
from tifo.warehouses.ports import ColumnType, Cursor, Discard, Latest, Load, Loaded, Table
from tifo.warehouses.rows import Inserted, as_rows, stamped, without
from tifo.warehouses.schema import Existing, discards_of, evolve, fit
from tifo.warehouses.sql import (
    SINCE,
    deletions,
    insert_latest,
    never_loaded,
    quoted,
    rework_latest,
    stale_ids,
    update_latest,
)

_TYPES = {
    ColumnType.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    ColumnType.INTEGER: "BIGINT",
    ColumnType.FLOAT: "DOUBLE",
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.VARCHAR: "VARCHAR",
}
_OUR_TYPES = {name: column_type for column_type, name in _TYPES.items()}
_TIMESTAMP_TEXT = "strftime(make_timestamp(epoch_us({column})), '%Y-%m-%dT%H:%M:%S.%fZ')"

_HOUSEKEEPING = """
CREATE SCHEMA IF NOT EXISTS _tifo;
CREATE TABLE IF NOT EXISTS _tifo.positions (
    connection VARCHAR PRIMARY KEY, schema_name VARCHAR NOT NULL,
    position BIGINT NOT NULL, updated_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE IF NOT EXISTS _tifo.loads (
    connection VARCHAR NOT NULL, schema_name VARCHAR NOT NULL, after_position BIGINT NOT NULL, position BIGINT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL, finished_at TIMESTAMPTZ NOT NULL,
    rows JSON NOT NULL, duplicates BIGINT NOT NULL, discarded BIGINT NOT NULL, notices JSON NOT NULL
);
"""
_DISCARDS = (
    "table_name VARCHAR, column_name VARCHAR, value VARCHAR, reason VARCHAR, message_id VARCHAR,"
    " received_at TIMESTAMPTZ, discarded_at TIMESTAMPTZ"
)
_HISTORY = timedelta(days=30)
_READ_POLL_S = 0.01
_OWN_ROW_GROUPS = 4_096
"""Rows that a load brings to a table, on average, from which its row groups are large enough to stay."""
_CONFIG: dict[str, str | bool | int | float | list[str]] = {"python_enable_replacements": False}
"""SQL sees tables, never Python's variables."""


class DuckdbWarehouse:
    def __init__(self, path: Path, clock: Clock = system_clock) -> None:
        self._path = path
        self._clock = clock

    def positions(self) -> dict[str, Cursor]:
        if not self._path.exists():
            return {}
        with self._opened(read_only=True) as connection, _errors_translated():
            return _positions(connection)

    def load(self, loads: Sequence[Load], meanwhile: Callable[[], None] | None = None) -> list[Loaded]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._opened(read_only=False) as connection, _errors_translated():
            connection.execute(f"SET max_vacuum_tasks = {_merges(loads)}")
            connection.begin()
            connection.execute(_HOUSEKEEPING)
            known = _positions(connection)
            loaded = [self._load(connection, load, known) for load in loads]
            _commit(connection, meanwhile)
            return loaded

    def table_names(self, schema: str) -> frozenset[str]:
        if not self._path.exists():
            return frozenset()
        with self._opened(read_only=True) as connection, _errors_translated():
            return frozenset(name for (name,) in connection.execute(_TABLES_OF, [schema]).fetchall())

    def rewind(self, connection: str, received_after: datetime | None) -> None:
        if not self._path.exists():
            raise never_loaded(connection)
        with self._opened(read_only=False) as opened, _errors_translated(), _transaction(opened):
            cursor = _positions(opened).get(connection)
            if cursor is None:
                raise never_loaded(connection)
            found = opened.execute(_COLUMNS_OF, [cursor.schema]).fetchall()
            tables = {table for table, column, _ in found if column == "received_at"}
            for statement in deletions(cursor.schema, tables, received_after):
                opened.execute(statement)
            opened.execute("UPDATE _tifo.positions SET position = 0 WHERE connection = ?", [connection])

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

    def tables(self, schema: str, *, wait_s: float = 10.0) -> dict[str, int]:
        if not self._path.exists():
            return {}
        with self._opened_to_read(wait_s) as connection, _errors_translated():
            names = [name for (name,) in connection.execute(_TABLES_OF, [schema]).fetchall()]
            return {name: _count(connection, f"SELECT count(*) FROM {quoted(schema, name)}") for name in names}

    def loaded_at(self, schema: str, message_id: str) -> dict[str, datetime]:
        return sql.loaded_at(self, schema, message_id)

    def _load(self, connection: duckdb.DuckDBPyConnection, load: Load, known: Mapping[str, Cursor]) -> Loaded:
        stored = known[load.connection].position if load.connection in known else Position(0)
        if stored != load.after:
            raise Conflict(
                f"The warehouse holds connection {load.connection!r} at position {stored}, not {load.after}:"
                " another loader works on it. Read the positions again.",
            )
        started_at = self._clock()
        loaded = _Schema(connection, load.schema).take(load, started_at)
        finished_at = self._clock()
        connection.execute(_MOVE, [load.connection, load.schema, load.position, finished_at.isoformat()])
        if load.tables or load.discards:
            _remember(connection, load, loaded, started_at, finished_at)
        return loaded

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
        deadline = time.monotonic() + wait_s
        while True:
            try:
                connection = _connect(self._path, read_only=True)
                break
            except _Busy:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_READ_POLL_S)
        try:
            yield connection
        finally:
            connection.close()


class _Busy(Transient):
    """Another program holds the file."""

    code = "warehouse_busy"


_TABLES_OF = """
SELECT table_name FROM duckdb_tables() WHERE schema_name = ? AND database_name = current_database() ORDER BY table_name
"""
_COLUMNS_OF = """
SELECT table_name, lower(column_name), data_type FROM duckdb_columns()
WHERE schema_name = ? AND database_name = current_database()
"""
_MOVE = """
INSERT INTO _tifo.positions VALUES (?, ?, ?, ?::TIMESTAMPTZ)
ON CONFLICT (connection) DO UPDATE
SET schema_name = excluded.schema_name, position = excluded.position, updated_at = excluded.updated_at
"""


class _Schema:
    """One source's schema, within the load's transaction."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._notices: list[str] = []
        self._discards: list[Discard] = []

    def take(self, load: Load, now: datetime) -> Loaded:
        if load.tables or load.discards:
            self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(self._name)}")
        tables = self._columns() if load.tables else {}
        inserts = {
            name: self._insert(name, stamped(table, now), tables.get(name, {})) for name, table in load.tables.items()
        }
        discards = [*load.discards, *self._discards]
        if discards:
            self._insert_discards(discards, now)
        rows = {name: insert.rows for name, insert in inserts.items()}
        duplicates = sum(insert.duplicates for insert in inserts.values())
        return Loaded(load.connection, rows, duplicates, len(discards), tuple(self._notices))

    def _columns(self) -> dict[str, dict[str, str]]:
        tables: dict[str, dict[str, str]] = {}
        for table, column, data_type in self._connection.execute(_COLUMNS_OF, [self._name]).fetchall():
            tables.setdefault(table, {})[column] = data_type
        return tables

    def _insert(self, name: str, table: Table, stored: Mapping[str, str]) -> Inserted:
        if table.latest is not None:
            return self._merge(name, table, table.latest, stored)
        new = without(table.rows, self._duplicates(name, table.rows) if stored else frozenset())
        if not len(new):
            return Inserted(0, len(table.rows))
        fresh = Table(table.types, new)
        columns, foreign = self._made_fit(name, fresh, stored)
        self._append(name, fresh, fit(fresh, columns), foreign)
        return Inserted(len(new), len(table.rows) - len(new))

    def _made_fit(self, name: str, table: Table, stored: Mapping[str, str]) -> tuple[Existing, dict[str, str]]:
        """The columns after the evolution; and of those that the rows fill, the ones of a foreign type."""
        existing = {column: _OUR_TYPES.get(data_type) for column, data_type in stored.items()}
        columns = self._evolve(name, table, existing)
        return columns, {column: stored[column] for column in table.types if columns.get(column, _MISSING) is None}

    def _merge(self, name: str, table: Table, latest: Latest, stored: Mapping[str, str]) -> Inserted:
        columns, foreign = self._made_fit(name, table, stored)
        rows = fit(table, columns)
        here = quoted(self._name, name)

        def value(column: str) -> str:
            return _value(column, foreign.get(column), "b.")

        with self._registered(rows.append_column(SINCE, latest.since)) as batch:
            self._connection.execute(f"CREATE TEMP TABLE _stale AS {stale_ids(batch, here)}")
            self._connection.execute(update_latest(batch, here, rows.column_names, value))
            self._connection.execute(insert_latest(batch, here, rows.column_names, value))
            for column, data_type in foreign.items():
                self._discard_uncastable(name, table, column, data_type, batch)
        if _count(self._connection, "SELECT count(*) FROM _stale"):
            self._rework(name, latest)
        self._connection.execute("DROP TABLE _stale")
        return Inserted(len(rows), 0)

    def _rework(self, name: str, latest: Latest) -> None:
        tables = self._columns()
        ours, history = tables[name], tables.get(latest.history, {})
        shared = [column for column in ours if column in history and column != "id"]
        differing = [column for column in shared if ours[column] != history[column]]
        for column in differing:
            self._widen(quoted(self._name, name), column, _OUR_TYPES.get(ours[column]), ColumnType.VARCHAR)
        where = quoted(self._name, name), quoted(self._name, latest.history)
        self._connection.execute(rework_latest("_stale", *where, latest.key, shared, as_text=differing))

    def _duplicates(self, name: str, rows: pa.Table) -> frozenset[str]:
        ids = pa.table({"id": rows["id"]})
        range_of_ids = pc.min_max(ids["id"]).as_py()
        stored = quoted(self._name, name)
        with self._registered(ids) as batch:
            found = self._connection.execute(
                f"SELECT s.id FROM {stored} s SEMI JOIN {batch} b ON s.id = b.id WHERE s.id BETWEEN ? AND ?",
                [range_of_ids["min"], range_of_ids["max"]],
            ).fetchall()
        return frozenset(message_id for (message_id,) in found)

    def _evolve(self, name: str, table: Table, existing: Existing) -> Existing:
        stored = quoted(self._name, name)
        evolution = evolve(existing, table, lambda column: self._is_exact(stored, column))
        if not existing:
            self._connection.execute(f"CREATE TABLE {stored} ({_definitions(evolution.added)})")
            self._notices.append(f"table {name} made")
        else:
            for column, column_type in evolution.added.items():
                self._connection.execute(f"ALTER TABLE {stored} ADD COLUMN {_definitions({column: column_type})}")
                self._notices.append(f"column {name}.{column} added as {column_type}")
        for column, column_type in evolution.widened.items():
            self._widen(stored, column, existing[column], column_type)
            self._notices.append(f"column {name}.{column} widened from {existing[column]} to {column_type}")
        for column in evolution.refused:
            self._discards += discards_of(name, table, column, "the table has no room for another column")
        return evolution.after(existing)

    def _is_exact(self, stored: str, column: str) -> bool:
        name = quoted(column)
        sql = f"SELECT count(*) FROM {stored} WHERE {name} NOT BETWEEN {-EXACT} AND {EXACT}"
        return _count(self._connection, sql) == 0

    def _widen(self, stored: str, column: str, current: ColumnType | None, wider: ColumnType) -> None:
        name = quoted(column)
        using = f" USING {_TIMESTAMP_TEXT.format(column=name)}" if current is ColumnType.TIMESTAMP else ""
        self._connection.execute(f"ALTER TABLE {stored} ALTER COLUMN {name} TYPE {_TYPES[wider]}{using}")

    def _append(self, name: str, table: Table, rows: pa.Table, foreign: Mapping[str, str]) -> None:
        names = ", ".join(map(quoted, rows.column_names))
        values = ", ".join(_value(column, foreign.get(column)) for column in rows.column_names)
        with self._registered(rows) as batch:
            self._connection.execute(f"INSERT INTO {quoted(self._name, name)} ({names}) SELECT {values} FROM {batch}")
            for column, data_type in foreign.items():
                self._discard_uncastable(name, table, column, data_type, batch)

    def _discard_uncastable(self, name: str, table: Table, column: str, data_type: str, batch: str) -> None:
        is_lost = f"{quoted(column)} IS NOT NULL AND {_value(column, data_type)} IS NULL"
        found = self._connection.execute(f"SELECT id FROM {batch} WHERE {is_lost}").fetchall()
        if found:
            ids = pa.array([message_id for (message_id,) in found], pa.string())
            lost = replace(table, rows=table.rows.filter(pc.is_in(table.rows["id"], ids)))
            self._discards += discards_of(name, lost, column, f"does not convert to the column's type {data_type}")

    def _insert_discards(self, discards: Sequence[Discard], now: datetime) -> None:
        stored = quoted(self._name, "_discards")
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS {stored} ({_DISCARDS})")
        with self._registered(as_rows(discards)) as name:
            self._connection.execute(
                f"INSERT INTO {stored} SELECT * REPLACE (TRY_CAST(received_at AS TIMESTAMPTZ) AS received_at),"
                f" ?::TIMESTAMPTZ FROM {name}",
                [now.isoformat()],
            )

    @contextmanager
    def _registered(self, rows: pa.Table) -> Iterator[str]:
        """After an error the transaction is aborted and takes no unregistering; the connection is closed then."""
        self._connection.register("_batch", rows)
        yield "_batch"
        self._connection.unregister("_batch")


_MISSING = object()


def _value(column: str, foreign_type: str | None, of: str = "") -> str:
    name = f"{of}{quoted(column)}"
    return name if foreign_type is None else f"TRY_CAST({name} AS {foreign_type})"


def _definitions(columns: Mapping[str, ColumnType]) -> str:
    return ", ".join(f"{quoted(name)} {_TYPES[column_type]}" for name, column_type in columns.items())


def _count(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    ((number,),) = connection.execute(sql).fetchall()
    return int(number)


def _positions(connection: duckdb.DuckDBPyConnection) -> dict[str, Cursor]:
    if ("positions",) not in connection.execute(_TABLES_OF, ["_tifo"]).fetchall():
        return {}
    rows = connection.execute("SELECT connection, schema_name, position FROM _tifo.positions").fetchall()
    return {name: Cursor(schema, Position(position)) for name, schema, position in rows}


def _remember(
    connection: duckdb.DuckDBPyConnection, load: Load, loaded: Loaded, started_at: datetime, finished_at: datetime
) -> None:
    rows, notices = (msgspec.json.encode(value).decode() for value in (loaded.rows, loaded.notices))
    connection.execute(
        "INSERT INTO _tifo.loads VALUES (?, ?, ?, ?, ?::TIMESTAMPTZ, ?::TIMESTAMPTZ, ?, ?, ?, ?)",
        [
            load.connection,
            load.schema,
            load.after,
            load.position,
            started_at.isoformat(),
            finished_at.isoformat(),
            rows,
            loaded.duplicates,
            loaded.discarded,
            notices,
        ],
    )
    oldest = (finished_at - _HISTORY).isoformat()
    connection.execute("DELETE FROM _tifo.loads WHERE finished_at < ?::TIMESTAMPTZ", [oldest])


def _merges(loads: Sequence[Load]) -> int:
    """How many merges of row groups DuckDB may do as it commits.

    Merging reads and writes a table's last groups again, in every commit, the longer the larger they have grown: a
    third of the time of a backlog. Small loads need it (or a table would become thousands of small groups), large ones
    do not.
    """
    sizes = [len(table.rows) for load in loads for table in load.tables.values()]
    return 0 if sum(sizes) >= _OWN_ROW_GROUPS * max(1, len(sizes)) else 1


def _connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(str(path), read_only=read_only, config=_CONFIG)
    except (duckdb.IOException, duckdb.ConnectionException) as error:
        if "lock" in str(error) or isinstance(error, duckdb.ConnectionException):
            raise _Busy(f"Another program holds {path}: {error}", retry_after_s=0.1) from error
        raise Transient(f"The warehouse {path} does not open: {error}", retry_after_s=1.0) from error
    except duckdb.Error as error:
        raise Transient(f"The warehouse {path} does not open: {error}", retry_after_s=1.0) from error


def _commit(connection: duckdb.DuckDBPyConnection, meanwhile: Callable[[], None] | None) -> None:
    """Most of a large load's time is one long call, which leaves the interpreter to others."""
    if meanwhile is None:
        connection.commit()
        return
    with ThreadPoolExecutor(1, "commit") as aside:
        committing = aside.submit(connection.commit)
        meanwhile()
        committing.result()


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Left by an error, the transaction ends with its connection, which is closed right after."""
    connection.begin()
    yield
    connection.commit()


@contextmanager
def _errors_translated() -> Iterator[None]:
    try:
        yield
    except (duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException, pa.ArrowInvalid) as error:
        raise Rejected(f"The warehouse refuses a value: {error}") from error
    except duckdb.Error as error:
        raise Transient(f"The warehouse could not take the load: {error}") from error
