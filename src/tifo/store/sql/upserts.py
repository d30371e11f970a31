"""Rows that take the place of those with the same key, or add up with them: alike on SQLite and PostgreSQL."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from tifo.store.sql.bulk import Row


def put(connection: Connection, table: Table, rows: Sequence[Row], *, adding: Collection[str] = ()) -> None:
    """By the table's primary key. The columns `adding` are added up with what is there; all others are replaced."""
    if not rows:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    made = dialect.insert(table)
    keys = [column.name for column in table.primary_key]
    values: dict[str, Any] = {
        column.name: table.c[column.name] + made.excluded[column.name]
        if column.name in adding
        else made.excluded[column.name]
        for column in table.c
        if column.name not in keys
    }
    connection.execute(made.on_conflict_do_update(index_elements=keys, set_=values), list(rows))


def plain(value: str) -> str:
    """PostgreSQL's texts hold no NUL."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
