"""A folder of before the revisions, whose tables were made as the Tifo of then knew them.

Its tables are set aside, made anew by the first revision, and their rows moved in.
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

_ASIDE = "unversioned_"
_FILLED: Mapping[tuple[str, str], str] = {
    ("tokens", "id"): "tifo_new_id()",
    ("tokens", "name"): "'first'",
    ("tokens", "created_at"): "tifo_now()",
    ("profiles", "version"): "0",
    ("warehouse_syncs", "left_out"): "'{}'",
    ("invoked_actions", "created_at"): "tifo_micros(body ->> 'created_at')",
}
"""What stands in the columns that there were not then, and that may not be empty."""


def is_unversioned(connection: Connection) -> bool:
    """Raises `Rejected` for a PostgreSQL: there were revisions before Tifo ran on it, so the tables are not Tifo's."""
    known = METADATA.tables.keys() & set(inspect(connection).get_table_names())
    if known and connection.dialect.name != "sqlite":
        raise Rejected(f"The database has a table {min(known)!r} that Tifo did not make. Give one of its own.")
    return bool(known)


def set_aside(connection: Connection) -> list[str]:
    """The tables' names, now prefixed. Their indexes go: names of indexes are the whole database's."""
    inspector = inspect(connection)
    names = [name for name in inspector.get_table_names() if name in METADATA.tables]
    for name in names:
        for index in inspector.get_indexes(name):
            connection.exec_driver_sql(f'DROP INDEX "{index["name"]}"')
        connection.exec_driver_sql(f'ALTER TABLE "{name}" RENAME TO "{_ASIDE}{name}"')
    return names


def move_in(connection: Connection, names: list[str]) -> None:
    raw: Any = connection.connection.driver_connection
    raw.create_function("tifo_new_id", 0, lambda: str(uuid7()))
    raw.create_function("tifo_now", 0, lambda: to_micros(system_clock()))
    raw.create_function("tifo_micros", 1, lambda moment: to_micros(datetime.fromisoformat(moment)))
    inspector = inspect(connection)
    for name in names:
        old = {column["name"] for column in inspector.get_columns(f"{_ASIDE}{name}")}
        values: dict[str, str] = {}
        for column in inspector.get_columns(name):
            if column["name"] in old:
                values[f'"{column["name"]}"'] = f'"{column["name"]}"'
            elif not column["nullable"]:
                values[f'"{column["name"]}"'] = _FILLED[name, column["name"]]
        columns, found = ", ".join(values), ", ".join(values.values())
        connection.exec_driver_sql(f'INSERT INTO "{name}" ({columns}) SELECT {found} FROM "{_ASIDE}{name}"')
        connection.exec_driver_sql(f'DROP TABLE "{_ASIDE}{name}"')
