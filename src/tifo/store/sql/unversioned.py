"""Upgrades a state from before revisions existed, whose tables were made by the Tifo of that time.

Its tables are renamed, the first revision makes new ones, and the rows move into them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, inspect

from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import uuid7
from tifo.store.sql.tables import METADATA
from tifo.store.sql.times import to_micros

_PREFIX = "unversioned_"
_NEW_VALUES: Mapping[tuple[str, str], str] = {
    ("tokens", "id"): "tifo_new_id()",
    ("tokens", "name"): "'first'",
    ("tokens", "created_at"): "tifo_now()",
    ("profiles", "version"): "0",
    ("warehouse_syncs", "left_out"): "'{}'",
    ("invoked_actions", "created_at"): "tifo_micros(body ->> 'created_at')",
}
"""Values of columns that did not exist then and may not be empty."""


def is_unversioned(connection: Connection) -> bool:
    """Says whether the tables are from before revisions existed.

    Raises `Rejected` on PostgreSQL for tables that Tifo did not make.
    """
    known = METADATA.tables.keys() & set(inspect(connection).get_table_names())
    # Tifo had revisions before it ran on PostgreSQL: there, such tables are somebody else's.
    if known and connection.dialect.name != "sqlite":
        raise Rejected(f"The database has a table {min(known)!r} that Tifo did not make. Give one of its own.")
    return bool(known)


def rename_tables(connection: Connection) -> list[str]:
    """Renames the tables, drops their indexes, and returns their earlier names."""
    inspector = inspect(connection)
    names = [name for name in inspector.get_table_names() if name in METADATA.tables]
    for name in names:
        for index in inspector.get_indexes(name):
            # The names of indexes are unique in the whole database: the new tables' indexes need them.
            connection.exec_driver_sql(f'DROP INDEX "{index["name"]}"')
        connection.exec_driver_sql(f'ALTER TABLE "{name}" RENAME TO "{_PREFIX}{name}"')
    return names


def move_rows(connection: Connection, names: list[str]) -> None:
    raw: Any = connection.connection.driver_connection
    # SQLite calls these for each row: ids and times that the old tables did not have are made on the way.
    raw.create_function("tifo_new_id", 0, lambda: str(uuid7()))
    raw.create_function("tifo_now", 0, lambda: to_micros(system_clock()))
    raw.create_function("tifo_micros", 1, lambda moment: to_micros(datetime.fromisoformat(moment)))
    inspector = inspect(connection)
    for name in names:
        old = {column["name"] for column in inspector.get_columns(f"{_PREFIX}{name}")}
        values: dict[str, str] = {}
        for column in inspector.get_columns(name):
            if column["name"] in old:
                values[f'"{column["name"]}"'] = f'"{column["name"]}"'
            elif not column["nullable"]:
                values[f'"{column["name"]}"'] = _NEW_VALUES[name, column["name"]]
        columns, found = ", ".join(values), ", ".join(values.values())
        connection.exec_driver_sql(f'INSERT INTO "{name}" ({columns}) SELECT {found} FROM "{_PREFIX}{name}"')
        connection.exec_driver_sql(f'DROP TABLE "{_PREFIX}{name}"')
