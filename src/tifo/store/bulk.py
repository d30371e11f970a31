"""Many rows with one statement, which is compiled once and then runs on the driver's own cursor.

SQLAlchemy's usual way builds the parameters of every row anew: that took a quarter of a commit's time.
"""

from collections.abc import Callable, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Table, insert
from sqlalchemy.dialects import postgresql, sqlite

from tifo.store.rows import Row


class Bulk:
    """One statement, whose parameters are named as the keys of the rows that it is run with."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        """`make` gives the statement for a dialect's name."""
        self._make = make
        self._compiled: dict[str, tuple[str, Callable[[Row], Any] | None]] = {}

    def run(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Values go to the driver as they are: columns of the types that it knows by itself."""
        if not rows:
            return
        sql, pick = self._compiled.get(connection.dialect.name) or self._compile(connection, list(rows[0]))
        connection.exec_driver_sql(sql, list(map(pick, rows)) if pick is not None else list(rows))

    def _compile(self, connection: Connection, names: list[str]) -> tuple[str, Callable[[Row], Any] | None]:
        compiled = self._make(connection.dialect.name).compile(dialect=connection.dialect, column_keys=names)
        places: Sequence[str] | None = compiled.positiontup
        # Two names at the least: `itemgetter` of one gives no tuple, which no statement here needs.
        made = (str(compiled), None if places is None else itemgetter(*places))
        self._compiled[connection.dialect.name] = made
        return made


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    _insert(table).run(connection, rows)


def upsert_rows(
    connection: Connection, table: Table, rows: Sequence[Row], *, key: str | None = None, add: str | None = None
) -> None:
    """The rows take the place of those with their key (by default the primary one); the column `add` is added to."""
    _upsert(table, key, add).run(connection, rows)


@cache
def _insert(table: Table) -> Bulk:
    return Bulk(lambda _: insert(table))


@cache
def _upsert(table: Table, key: str | None, add: str | None) -> Bulk:
    keys = [key] if key is not None else [column.name for column in table.primary_key]

    def make(dialect: str) -> Any:
        maker: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[dialect](table)
        generated = {column.name for column in table.columns if column.autoincrement is True}
        rest = {
            column.name: column + maker.excluded[column.name] if column.name == add else maker.excluded[column.name]
            for column in table.columns
            if column.name not in {*keys, *generated}
        }
        return maker.on_conflict_do_update(index_elements=keys, set_=rest)

    return Bulk(make)
