"""Inserts one load into one schema, within the driver's transaction, alike for every SQL warehouse."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import reduce
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from tifo.warehouses.drivers.alterations import TableAlterations
from tifo.warehouses.drivers.cleared import CLEARED, ClearedTraits, lists_name, name_list
from tifo.warehouses.drivers.dialect import Session
from tifo.warehouses.nulls import covering
from tifo.warehouses.ports import ColumnType, Discard, Latest, Load, Loaded, Table
from tifo.warehouses.rows import Inserted, as_rows, stamped, without
from tifo.warehouses.schema import Existing, discards_of, fit, mixes_times
from tifo.warehouses.sql import (
    SINCE,
    History,
    insert_latest,
    literal,
    quoted,
    rework_latest,
    stale_ids,
    update_latest,
)

_DISCARDS = (
    "table_name text, column_name text, value text, reason text, message_id text,"
    " received_at timestamptz, discarded_at timestamptz"
)
_NO_ROOM = "the row has no room for it"
_FURTHER_BYTES = 64
"""Room in the row for `_since` and `_clears`, which only the batch has."""
_CLEARS = "_clears"
"""The batch's column with the names of the columns that a null clears."""
_REWORKED_COLUMNS = 800
"""A query takes two expressions for each column; PostgreSQL's take 1,664 at most."""
_STALE = "_stale"
"""The temporary table of ids whose latest values must be computed again."""


class _Fitted(NamedTuple):
    rows: pa.Table
    foreign: Mapping[str, str]
    """The foreign types of columns that the rows fill."""
    columns: Existing
    """The table's columns."""
    mixes_times: bool


class SchemaLoad:
    """Inserts one load into its schema. Used once."""

    def __init__(self, session: Session, schema: str) -> None:
        self._session = session
        self._schema = schema
        self._dialect = session.dialect
        self._notices: list[str] = []
        self._discards: list[Discard] = []

    def insert(self, load: Load, now: datetime) -> Loaded:
        if load.tables or load.discards:
            self._make_schema()
        inserted = self._insert_tables(load.tables, now) if load.tables else {}
        discards = [*load.discards, *self._discards]
        if discards:
            self._insert_discards(discards, now)
        return Loaded(
            connection=load.connection,
            rows={name: each.rows for name, each in inserted.items()},
            duplicates=sum(each.duplicates for each in inserted.values()),
            discarded=len(discards),
            notices=tuple(self._notices),
        )

    def _make_schema(self) -> None:
        # `IF NOT EXISTS` alone asks PostgreSQL for the right to make schemas even where the schema is there.
        if not self._session.rows(self._dialect.schema_named, self._schema):
            self._session.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(self._schema)}")

    def _insert_tables(self, tables: Mapping[str, Table], now: datetime) -> dict[str, Inserted]:
        stored, keyed = self._session.column_types(self._schema), self._session.keyed_tables(self._schema)
        return {
            name: self._insert(name, stamped(table, now), stored.get(name, {}), is_keyed=name in keyed)
            for name, table in tables.items()
        }

    def _insert(self, name: str, table: Table, stored: Mapping[str, str], *, is_keyed: bool) -> Inserted:
        if table.latest is not None:
            return self._merge(name, table, table.latest, stored)
        known = frozenset[str]() if is_keyed or not stored else self._known_ids(name, table.rows)
        # Before the table is changed: a row that is there already must neither add a column nor widen one.
        new = without(table.rows, known)
        duplicates = len(table.rows) - len(new)
        if not len(new):
            return Inserted(0, duplicates)
        fresh = replace(table, rows=new)
        fitted = self._with_room(name, fresh, self._fitted(name, fresh, stored))
        self._append(name, fresh, fitted.rows, fitted.foreign)
        return Inserted(len(new), duplicates)

    def _known_ids(self, name: str, rows: pa.Table) -> frozenset[str]:
        ids = rows.select(["id"])
        with self._session.batch(ids) as batch:
            sql = f"SELECT s.id FROM {self._named(name)} s WHERE s.id IN (SELECT b.id FROM {batch} b)"
            # DuckDB skips row groups outside the range: ids in the order of time are found in 8 ms instead of 110.
            if self._dialect.sorts_text_by_bytes:
                extremes = pc.min_max(ids["id"]).as_py()
                stored = self._session.rows(f"{sql} AND s.id BETWEEN $1 AND $2", extremes["min"], extremes["max"])
            else:
                stored = self._session.rows(sql)
        return frozenset(message_id for (message_id,) in stored)

    def _fitted(self, name: str, table: Table, stored: Mapping[str, str]) -> "_Fitted":
        """Changes the table, and makes the rows fit it."""
        alterations = TableAlterations(self._session, self._schema, name)
        columns = alterations.make_fit(table, stored)
        self._notices += alterations.notices
        self._discards += alterations.discards
        foreign = {column: stored[column] for column in table.types if column in columns and columns[column] is None}
        if foreign and self._dialect.try_cast_setup:
            self._session.execute(self._dialect.try_cast_setup)
        before = {column: self._dialect.type_of(data_type) for column, data_type in stored.items()}
        rows = fit(table, columns, before)
        return _Fitted(rows, foreign, columns, mixes_times(rows, columns, before))

    def _with_room(self, name: str, table: Table, fitted: _Fitted, reserved_bytes: int = 0) -> _Fitted:
        """Moves values for which a row has no room to the discards."""
        excess = self._session.excess(self._schema, name, fitted.rows, reserved_bytes=reserved_bytes)
        # In the table's order, so that the rows of a batch are not wider than the table's.
        rows, count = fitted.rows.select([c for c in fitted.columns if c in table.types]), len(self._discards)
        for column, has_none in excess.items():
            lost = replace(table, rows=table.rows.filter(has_none))
            self._discards += discards_of(name, lost, column, _NO_ROOM)
            emptied = pc.if_else(has_none, pa.scalar(None, rows[column].type), rows[column])
            rows = rows.set_column(rows.column_names.index(column), column, emptied)
        if excess:
            self._notices.append(f"{len(self._discards) - count:,} values of {name}: {_NO_ROOM}")
        return fitted._replace(rows=rows)

    def _append(self, name: str, table: Table, rows: pa.Table, foreign: Mapping[str, str]) -> None:
        if not foreign:
            self._session.append(self._schema, name, rows)
            return
        names = ", ".join(map(quoted, rows.column_names))
        values = ", ".join(self._value(column, foreign) for column in rows.column_names)
        with self._session.batch(rows) as batch:
            self._session.execute(f"INSERT INTO {self._named(name)} ({names}) SELECT {values} FROM {batch} b")
            # Nothing of ours may stop at a type that someone chose: the row stays, the value goes to `_discards`.
            self._discard_uncastable(name, table, foreign, batch)

    def _merge(self, name: str, table: Table, latest: Latest, stored: Mapping[str, str]) -> Inserted:
        table, latest = self._with_short_ids(name, table, latest)
        fitted, cleared = self._fitted(name, table, stored), self._cleared(latest)
        fitted = self._with_room(name, table, fitted, _FURTHER_BYTES)
        here, columns = self._named(name), fitted.rows.column_names
        rows, clears = _with_clears(fitted, latest, cleared)

        def value(column: str) -> str:
            return self._value(column, fitted.foreign)

        with self._session.batch(rows.append_column(SINCE, latest.since)) as batch:
            # First: the update changes the `received_at` that says whether the stored row is newer than the batch.
            stale = f"SELECT id FROM {batch}" if fitted.mixes_times else stale_ids(batch, here)
            self._session.execute(f"CREATE TEMP TABLE {_STALE} AS {stale}")
            self._session.execute(update_latest(batch, here, columns, value, clears))
            self._session.execute(insert_latest(batch, here, columns, value))
            self._discard_uncastable(name, table, fitted.foreign, batch)
        if self._session.rows(f"SELECT 1 FROM {_STALE} LIMIT 1"):
            self._rework(name, latest, cleared)
        self._session.execute(f"DROP TABLE {_STALE}")
        return Inserted(len(rows), 0)

    def _with_short_ids(self, name: str, table: Table, latest: Latest) -> tuple[Table, Latest]:
        """Moves ids to the discards that are longer than the product's keys; the messages are in the history."""
        limit, ids = self._dialect.max_key_bytes, table.rows["id"]
        if limit is None or (pc.max(pc.binary_length(ids)).as_py() or 0) <= limit:
            return table, latest
        is_long = pc.greater(pc.binary_length(ids), limit)
        long = replace(table, rows=table.rows.filter(is_long))
        self._discards += discards_of(name, long, "id", f"a key takes at most {limit:,} bytes; see {latest.history}")
        short = pc.invert(is_long)
        return replace(table, rows=table.rows.filter(short)), latest.filtered(short.combine_chunks())

    def _cleared(self, latest: Latest) -> ClearedTraits:
        cleared = ClearedTraits(self._session, self._schema, latest.history)
        if latest.nulls is not None:
            cleared.record(latest.nulls)
        return cleared

    def _rework(self, name: str, latest: Latest, cleared: ClearedTraits) -> None:
        tables = self._session.column_types(self._schema)
        ours, history = tables[name], tables.get(latest.history, {})
        shared = [column for column in ours if column in history and column != "id"]
        # A trait may have widened in one of the tables only: as text both hold it.
        differing = {column for column in shared if ours[column] != history[column]}
        current = {column: self._dialect.type_of(ours[column]) for column in differing}
        alterations = TableAlterations(self._session, self._schema, name)
        if not alterations.widen(current, dict.fromkeys(differing, ColumnType.VARCHAR)):
            shared, differing = [column for column in shared if column not in differing], set()
        values = {
            column: self._dialect.text(self._dialect.type_of(history[column]), read) if column in differing else read
            for column, read in ((column, f"m.{quoted(column)}") for column in shared)
        }
        clearing = cleared.conditions(shared, latest.key, _STALE)
        joined = f"LEFT JOIN {CLEARED} c ON {cleared.joined()}" if clearing else ""
        past = History(self._named(latest.history), latest.key, values, clearing, joined)
        for start in range(0, len(shared), _REWORKED_COLUMNS):
            self._rework_columns(name, past.of(shared[start : start + _REWORKED_COLUMNS]))

    def _rework_columns(self, name: str, past: History) -> None:
        """Computes the columns anew. Where they make a row too wide, those that do stay as they are."""
        if self._session.attempt(rework_latest(_STALE, self._named(name), past)):
            return
        columns = list(past.values)
        if len(columns) == 1:
            self._notices.append(f"column {name}.{columns[0]} not brought up to date: {_NO_ROOM}")
            return
        for part in (columns[: len(columns) // 2], columns[len(columns) // 2 :]):
            self._rework_columns(name, past.of(part))

    def _value(self, column: str, foreign: Mapping[str, str]) -> str:
        name = f"b.{quoted(column)}"
        return self._dialect.try_cast(name, foreign[column]) if column in foreign else name

    def _discard_uncastable(self, name: str, table: Table, foreign: Mapping[str, str], batch: str) -> None:
        for column, data_type in foreign.items():
            is_lost = f"b.{quoted(column)} IS NOT NULL AND {self._value(column, foreign)} IS NULL"
            lost_ids = self._session.rows(f"SELECT b.id FROM {batch} b WHERE {is_lost}")
            if lost_ids:
                ids = pa.array([row_id for (row_id,) in lost_ids], pa.string())
                lost = replace(table, rows=table.rows.filter(pc.is_in(table.rows["id"], ids)))
                self._discards += discards_of(name, lost, column, f"does not convert to the column's type {data_type}")

    def _insert_discards(self, discards: Sequence[Discard], now: datetime) -> None:
        here = self._named("_discards")
        if "_discards" not in self._session.table_names(self._schema):
            self._session.execute(f"CREATE TABLE {here} ({_DISCARDS})")
        if self._dialect.try_cast_setup:
            self._session.execute(self._dialect.try_cast_setup)
        received_at = self._dialect.try_cast("b.received_at", self._dialect.types[ColumnType.TIMESTAMP])
        with self._session.batch(as_rows([self._dialect.storable(discard) for discard in discards])) as batch:
            self._session.execute(
                f"INSERT INTO {here} (table_name, column_name, value, reason, message_id, received_at, discarded_at)"
                f' SELECT b."table", b."column", b.value, b.reason, b.message_id, {received_at},'
                f" {literal(now.isoformat())}::timestamptz FROM {batch} b"
            )

    def _named(self, table: str) -> str:
        return quoted(self._schema, table)


def _with_clears(fitted: _Fitted, latest: Latest, cleared: ClearedTraits) -> tuple[pa.Table, Mapping[str, str]]:
    """Adds to the rows a column with the names of those that a null clears; returns the conditions that look there."""
    nulls = latest.nulls
    if nulls is None or not nulls.cleared:
        return fitted.rows, {}
    nested, by_row = cleared.nested(), [list[str]() for _ in range(len(fitted.rows))]
    concerned = []
    for column in fitted.columns:
        sent = [nulls.cleared[name] for name in covering(column, nested) if name in nulls.cleared]
        if sent:
            concerned.append(column)
            for number in pc.indices_nonzero(reduce(pc.or_, sent)).to_pylist():
                by_row[number].append(column)
    # One column of texts, and not one for each: PostgreSQL's tables have 1,600 at most.
    texts = pa.array([name_list(names) for names in by_row], pa.string())
    conditions = {column: lists_name(f"b.{quoted(_CLEARS)}", column) for column in concerned}
    return fitted.rows.append_column(_CLEARS, texts), conditions
