"""The questions that audit and event checks ask about stored rows, as SQL for any warehouse that can be queried."""

import contextlib
from collections.abc import Collection, Sequence
from typing import NamedTuple

from tifo.kernel.errors import NotFound
from tifo.warehouses.ports import Warehouse
from tifo.warehouses.sql import quoted


class RowCount(NamedTuple):
    rows: int
    ids: int
    """Different ids among the rows."""


class RowFilter(NamedTuple):
    """Restricts a question to rows whose column holds this text."""

    column: str
    value: str


class FilledCount(NamedTuple):
    rows: int
    filled: tuple[int, ...]
    """For each group of columns the number of rows that have a value in at least one of them."""


class EventCount(NamedTuple):
    event: str
    """Its name as it was sent."""
    rows: int


class WarehouseQuestions:
    """Answers are empty before the first load. The tables and columns that a question names must be there.

    Raises as `Warehouse.query` does.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def columns(self, schema: str) -> dict[str, list[str]]:
        """The names of each table's columns."""
        sql = f"SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = {_text(schema)}"
        found: dict[str, list[str]] = {}
        with contextlib.suppress(NotFound):
            for row in self._warehouse.query(sql):
                found.setdefault(str(row["table_name"]), []).append(str(row["column_name"]))
        return found

    def row_counts(self, schema: str, tables: Collection[str]) -> dict[str, RowCount]:
        """Counts each table's rows and different ids; the tables must have the column `id` (`_discards` has none)."""
        counts = "SELECT count(*)::BIGINT AS n, count(DISTINCT id)::BIGINT AS ids FROM"
        rows = {name: self._warehouse.query(f"{counts} {quoted(schema, name)}")[0] for name in tables}
        return {name: RowCount(_whole(row["n"]), _whole(row["ids"])) for name, row in rows.items()}

    def stored_ids(self, schema: str, table: str, ids: Collection[str]) -> set[str]:
        """Returns the ids that are rows of the table."""
        sql = f"SELECT id FROM {quoted(schema, table)} WHERE id IN ({', '.join(map(_text, ids))})"
        return {str(row["id"]) for row in self._warehouse.query(sql)} if ids else set()

    def filled_count(
        self, schema: str, table: str, groups: Sequence[Collection[str]], only: RowFilter | None = None
    ) -> FilledCount:
        """Counts rows, and for each group of columns those that have a value in at least one of them.

        An empty group is one that no row has.
        """
        counts = [f"count(*) FILTER ({_has_value(group)}) AS p{n}" for n, group in enumerate(groups)]
        (row,) = self._warehouse.query(
            f"SELECT {', '.join(['count(*) AS n', *counts])} FROM {quoted(schema, table)} WHERE {_is(only)}"
        )
        return FilledCount(_whole(row["n"]), tuple(_whole(row[f"p{n}"]) for n in range(len(groups))))

    def ids_without(
        self, schema: str, table: str, group: Collection[str], only: RowFilter | None = None, *, limit: int
    ) -> list[str]:
        """The first ids, in their order, of rows that have a value in none of the group's columns."""
        rows = self._warehouse.query(
            f"SELECT id FROM {quoted(schema, table)} WHERE {_is(only)} AND NOT ({_has_value(group)})"
            f" ORDER BY id LIMIT {limit}"
        )
        return [str(row["id"]) for row in rows]

    def unplanned_events(self, schema: str, planned: Collection[str], *, limit: int) -> list[EventCount]:
        """Events of `tracks` whose names are not among the planned ones: the most frequent first, of equals by name."""
        rows = self._warehouse.query(
            f'SELECT event_text AS event, count(*) AS "rows" FROM {quoted(schema, "tracks")}'
            f" WHERE event_text NOT IN ({', '.join(map(_text, planned))})"
            f" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {limit}"
        )
        return [EventCount(str(row["event"]), _whole(row["rows"])) for row in rows]


def _has_value(group: Collection[str]) -> str:
    return " OR ".join(f"{quoted(column)} IS NOT NULL" for column in group) or "false"


def _is(only: RowFilter | None) -> str:
    return "true" if only is None else f"{quoted(only.column)} = {_text(only.value)}"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _whole(value: object) -> int:
    return int(str(value))
