"""Stores in the schema `_tifo` how far each connection is loaded (`positions`), and one month's history (`loads`)."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from tifo.kernel.errors import Conflict
from tifo.kernel.ids import NO_SHARD, START, Position, Shard
from tifo.warehouses.drivers.dialect import Session
from tifo.warehouses.ports import Cursor, Load, Loaded
from tifo.warehouses.sql import deletions, never_loaded

_HOUSEKEEPING = (
    "CREATE SCHEMA IF NOT EXISTS _tifo",
    """CREATE TABLE IF NOT EXISTS _tifo.positions (
    connection text NOT NULL, shard text NOT NULL, schema_name text NOT NULL, position bigint NOT NULL,
    updated_at timestamptz NOT NULL, PRIMARY KEY (connection, shard)
)""",
    """CREATE TABLE IF NOT EXISTS _tifo.loads (
    connection text NOT NULL, shard text NOT NULL, schema_name text NOT NULL, after_position bigint NOT NULL,
    position bigint NOT NULL, started_at timestamptz NOT NULL, finished_at timestamptz NOT NULL,
    rows json NOT NULL, duplicates bigint NOT NULL, discarded bigint NOT NULL, notices json NOT NULL
)""",
)
# Earlier versions did not say which log a position was of. DuckDB changes no key, so both tables are made anew.
_NAMED_SHARDS = (
    "CREATE TABLE _tifo.old_positions AS SELECT * FROM _tifo.positions",
    "CREATE TABLE _tifo.old_loads AS SELECT * FROM _tifo.loads",
    "DROP TABLE _tifo.positions",
    "DROP TABLE _tifo.loads",
    *_HOUSEKEEPING[1:],
    "INSERT INTO _tifo.positions SELECT connection, '', schema_name, position, updated_at FROM _tifo.old_positions",
    """INSERT INTO _tifo.loads SELECT connection, '', schema_name, after_position, position, started_at, finished_at,
    rows, duplicates, discarded, notices FROM _tifo.old_loads""",
    "DROP TABLE _tifo.old_positions",
    "DROP TABLE _tifo.old_loads",
)
_MOVE = """
INSERT INTO _tifo.positions (connection, shard, schema_name, position, updated_at)
VALUES ($1, $2, $3, $4, $5::text::timestamptz)
ON CONFLICT (connection, shard) DO UPDATE
SET schema_name = excluded.schema_name, position = excluded.position, updated_at = excluded.updated_at
"""
_RECORD = """
INSERT INTO _tifo.loads (connection, shard, schema_name, after_position, position, started_at, finished_at,
    rows, duplicates, discarded, notices)
VALUES ($1, $2, $3, $4, $5, $6::text::timestamptz, $7::text::timestamptz, $8::text::json, $9, $10, $11::text::json)
"""
_HISTORY = timedelta(days=30)
_Key = tuple[str, Shard]


def is_prepared(session: Session) -> bool:
    types = session.column_types("_tifo")
    return "loads" in types and "shard" in types.get("positions", {})


def prepare(session: Session) -> None:
    """Makes the schema and its tables, or brings those of an earlier version to this one. Call it only where they are
    missing or old.
    """
    is_old = {"positions", "loads"} <= session.column_types("_tifo").keys()
    # PostgreSQL asks for the right to make schemas even where IF NOT EXISTS finds it there.
    for statement in _NAMED_SHARDS if is_old else _HOUSEKEEPING:
        session.execute(statement)


def positions(session: Session, shard: Shard) -> dict[str, Cursor]:
    return {connection: cursor for (connection, of), cursor in every_position(session).items() if of == shard}


def every_position(session: Session) -> dict[_Key, Cursor]:
    columns = session.column_types("_tifo").get("positions", {})
    if not columns:
        return {}
    shard = "shard" if "shard" in columns else "''"
    rows = session.rows(f"SELECT connection, {shard}, schema_name, position FROM _tifo.positions")
    return {(name, Shard(of)): Cursor(schema, Position(position)) for name, of, schema, position in rows}


def check_position(load: Load, known: Mapping[_Key, Cursor]) -> None:
    """Raises `Conflict` where the warehouse does not hold the position from which the load begins."""
    stored = held_position(load, known)
    # This, not a primary key, keeps two loaders from loading the same events (docs/decisions/0003).
    if stored != load.after:
        raise Conflict(
            f"The warehouse holds connection {load.connection!r} at position {stored}, not {load.after}:"
            " another loader works on it. Read the positions again.",
        )


def held_position(load: Load, known: Mapping[_Key, Cursor]) -> Position:
    """Returns the position of the load's log. One without a shard counts where the load goes on from it."""
    own, unnamed = (known.get((load.connection, shard)) for shard in (load.shard, NO_SHARD))
    if own is not None:
        return own.position
    return unnamed.position if unnamed is not None and unnamed.position == load.after else START


def move(session: Session, load: Load, at: datetime, known: Mapping[_Key, Cursor]) -> None:
    # In the transaction of the rows: after any crash both are there or neither, so each load is there exactly once.
    session.execute(_MOVE, load.connection, load.shard, load.schema, load.position, at.isoformat())
    if (load.connection, load.shard) not in known and load.after != START:
        sql = "DELETE FROM _tifo.positions WHERE connection = $1 AND shard = ''"
        session.execute(sql, load.connection)


def record(session: Session, load: Load, loaded: Loaded, started_at: datetime, finished_at: datetime) -> None:
    """Writes the load into the history, and deletes what is older than a month."""
    rows, notices = (msgspec.json.encode(value).decode() for value in (loaded.rows, loaded.notices))
    place = (load.connection, load.shard, load.schema, load.after, load.position)
    times = (started_at.isoformat(), finished_at.isoformat())
    session.execute(_RECORD, *place, *times, rows, loaded.duplicates, loaded.discarded, notices)
    oldest = (finished_at - _HISTORY).isoformat()
    session.execute("DELETE FROM _tifo.loads WHERE finished_at < $1::text::timestamptz", oldest)


def rewind(session: Session, connection: str, received_after: datetime | None) -> None:
    """Deletes the connection's rows and sets its positions to `START`. Raises `NotFound` where it was never loaded."""
    schemas = {cursor.schema for (name, _), cursor in every_position(session).items() if name == connection}
    if not schemas:
        raise never_loaded(connection)
    for schema in sorted(schemas):
        tables = {name for name, columns in session.column_types(schema).items() if "received_at" in columns}
        for statement in deletions(schema, tables, received_after):
            session.execute(statement)
    session.execute("UPDATE _tifo.positions SET position = 0 WHERE connection = $1", connection)
