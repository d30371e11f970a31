"""Loads into a PostgreSQL database, and queries it: a connection for each load, rows by COPY, all in one transaction.

A server restart, a lock that somebody holds, a right that is missing: the load is refused as `Transient`, with the
reason, and nothing is changed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pyarrow as pa
from adbc_driver_manager import Error
from adbc_driver_postgresql import dbapi

from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import Rejected, TifoError, Transient, Unusable
from tifo.kernel.json import JsonObject
from tifo.kernel.postgres_refusals import is_lasting, reason_of
from tifo.warehouses.answers import objects
from tifo.warehouses.calls import STANDARD_COLUMNS
from tifo.warehouses.drivers.dialect import Dialect, Session
from tifo.warehouses.drivers.postgres_address import with_parameters
from tifo.warehouses.drivers.postgres_rows import (
    COMPRESSED_BYTES,
    MAX_KEY_BYTES,
    POINTER_BYTES,
    RowWidths,
    StoredColumn,
)
from tifo.warehouses.drivers.postgres_texts import storable_discard, with_short_names, without_nul
from tifo.warehouses.drivers.sql_warehouse import SqlWarehouse
from tifo.warehouses.ports import ColumnType, Load, Loaded
from tifo.warehouses.sql import LATEST_TABLES, literal, quoted

# to_char writes the year 0, which earlier versions of Tifo loaded, as the year 1.
_TIMESTAMP_TEXT = """
CASE WHEN {column} < '0001-01-01T00:00:00Z' THEN '0000' ELSE to_char({column} AT TIME ZONE 'UTC', 'YYYY') END
|| regexp_replace(
    to_char({column} AT TIME ZONE 'UTC', '-MM-DD"T"HH24:MI:SS.US"Z"'), '(\\.000|(\\.\\d{{3}}))000Z$', '\\2Z'
)"""
# PostgreSQL writes an exponent from 1e+15 on and below 1e-04. `numeric` reads that text exactly.
_FLOAT_TEXT = """CASE
    WHEN abs({column}) >= 1e-6 AND abs({column}) < 1e21 THEN {column}::text::numeric::text
    ELSE regexp_replace({column}::text, 'e\\+?(-?)0*(\\d)', 'e\\1\\2')
END"""

POSTGRES = Dialect(
    types={
        ColumnType.TIMESTAMP: "timestamp with time zone",
        ColumnType.INTEGER: "bigint",
        ColumnType.FLOAT: "double precision",
        ColumnType.BOOLEAN: "boolean",
        ColumnType.VARCHAR: "text",
    },
    synonyms={"character varying": ColumnType.VARCHAR},
    tables_of="""
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') ORDER BY c.relname
""",
    columns_of="""
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
""",
    timestamp_text=_TIMESTAMP_TEXT,
    float_text=_FLOAT_TEXT,
    try_cast=lambda value, kind: f"pg_temp.tifo_try_cast({value}::text, {literal(kind)})::{kind}",
    # PostgreSQL has no TRY_CAST. A cast to varchar(n) cuts the text silently: that counts as a failure.
    try_cast_setup="""
CREATE OR REPLACE FUNCTION pg_temp.tifo_try_cast(value text, target text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
    EXECUTE format('SELECT ($1::%s)::text', target) INTO result USING value;
    IF target LIKE 'character%' AND result IS DISTINCT FROM value THEN RETURN NULL; END IF;
    RETURN result;
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR cannot_coerce OR undefined_object THEN
    RETURN NULL;
END $$
""",
    has_primary_keys=True,
    alters_at_once=True,  # it rewrites the table once for all of them
    sorts_text_by_bytes=False,
    max_key_bytes=MAX_KEY_BYTES,
    max_columns=1_000,  # PostgreSQL takes 1,600, those that were dropped included, and a row of at most 8 kB
    storable=storable_discard,
)
# ADBC cannot go on after an error, so the server itself catches it.
_TRY = """
CREATE OR REPLACE FUNCTION pg_temp.tifo_try(statement text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN true;
EXCEPTION WHEN program_limit_exceeded THEN
    RETURN false;
END $$
"""
# Asked of the server, not assumed: someone may have dropped a table's key, and a COPY would then double rows.
_KEYED = """
SELECT c.relname
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
WHERE n.nspname = $1 AND a.attname = 'id' AND i.indisunique AND i.indnatts = 1 AND i.indpred IS NULL
"""
# PostgreSQL refuses to change the type of a column that a view uses.
_SEEN_BY_VIEWS = """
SELECT DISTINCT a.attname
FROM pg_depend d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    JOIN pg_class c ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
WHERE n.nspname = $1 AND c.relname = $2 AND r.ev_class <> c.oid
"""
_LAST_COLUMN = """
SELECT coalesce(max(a.attnum), 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0
"""
_MAX_COLUMNS_EVER = 1_600
"""PostgreSQL counts the columns that were dropped too."""
_ATTRIBUTES = """
SELECT a.attname::text, a.attnum::int, a.attlen::int, a.attalign::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
# A reader's lock must not hold the loader without end. A server's own limit for statements must not end a large load.
# The advisory lock keeps two loaders from making the same table at once; it ends with the transaction.
_BEGIN_LOAD = (
    "SET LOCAL lock_timeout = '15s'",
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL extra_float_digits = 1",  # a float's text gives the same float again
    "SELECT pg_advisory_xact_lock(hashtextextended('tifo.load', 0))",
)
_DUPLICATE, _NO_RIGHT, _TOO_LARGE, _BUSY = "23505", "42501", "54000", ("55P03", "40P01", "40001")
_BAD_TEXT = ("22021", "22P05")


class _Attempt(NamedTuple):
    """Chooses how a load is tried: the quickest way first, and again with more care where PostgreSQL refuses it."""

    # The log holds no duplicates, so a key rarely refuses a row: only where a log is read again.
    trusts_keys: bool = True
    """COPY into the tables themselves; a duplicate makes that fail."""
    # PostgreSQL's text cannot hold U+0000. `␀` stands for it in the row; `_discards` has the exact value, as JSON.
    replaces_nul: bool = False
    """Look for texts that PostgreSQL cannot store; one makes the COPY fail otherwise."""
    moved_bytes: int | None = None
    """Measure rows, and take what stays in the row of a text that PostgreSQL moves out of it for so many bytes."""

    def after(self, sqlstate: str | None) -> "_Attempt | None":
        """Returns the attempt that follows a refusal; None where another is no use."""
        if sqlstate == _DUPLICATE and self.trusts_keys:
            return self._replace(trusts_keys=False)
        if sqlstate in _BAD_TEXT and not self.replaces_nul:
            return self._replace(replaces_nul=True)
        if sqlstate == _TOO_LARGE and self.moved_bytes != COMPRESSED_BYTES:
            return self._replace(moved_bytes=POINTER_BYTES if self.moved_bytes is None else COMPRESSED_BYTES)
        return None


class PostgresWarehouse(SqlWarehouse):
    """`url` is libpq's `postgresql://user:password@host:port/database`. Nothing is opened before it is needed."""

    def __init__(self, url: str, clock: Clock = system_clock) -> None:
        super().__init__(clock)
        self._url = with_parameters(url)

    def load(
        self,
        loads: Sequence[Load],
        meanwhile: Callable[[], None] | None = None,  # noqa: ARG002 (the commit is short here)
    ) -> list[Loaded]:
        short = list(map(with_short_names, loads))
        attempt = _Attempt()
        with _translated():
            while True:
                try:
                    return self._try_to_load(short, attempt)
                except Error as error:
                    following = attempt.after(error.sqlstate)
                    if following is None:
                        raise
                    attempt = following

    def query(self, sql: str, *, wait_s: float = 10.0) -> list[JsonObject]:  # noqa: ARG002 (readers wait for nobody here)
        with _translated(invalid_sql=True), self._opened() as cursor:
            # People's SQL: the server itself refuses what would change something.
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute("SET LOCAL TimeZone = 'UTC'")
            cursor.execute(sql)
            rows: pa.Table = cursor.fetch_arrow_table()
        return objects(rows)

    def _try_to_load(self, loads: Sequence[Load], attempt: _Attempt) -> list[Loaded]:
        storable = list(map(without_nul, loads)) if attempt.replaces_nul else loads
        with self._begun(attempt) as session:
            return self._load_all(session, storable)

    @contextmanager
    def _reading(self, wait_s: float) -> Iterator[Session]:  # noqa: ARG002 (readers wait for nobody here)
        with _translated(), self._opened() as cursor:
            yield PostgresSession(cursor, _Attempt(trusts_keys=False))

    @contextmanager
    def _rewinding(self) -> Iterator[Session]:
        with _translated(), self._begun(_Attempt(trusts_keys=False)) as session:
            yield session

    @contextmanager
    def _begun(self, attempt: _Attempt) -> Iterator[Session]:
        """Opens a session that holds the lock of loads, and commits at the end of the block."""
        with self._opened() as cursor:
            for statement in _BEGIN_LOAD:
                cursor.execute(statement)
            yield PostgresSession(cursor, attempt)
            cursor.connection.commit()

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """Yields a cursor in a transaction that ends without effect unless it is committed."""
        with dbapi.connect(self._url) as connection, connection.cursor() as cursor:
            yield cursor

    def _prepare(self, session: Session) -> None:
        ((encoding,),) = session.rows("SELECT current_setting('server_encoding')")
        # Others cannot store every text that an event may hold.
        if encoding != "UTF8":
            raise Transient(f"The database's encoding is {encoding}. Make one with ENCODING 'UTF8' and connect that.")
        super()._prepare(session)


class PostgresSession(Session):
    """ADBC writes Arrow tables with COPY, in its binary form."""

    dialect = POSTGRES

    def __init__(self, cursor: Any, attempt: _Attempt) -> None:
        self._cursor = cursor
        self._attempt = attempt

    def execute(self, sql: str, *values: object) -> None:
        self._cursor.execute(sql, values or None)

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        self._cursor.execute(sql, values or None)
        return list(self._cursor.fetchall())

    @contextmanager
    def batch(self, rows: pa.Table) -> Iterator[str]:
        self._cursor.adbc_ingest("_batch", rows, mode="create", temporary=True)
        yield "pg_temp._batch"  # named with its schema: a table of people's may have the same name
        self._cursor.execute("DROP TABLE pg_temp._batch")

    def append(self, schema: str, table: str, rows: pa.Table) -> None:
        self._cursor.adbc_ingest(table, rows, mode="append", db_schema_name=schema)

    def keyed_tables(self, schema: str) -> frozenset[str]:
        return frozenset(name for (name,) in self.rows(_KEYED, schema)) if self._attempt.trusts_keys else frozenset()

    def pinned_columns(self, schema: str, table: str) -> frozenset[str]:
        return frozenset(column for (column,) in self.rows(_SEEN_BY_VIEWS, schema, table))

    def spare_columns(self, schema: str, table: str) -> int:
        ((taken,),) = self.rows(_LAST_COLUMN, schema, table)
        return max(0, _MAX_COLUMNS_EVER - int(taken))

    def excess(self, schema: str, table: str, rows: pa.Table, *, reserved_bytes: int = 0) -> Mapping[str, pa.Array]:
        if self._attempt.moved_bytes is None:
            return {}
        attributes = [StoredColumn(*row) for row in self.rows(_ATTRIBUTES, schema, table)]
        widths = RowWidths(attributes, self._attempt.moved_bytes, reserved_bytes)
        stored = self._stored_widths(schema, table, rows, attributes) if table in LATEST_TABLES else None
        return widths.excess(rows, STANDARD_COLUMNS, stored)

    def _stored_widths(
        self, schema: str, table: str, rows: pa.Table, attributes: Sequence[StoredColumn]
    ) -> dict[str, dict[str, int]]:
        names = [each.name for each in attributes]
        sizes = ", ".join(f"pg_column_size({quoted(name)})" for name in names)
        sql = f"SELECT id, {sizes} FROM {quoted(schema, table)} WHERE id IN (SELECT unnest($1::text[]))"
        stored = self.rows(sql, rows["id"].to_pylist())
        return {
            row_id: {n: int(size) for n, size in zip(names, of_row, strict=True) if size} for row_id, *of_row in stored
        }

    def attempt(self, sql: str) -> bool:
        if self._attempt.moved_bytes is None:
            return super().attempt(sql)
        self.execute(_TRY)
        ((done,),) = self.rows("SELECT pg_temp.tifo_try($1)", sql)
        return bool(done)


class _Fault(NamedTuple):
    sqlstate: str
    message: str


@contextmanager
def _translated(*, invalid_sql: bool = False) -> Iterator[None]:
    try:
        yield
    except Error as error:
        # ADBC puts the whole statement behind the message.
        raise _as_ours(_Fault(error.sqlstate or "", str(error).split("\nQuery was")[0]), invalid_sql) from error
    except pa.ArrowInvalid as error:
        raise Rejected(f"The warehouse refuses a value: {error}") from error


def _as_ours(fault: _Fault, invalid_sql: bool) -> TifoError:
    state, message = fault
    if invalid_sql and state[:2] in ("42", "25", "22", "0A", "2F", "34"):
        return Rejected(message, code="invalid_sql")
    if state[:2] in ("22", "23") or state == _TOO_LARGE:
        return Rejected(f"The warehouse refuses a value: {message}")
    if state == _NO_RIGHT:
        denied = (
            f"PostgreSQL lacks a right of Tifo's user: {message}. Grant it (docs/warehouses.md lists what is needed);"
        )
        return _unusable(f"{denied} the load is tried again.", code="warehouse_denied")
    if is_lasting(message):
        refused = f"PostgreSQL refuses the connection: {reason_of(message)}. Correct the warehouse's address, or"
        return _unusable(f"{refused} make the database, the user or the right.", code="warehouse_refused")
    if state in _BUSY:
        return Transient(f"Somebody holds a lock in the warehouse: {message}", retry_after_s=0.5, code="warehouse_busy")
    return Transient(f"PostgreSQL could not take the load: {message}", retry_after_s=1.0)


def _unusable(message: str, *, code: str) -> Unusable:
    return Unusable(message, reason=message, retry_after_s=10.0, code=code)
