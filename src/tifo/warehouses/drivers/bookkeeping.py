"""Stores in the schema `_tifo` how far each connection is loaded (`positions`), and one month's history (`loads`)."""

from datetime import datetime, timedelta

import msgspec

from tifo.kernel.errors import Conflict
from tifo.kernel.ids import Position
from tifo.warehouses.drivers.dialect import Session
from tifo.warehouses.ports import Cursor, Load, Loaded
from tifo.warehouses.sql import deletions, never_loaded

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
INSERT INTO _tifo.positions VALUES ($1, $2, $3, $4::text::timestamptz)
ON CONFLICT (connection) DO UPDATE
SET schema_name = excluded.schema_name, position = excluded.position, updated_at = excluded.updated_at
"""
_RECORD = """
INSERT INTO _tifo.loads
VALUES ($1, $2, $3, $4, $5::text::timestamptz, $6::text::timestamptz, $7::text::json, $8, $9, $10::text::json)
"""
_HISTORY = timedelta(days=30)


def is_prepared(session: Session) -> bool:
    return {"positions", "loads"} <= set(session.table_names("_tifo"))


def prepare(session: Session) -> None:
    """Makes the schema and its tables. Call it only where they are missing."""
    # PostgreSQL asks for the right to make schemas even where IF NOT EXISTS finds it there.
    for statement in _HOUSEKEEPING:
        session.execute(statement)


def positions(session: Session) -> dict[str, Cursor]:
    if "positions" not in session.table_names("_tifo"):
        return {}
    rows = session.rows("SELECT connection, schema_name, position FROM _tifo.positions")
    return {name: Cursor(schema, Position(position)) for name, schema, position in rows}


def check_position(load: Load, known: dict[str, Cursor]) -> None:
    """Raises `Conflict` where the warehouse does not hold the position from which the load begins."""
    stored = known[load.connection].position if load.connection in known else Position(0)
    # This, not a primary key, keeps two loaders from loading the same events (docs/decisions/0003).
    if stored != load.after:
        raise Conflict(
            f"The warehouse holds connection {load.connection!r} at position {stored}, not {load.after}:"
            " another loader works on it. Read the positions again.",
        )


def move(session: Session, load: Load, at: datetime) -> None:
    # In the transaction of the rows: after any crash both are there or neither, so each load is there exactly once.
    session.execute(_MOVE, load.connection, load.schema, load.position, at.isoformat())


def record(session: Session, load: Load, loaded: Loaded, started_at: datetime, finished_at: datetime) -> None:
    """Writes the load into the history, and deletes what is older than a month."""
    rows, notices = (msgspec.json.encode(value).decode() for value in (loaded.rows, loaded.notices))
    place = (load.connection, load.schema, load.after, load.position)
    times = (started_at.isoformat(), finished_at.isoformat())
    session.execute(_RECORD, *place, *times, rows, loaded.duplicates, loaded.discarded, notices)
    oldest = (finished_at - _HISTORY).isoformat()
    session.execute("DELETE FROM _tifo.loads WHERE finished_at < $1::text::timestamptz", oldest)


def rewind(session: Session, connection: str, received_after: datetime | None) -> None:
    """Deletes the connection's rows and sets its position to 0. Raises `NotFound` where it was never loaded."""
    cursor = positions(session).get(connection)
    if cursor is None:
        raise never_loaded(connection)
    tables = {name for name, columns in session.column_types(cursor.schema).items() if "received_at" in columns}
    for statement in deletions(cursor.schema, tables, received_after):
        session.execute(statement)
    session.execute("UPDATE _tifo.positions SET position = 0 WHERE connection = $1", connection)
