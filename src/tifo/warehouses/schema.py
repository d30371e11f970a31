"""Decides which columns a table gets, and which types widen, so that rows fit.

A type only ever widens, and never loses a value:

| the column is | a value comes that is | then |
| --- | --- | --- |
| integer | float | float, where every integer that it holds is exact as a double (up to 2**53); else varchar |
| float | integer | stays, where the integers that come are exact as doubles; else varchar |
| varchar | anything | stays; the value is written as text |
| any other | of any other type | varchar |
| of a type not ours (someone changed it) | anything | stays; a value that it cannot take goes to `_discards` |

A table has at most `MAX_COLUMNS`; the values of properties beyond them go to `_discards`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from tifo.warehouses.budgets import MAX_COLUMNS
from tifo.warehouses.columns import EXACT
from tifo.warehouses.ports import ColumnType, Discard, Table
from tifo.warehouses.texts import as_if_alone, leading_times, texts_of
from tifo.warehouses.timestamps import TIMESTAMP, read

Existing = Mapping[str, ColumnType | None]
"""A stored table's columns; None stands for a foreign type, which somebody else gave the column."""

ARROW_TYPES = {
    ColumnType.TIMESTAMP: TIMESTAMP,
    ColumnType.INTEGER: pa.int64(),
    ColumnType.FLOAT: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.VARCHAR: pa.string(),
}


@dataclass(frozen=True)
class Evolution:
    """Lists the changes that a table needs before the rows fit."""

    added: Mapping[str, ColumnType]
    widened: Mapping[str, ColumnType]
    refused: Sequence[str]
    """Columns of the batch for which the table has no room."""

    def after(self, existing: Existing) -> Existing:
        return {**existing, **self.widened, **self.added}


def evolve(
    existing: Existing, table: Table, is_exact: Callable[[str], bool], max_columns: int = MAX_COLUMNS
) -> Evolution:
    """Compares a table with the rows that come. `is_exact` says whether an integer column holds only exact doubles."""
    # In the batch's order, `uuid_ts` first (see rows.stamped).
    new = [name for name in table.types if name not in existing]
    room = max(0, max_columns - len(existing))
    widened = {}
    for name, incoming in table.types.items():
        current = existing.get(name)
        if current is not None and current != (wider := _widened(current, incoming, name, table.rows, is_exact)):
            widened[name] = wider
    return Evolution({name: table.types[name] for name in new[:room]}, widened, new[room:])


def fit(table: Table, columns: Existing, before: Existing | None = None) -> pa.Table:
    """Casts the rows to the columns' types, after the evolution. Columns of a foreign type stay as they are.

    `before` are the columns before the evolution. Times that make or widen a column of texts get the form that they
    would have, had they come in a load of their own; without `before` they stay as they were sent.
    """
    rows = {name: _cast(table.rows[name], columns[name]) for name in table.types if name in columns}
    for name in _begun_as_times(rows, columns, before):
        rows[name] = as_if_alone(rows[name])
    return pa.table(rows)


def mixes_times(rows: pa.Table, columns: Existing, before: Existing) -> bool:
    """Says whether the rows make or widen a column of texts by times that other texts follow."""
    return any(leading_times(rows[name]) for name in _begun_as_times(rows.column_names, columns, before))


def _begun_as_times(names: Iterable[str], columns: Existing, before: Existing | None) -> list[str]:
    """Returns the columns of texts that were of times before, or that were not there."""
    if before is None:
        return []
    return [
        name
        for name in names
        if columns[name] is ColumnType.VARCHAR and (name not in before or before[name] is ColumnType.TIMESTAMP)
    ]


def discards_of(name: str, table: Table, column: str, reason: str) -> list[Discard]:
    """Makes one discard for each value of the column."""
    rows = table.rows.select([*dict.fromkeys(("id", "received_at", column))])
    rows = rows.filter(pc.is_valid(rows[column]))
    values = texts_of(rows[column]).to_pylist()
    ids = rows["id"].to_pylist()
    received = pc.cast(rows["received_at"], pa.string()).to_pylist()
    return [
        Discard(name, column, value, *_origin(table, row_id, reason), received_at)
        for value, row_id, received_at in zip(values, ids, received, strict=True)
    ]


def _origin(table: Table, row_id: str, reason: str) -> tuple[str, str | None]:
    """Returns a discard's reason and message id."""
    # A row of the latest values comes from many messages: its reason names the row's id instead.
    return (reason, row_id) if table.latest is None else (f"{reason} (of {row_id!r})", None)


def _widened(
    current: ColumnType, incoming: ColumnType, name: str, rows: pa.Table, is_exact: Callable[[str], bool]
) -> ColumnType:
    # Segment never widens a type by itself, and drops what does not fit. Ours widens, and never loses a value.
    if current in (incoming, ColumnType.VARCHAR):
        return current
    if (current, incoming) == (ColumnType.INTEGER, ColumnType.FLOAT) and is_exact(name):
        return ColumnType.FLOAT
    if (current, incoming) == (ColumnType.FLOAT, ColumnType.INTEGER) and _fits_double(rows[name]):
        return ColumnType.FLOAT
    return ColumnType.VARCHAR


def _fits_double(integers: pa.ChunkedArray) -> bool:
    extremes = pc.min_max(integers).as_py()
    return bool(extremes["min"] >= -EXACT and extremes["max"] <= EXACT)


def _cast(values: pa.ChunkedArray, column_type: ColumnType | None) -> pa.ChunkedArray:
    if column_type is None:
        return values
    if column_type is ColumnType.VARCHAR:
        return texts_of(values)
    is_text = pa.types.is_string(values.type)
    return read(values) if is_text else pc.cast(values, ARROW_TYPES[column_type])
