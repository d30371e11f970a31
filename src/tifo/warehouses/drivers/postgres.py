"""PostgreSQL: a connection for each load, rows by COPY, all in one transaction.

Tables have a primary key, `id`. Rows are copied straight into them: the log holds no duplicates, so there rarely is
one. Where the key refuses (a log that is read again), the whole load is repeated by way of temporary tables, and only
what is new is inserted. A load that holds U+0000, which PostgreSQL's text cannot, is repeated too: the character
becomes `␀` in the row, and the exact value, as JSON, stands in `_discards`.

Names are cut to PostgreSQL's 63 bytes; one that is cut ends in 8 digits of its SHA-256.

Beside the sources' schemas there is `_tifo`: `positions` (one row a connection) and `loads` (the history of a month).
A server restart, a lock that somebody holds, a right that is missing: the load is refused as `Transient`, with the
reason, and nothing is changed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import msgspec
import pyarrow as pa
from adbc_driver_manager import Error
from adbc_driver_postgresql import dbapi

from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import Conflict, Rejected, TifoError, Transient
from tifo.kernel.ids import Position
from tifo.kernel.json import JsonObject
from tifo.warehouses import sql
from tifo.warehouses.answers import objects
from tifo.warehouses.drivers.postgres_copy import COLUMNS_OF, Manner, PostgresSchema, cut_to_fit
from tifo.warehouses.ports import Cursor, Load, Loaded
from tifo.warehouses.sql import deletions, never_loaded, quoted

_PARAMETERS = {
    "connect_timeout": "10",
    "application_name": "tifo",
    "keepalives_idle": "15",
    "tcp_user_timeout": "30000",
}
"""What holds where the address does not say otherwise: a server that is gone must not hold the loader for ever."""
_SESSION = (
    "SET LOCAL lock_timeout = '15s'",
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL TimeZone = 'UTC'",
    "SELECT pg_advisory_xact_lock(hashtextextended('tifo.load', 0))",
)
_HOUSEKEEPING = (
    "CREATE SCHEMA IF NOT EXISTS _tifo",
    """CREATE TABLE IF NOT EXISTS _tifo.positions (
    connection text PRIMARY KEY, schema_name text NOT NULL, position bigint NOT NULL, updated_at timestamptz NOT NULL
)""",
    """CREATE TABLE IF NOT EXISTS _tifo.loads (
    connection text NOT NULL, schema_name text NOT NULL, after_position bigint NOT NULL, position bigint NOT NULL,
    started_at timestamptz NOT NULL, finished_at timestamptz NOT NULL,
    rows json NOT NULL, duplicates bigint NOT NULL, discarded bigint NOT NULL, notices json NOT NULL
)""",
)
_MOVE = """
INSERT INTO _tifo.positions VALUES ($1, $2, $3, $4)
ON CONFLICT (connection) DO UPDATE
SET schema_name = excluded.schema_name, position = excluded.position, updated_at = excluded.updated_at
"""
_REMEMBER = "INSERT INTO _tifo.loads VALUES ($1, $2, $3, $4, $5, $6, $7::text::json, $8, $9, $10::text::json)"
_TABLES_OF = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') ORDER BY c.relname
"""
_HISTORY = timedelta(days=30)
_DUPLICATE, _NO_RIGHT, _TOO_LARGE, _BUSY = "23505", "42501", "54000", ("55P03", "40P01", "40001")
_BAD_TEXT = ("22021", "22P05")


class PostgresWarehouse:
    """`url` is libpq's `postgresql://user:password@host:port/database`. Nothing is opened before it is needed."""

    def __init__(self, url: str, clock: Clock = system_clock) -> None:
        self._url = _complete(url)
        self._clock = clock

    def positions(self) -> dict[str, Cursor]:
        with _translated(), self._opened() as cursor:
            return _positions(cursor)

    def load(
        self,
        loads: Sequence[Load],
        meanwhile: Callable[[], None] | None = None,  # noqa: ARG002 (the commit is short here)
    ) -> list[Loaded]:
        fitting = [cut_to_fit(load) for load in loads]
        manner = Manner(straight=True, clean=False)
        with _translated():
            while True:
                try:
                    return self._load_all(fitting, manner)
                except Error as error:
                    harder = _harder(manner, error.sqlstate)
                    if harder is None:
                        raise
                    manner = harder

    def table_names(self, schema: str) -> frozenset[str]:
        with _translated(), self._opened() as cursor:
            cursor.execute(_TABLES_OF, (schema,))
            return frozenset(name for (name,) in cursor.fetchall())

    def rewind(self, connection: str, received_after: datetime | None) -> None:
        with _translated(), self._opened() as cursor:
            for statement in _SESSION:
                cursor.execute(statement)
            held = _positions(cursor).get(connection)
            if held is None:
                raise never_loaded(connection)
            cursor.execute(COLUMNS_OF, (held.schema,))
            tables = {table for table, column, _ in cursor.fetchall() if column == "received_at"}
            for statement in deletions(held.schema, tables, received_after):
                cursor.execute(statement)
            cursor.execute("UPDATE _tifo.positions SET position = 0 WHERE connection = $1", (connection,))
            cursor.connection.commit()

    def query(self, sql: str, *, wait_s: float = 10.0) -> list[JsonObject]:  # noqa: ARG002 (readers wait for nobody here)
        with _translated(invalid_sql=True), self._opened() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute("SET LOCAL TimeZone = 'UTC'")
            cursor.execute(sql)
            rows: pa.Table = cursor.fetch_arrow_table()
        return objects(rows)

    def tables(self, schema: str, *, wait_s: float = 10.0) -> dict[str, int]:  # noqa: ARG002 (likewise)
        with _translated(), self._opened() as cursor:
            cursor.execute(_TABLES_OF, (schema,))
            names = [name for (name,) in cursor.fetchall()]
            return {name: _count(cursor, f"SELECT count(*) FROM {quoted(schema, name)}") for name in names}

    def loaded_at(self, schema: str, message_id: str) -> dict[str, datetime]:
        return sql.loaded_at(self, schema, message_id)

    def _load_all(self, loads: Sequence[Load], manner: Manner) -> list[Loaded]:
        with self._opened() as cursor:
            for statement in _SESSION:
                cursor.execute(statement)
            _keep_house(cursor)
            known = _positions(cursor)
            loaded = [self._load(cursor, load, known, manner) for load in loads]
            cursor.connection.commit()
        return loaded

    def _load(self, cursor: Any, load: Load, known: Mapping[str, Cursor], manner: Manner) -> Loaded:
        stored = known[load.connection].position if load.connection in known else Position(0)
        if stored != load.after:
            raise Conflict(
                f"The warehouse holds connection {load.connection!r} at position {stored}, not {load.after}:"
                " another loader works on it. Read the positions again.",
            )
        started_at = self._clock()
        loaded = PostgresSchema(cursor, load.schema, manner).take(load, started_at)
        finished_at = self._clock()
        cursor.execute(_MOVE, (load.connection, load.schema, load.position, finished_at))
        if load.tables or load.discards:
            _remember(cursor, load, loaded, started_at, finished_at)
        return loaded

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """A cursor in a transaction that ends without effect unless it is committed."""
        with dbapi.connect(self._url) as connection, connection.cursor() as cursor:
            yield cursor


def checked_url(url: str) -> str:
    """Raises `Rejected` for what is no address of a database; the message holds no password."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("postgresql", "postgres") and bool(parts.path.strip("/")) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise Rejected(
            "The address is none of a PostgreSQL database. Give one such as"
            " postgresql://user:password@host:5432/database.",
            field="url",
        )
    return url


def without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{parts.netloc.rpartition('@')[2]}"))


def _complete(url: str) -> str:
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    return urlunsplit(parts._replace(query=urlencode({**_PARAMETERS, **given}, quote_via=quote)))


def _harder(manner: Manner, sqlstate: str | None) -> Manner | None:
    """How to try a load again that PostgreSQL has refused; None where that is no use."""
    if sqlstate == _DUPLICATE and manner.straight:
        return manner._replace(straight=False)
    if sqlstate in _BAD_TEXT and not manner.clean:
        return manner._replace(clean=True)
    return None


def _keep_house(cursor: Any) -> None:
    """Only what is missing: `IF NOT EXISTS` alone asks for the right to make things even where they are there."""
    cursor.execute("SELECT to_regclass('_tifo.positions') IS NOT NULL AND to_regclass('_tifo.loads') IS NOT NULL")
    if not cursor.fetchone()[0]:
        cursor.execute("SELECT current_setting('server_encoding')")
        (encoding,) = cursor.fetchone()
        if encoding != "UTF8":
            raise Transient(f"The database's encoding is {encoding}. Make one with ENCODING 'UTF8' and connect that.")
        for statement in _HOUSEKEEPING:
            cursor.execute(statement)


def _positions(cursor: Any) -> dict[str, Cursor]:
    cursor.execute("SELECT to_regclass('_tifo.positions') IS NOT NULL")
    if not cursor.fetchone()[0]:
        return {}
    cursor.execute("SELECT connection, schema_name, position FROM _tifo.positions")
    return {name: Cursor(schema, Position(position)) for name, schema, position in cursor.fetchall()}


def _remember(cursor: Any, load: Load, loaded: Loaded, started_at: datetime, finished_at: datetime) -> None:
    rows, notices = (msgspec.json.encode(value).decode() for value in (loaded.rows, loaded.notices))
    where = (load.connection, load.schema, load.after, load.position, started_at, finished_at)
    cursor.execute(_REMEMBER, (*where, rows, loaded.duplicates, loaded.discarded, notices))
    cursor.execute("DELETE FROM _tifo.loads WHERE finished_at < $1", (finished_at - _HISTORY,))


def _count(cursor: Any, sql: str) -> int:
    cursor.execute(sql)
    return int(cursor.fetchone()[0])


class _Fault(NamedTuple):
    sqlstate: str
    said: str


@contextmanager
def _translated(*, invalid_sql: bool = False) -> Iterator[None]:
    try:
        yield
    except Error as error:
        raise _as_ours(_Fault(error.sqlstate or "", str(error).split("\nQuery was")[0]), invalid_sql) from error
    except pa.ArrowInvalid as error:
        raise Rejected(f"The warehouse refuses a value: {error}") from error


def _as_ours(fault: _Fault, invalid_sql: bool) -> TifoError:
    state, said = fault
    if invalid_sql and state[:2] in ("42", "25", "22", "0A", "2F", "34"):
        return Rejected(said, code="invalid_sql")
    if state[:2] in ("22", "23") or state == _TOO_LARGE:
        return Rejected(f"The warehouse refuses a value: {said}")
    if state == _NO_RIGHT:
        return Transient(
            f"PostgreSQL lacks a right of Tifo's user: {said}. Grant it (docs/warehouses.md lists what is needed);"
            " the load is tried again.",
            retry_after_s=10.0,
            code="warehouse_denied",
        )
    if state in _BUSY:
        return Transient(f"Somebody holds a lock in the warehouse: {said}", retry_after_s=0.5, code="warehouse_busy")
    return Transient(f"PostgreSQL could not take the load: {said}", retry_after_s=1.0)
