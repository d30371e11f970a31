"""Stores tables for `MemoryWarehouse`: Arrow rows with the warehouse's types. A change makes a new table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tifo.warehouses.columns import EXACT
from tifo.warehouses.nulls import covering
from tifo.warehouses.ports import LOADED_AT, ColumnType, Discard, Latest, Nulls, Table
from tifo.warehouses.rows import without
from tifo.warehouses.schema import ARROW_TYPES, discards_of, evolve, fit
from tifo.warehouses.texts import texts_of


@dataclass(frozen=True)
class StoredTable:
    types: Mapping[str, ColumnType] = field(default_factory=dict)
    rows: pa.Table = field(default_factory=lambda: pa.table({}))
    cleared: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The names of the traits that a message sent as null, by message id."""
    nested: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The names of the objects that a column was flattened from."""

    def ids(self) -> set[str]:
        return set(self.rows["id"].to_pylist()) if "id" in self.types else set()

    def widened(self, wider: Mapping[str, ColumnType]) -> "StoredTable":
        rows = self.rows
        for column, kind in wider.items():
            index = rows.column_names.index(column)
            rows = rows.set_column(index, column, _converted(rows[column], self.types[column], kind))
        return replace(self, types={**self.types, **wider}, rows=rows)

    def with_rows(self, rows: pa.Table, types: Mapping[str, ColumnType]) -> "StoredTable":
        known = {**self.types, **types}
        parts = [self.rows, rows] if self.types else [rows]
        together = pa.concat_tables(parts, promote_options="default")
        return replace(self, types={column: known[column] for column in together.column_names}, rows=together)

    def with_nulls(self, nulls: Nulls | None) -> "StoredTable":
        if nulls is None:
            return self
        cleared, nested = {**self.cleared, **nulls.by_message}, {**nulls.nested, **self.nested}
        return replace(self, cleared=cleared, nested=nested)

    def with_values(self, values: Sequence[tuple[Any, ...]], types: Mapping[str, ColumnType]) -> "StoredTable":
        columns = zip(*values, strict=True)
        arrays = {name: pa.array(each, ARROW_TYPES[types[name]]) for name, each in zip(types, columns, strict=True)}
        return self.with_rows(pa.table(arrays), types)

    def objects(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.rows.to_pylist()
        return rows


def inserted(name: str, stored: StoredTable, table: Table) -> tuple[StoredTable, int, list[str], list[Discard]]:
    """Returns the table with the rows that are new, how many they are, notices and discards."""
    new = without(table.rows, frozenset(stored.ids()))
    if not len(new):
        return stored, 0, [], []
    fresh = Table(table.types, new, table.latest)
    evolution = evolve(stored.types, fresh, lambda column: _is_exact(stored.rows[column]))
    discards = [
        discard
        for column in evolution.refused
        for discard in discards_of(name, fresh, column, "the table has no room for another column")
    ]
    rows = fit(fresh, evolution.after(stored.types), stored.types)
    made = stored.widened(evolution.widened).with_rows(rows, evolution.added)
    notices = [f"column {name}.{column} added as {kind}" for column, kind in evolution.added.items()]
    notices += [
        f"column {name}.{column} widened from {stored.types[column]} to {kind}"
        for column, kind in evolution.widened.items()
    ]
    return made, len(new), notices if stored.types else [f"table {name} made"], discards


def merged(name: str, stored: StoredTable, history: StoredTable, table: Table, latest: Latest) -> "_Merged":
    """Brings the batch's ids up to date: each column's newest value in all of the history."""
    # Simpler than the drivers, which do so only for ids of which something older comes: the results must agree.
    ids = set(table.rows["id"].to_pylist())
    known = stored.ids()
    others = table.rows.filter(pc.is_in(table.rows["id"], pa.array(sorted(known), pa.string())))
    made, _, notices, discards = inserted(name, stored, table)
    # Rows of known ids are not inserted, but their columns and types must be there for what follows.
    made = _with_columns(made, Table(table.types, others))
    differing = [c for c in made.types if c != "id" and c in history.types and made.types[c] != history.types[c]]
    made = made.widened(dict.fromkeys(differing, ColumnType.VARCHAR))
    past = history.widened(dict.fromkeys(differing, ColumnType.VARCHAR))
    newest = _newest(past, latest.key, ids)
    rows = [
        {**row, **{c: v for c, v in newest.get(row["id"], {}).items() if c in made.types}} for row in made.objects()
    ]
    return _Merged(StoredTable(made.types, _as_table(rows, made.types)), len(ids), notices, discards)


@dataclass(frozen=True)
class _Merged:
    table: StoredTable
    rows: int
    notices: list[str]
    discards: list[Discard]


def _with_columns(stored: StoredTable, table: Table) -> StoredTable:
    if not len(table.rows):
        return stored
    evolution = evolve(stored.types, table, lambda column: _is_exact(stored.rows[column]))
    empty = fit(table, evolution.after(stored.types)).slice(0, 0)
    return stored.widened(evolution.widened).with_rows(empty, evolution.added)


def _newest(history: StoredTable, key: str, ids: set[str]) -> dict[str, dict[str, Any]]:
    rows = [row for row in history.objects() if row[key] in ids]
    newest: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row["received_at"], row[LOADED_AT], row["id"])):
        sent = history.cleared.get(row["id"], ())
        cleared = [column for column in history.types if not set(sent).isdisjoint(covering(column, history.nested))]
        values = dict.fromkeys(cleared)
        values |= {column: value for column, value in row.items() if value is not None and column != "id"}
        newest.setdefault(row[key], {}).update(values)
    return newest


def _as_table(rows: list[dict[str, Any]], types: Mapping[str, ColumnType]) -> pa.Table:
    return pa.table({c: pa.array([row.get(c) for row in rows], ARROW_TYPES[kind]) for c, kind in types.items()})


def _converted(values: pa.ChunkedArray, current: ColumnType, wider: ColumnType) -> pa.ChunkedArray:
    if current is wider:
        return values
    if wider is ColumnType.VARCHAR:
        return texts_of(values)
    return pc.cast(values, ARROW_TYPES[wider])


def _is_exact(values: pa.ChunkedArray) -> bool:
    return all(value is None or -EXACT <= value <= EXACT for value in values.to_pylist())
