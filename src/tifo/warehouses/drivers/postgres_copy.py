"""How rows get into PostgreSQL's tables, within a load's transaction."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tifo.warehouses.columns import EXACT
from tifo.warehouses.ports import ColumnType, Discard, Latest, Load, Loaded, Table
from tifo.warehouses.rows import Inserted, as_rows, stamped, without
from tifo.warehouses.schema import Evolution, Existing, discards_of, evolve, fit
from tifo.warehouses.sql import SINCE, insert_latest, quoted, rework_latest, stale_ids, update_latest

MAX_NAME_BYTES = 63
MAX_COLUMNS = 1_000
"""PostgreSQL takes 1,600, those that were dropped included, and a row of at most 8 kB."""

_TYPES = {
    ColumnType.TIMESTAMP: "timestamp with time zone",
    ColumnType.INTEGER: "bigint",
    ColumnType.FLOAT: "double precision",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.VARCHAR: "text",
}
_OUR_TYPES = {name: column_type for column_type, name in _TYPES.items()} | {"character varying": ColumnType.VARCHAR}
_TIMESTAMP_TEXT = """to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
COLUMNS_OF = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
"""
_KEYED = """
SELECT c.relname
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
WHERE n.nspname = $1 AND a.attname = 'id' AND i.indisunique AND i.indnatts = 1 AND i.indpred IS NULL
"""
_SEEN_BY_VIEWS = """
SELECT DISTINCT a.attname
FROM pg_depend d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    JOIN pg_class c ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
WHERE n.nspname = $1 AND c.relname = $2 AND r.ev_class <> c.oid
"""
_TRY_CAST = """
CREATE OR REPLACE FUNCTION pg_temp.tifo_try_cast(value text, target text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
    EXECUTE format('SELECT ($1::%s)::text', target) INTO result USING value;
    IF target LIKE 'character%' AND result IS DISTINCT FROM value THEN RETURN NULL; END IF;
    RETURN result;
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR cannot_coerce OR undefined_object THEN
    RETURN NULL;
END $$
"""
_DISCARDS = (
    "table_name text, column_name text, value text, reason text, message_id text,"
    " received_at timestamptz, discarded_at timestamptz"
)
_TAKE_DISCARDS = """
INSERT INTO {here} (table_name, column_name, value, reason, message_id, received_at, discarded_at)
SELECT b."table", b."column", b.value, b.reason, b.message_id,
    pg_temp.tifo_try_cast(b.received_at, 'timestamptz')::timestamptz, {now}::timestamptz
FROM pg_temp._batch b
"""
_NUL, _FOR_NUL = "\0", "␀"
_NUL_REASON = f"PostgreSQL takes no U+0000: in the row {_FOR_NUL} stands for it"
_BATCH = "pg_temp._batch"
_MISSING = object()


class Manner(NamedTuple):
    """How hard to try."""

    straight: bool
    """COPY into the tables themselves; a duplicate makes that fail."""
    clean: bool
    """Look for texts that PostgreSQL does not take; one makes the COPY fail otherwise."""


def cut_to_fit(load: Load) -> Load:
    """Names of tables and columns that PostgreSQL takes as they are."""
    return replace(load, tables={cut_name(name): _cut_columns(table) for name, table in load.tables.items()})


def cut_name(name: str) -> str:
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    start = name.encode()[: MAX_NAME_BYTES - 9].decode(errors="ignore")
    return f"{start}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _cut_columns(table: Table) -> Table:
    if max(map(len, table.types)) * 4 <= MAX_NAME_BYTES or all(cut_name(name) == name for name in table.types):
        return table
    types = {cut_name(name): column_type for name, column_type in table.types.items()}
    return replace(table, types=types, rows=table.rows.rename_columns([cut_name(n) for n in table.rows.column_names]))


class PostgresSchema:
    """One source's schema."""

    def __init__(self, cursor: Any, name: str, manner: Manner) -> None:
        self._cursor = cursor
        self._name = name
        self._manner = manner
        self._notices: list[str] = []
        self._discards: list[Discard] = []

    def take(self, load: Load, now: datetime) -> Loaded:
        if load.tables or load.discards:
            self._make_schema()
        stored = self._columns() if load.tables else {}
        keyed = {name for (name,) in self._rows(_KEYED, self._name)} if load.tables else set()
        inserts = {
            name: self._insert(name, stamped(table, now), stored.get(name, {}), is_keyed=name in keyed)
            for name, table in load.tables.items()
        }
        discards = [*load.discards, *self._discards]
        if discards:
            self._insert_discards(discards, now)
        rows = {name: insert.rows for name, insert in inserts.items()}
        duplicates = sum(insert.duplicates for insert in inserts.values())
        return Loaded(load.connection, rows, duplicates, len(discards), tuple(self._notices))

    def _make_schema(self) -> None:
        if not self._rows("SELECT 1 FROM pg_namespace WHERE nspname = $1", self._name):
            self._cursor.execute(f"CREATE SCHEMA {quoted(self._name)}")

    def _columns(self) -> dict[str, dict[str, str]]:
        tables: dict[str, dict[str, str]] = {}
        for table, column, data_type in self._rows(COLUMNS_OF, self._name):
            tables.setdefault(table, {})[column] = data_type
        return tables

    def _insert(self, name: str, table: Table, stored: Mapping[str, str], *, is_keyed: bool) -> Inserted:
        if self._manner.clean:
            table = self._cleaned(name, table)
        if table.latest is not None:
            return self._merge(name, table, table.latest, stored)
        known = self._known(name, table) if stored and not (self._manner.straight and is_keyed) else frozenset()
        new = without(table.rows, known)
        duplicates = len(table.rows) - len(new)
        if not len(new):
            return Inserted(0, duplicates)
        fresh = replace(table, rows=new)
        columns, foreign = self._made_fit(name, fresh, stored)
        rows = fit(fresh, columns)
        if foreign:
            self._insert_by_cast(name, fresh, rows, foreign)
        else:
            self._cursor.adbc_ingest(name, rows, mode="append", db_schema_name=self._name)
        return Inserted(len(new), duplicates)

    def _known(self, name: str, table: Table) -> frozenset[str]:
        """Ids that the table holds already."""
        self._bring(table.rows.select(["id"]))
        found = self._rows(f"SELECT b.id FROM {_BATCH} b JOIN {quoted(self._name, name)} s ON s.id = b.id")
        self._forget_batch()
        return frozenset(message_id for (message_id,) in found)

    def _insert_by_cast(self, name: str, table: Table, rows: pa.Table, foreign: Mapping[str, str]) -> None:
        value = self._casting(foreign)
        self._bring(rows)
        names, values = ", ".join(map(quoted, rows.column_names)), ", ".join(map(value, rows.column_names))
        self._cursor.execute(f"INSERT INTO {quoted(self._name, name)} ({names}) SELECT {values} FROM {_BATCH} b")
        self._discard_uncastable(name, table, foreign, value)
        self._forget_batch()

    def _merge(self, name: str, table: Table, latest: Latest, stored: Mapping[str, str]) -> Inserted:
        columns, foreign = self._made_fit(name, table, stored)
        rows = fit(table, columns)
        here, value = quoted(self._name, name), self._casting(foreign)
        self._bring(rows.append_column(SINCE, latest.since))
        self._cursor.execute(f"CREATE TEMP TABLE _stale ON COMMIT DROP AS {stale_ids(_BATCH, here)}")
        self._cursor.execute(update_latest(_BATCH, here, rows.column_names, value))
        self._cursor.execute(insert_latest(_BATCH, here, rows.column_names, value))
        self._discard_uncastable(name, table, foreign, value)
        self._forget_batch()
        if self._rows("SELECT 1 FROM pg_temp._stale LIMIT 1"):
            self._rework(name, latest)
        self._cursor.execute("DROP TABLE pg_temp._stale")
        return Inserted(len(rows), 0)

    def _rework(self, name: str, latest: Latest) -> None:
        tables = self._columns()
        ours, history = tables[name], tables.get(latest.history, {})
        shared = [column for column in ours if column in history and column != "id"]
        differing = [column for column in shared if ours[column] != history[column]]
        if differing:
            self._alter(name, [_retyped(c, _OUR_TYPES.get(ours[c]), ColumnType.VARCHAR) for c in differing])
        as_text = frozenset(differing)
        where = quoted(self._name, name), quoted(self._name, latest.history)
        self._cursor.execute(rework_latest("pg_temp._stale", *where, latest.key, shared, as_text=as_text))

    def _made_fit(self, name: str, table: Table, stored: Mapping[str, str]) -> tuple[Existing, dict[str, str]]:
        """The columns after the evolution; and of those that the rows fill, the ones of a type that we leave alone."""
        existing = {column: _OUR_TYPES.get(data_type) for column, data_type in stored.items()}
        evolution = self._evolution(name, table, existing)
        pinned = self._pinned(name, evolution)
        if pinned:
            existing |= dict.fromkeys(pinned)
            evolution = self._evolution(name, table, existing)
        self._evolve(name, table, existing, evolution)
        columns = evolution.after(existing)
        return columns, {column: stored[column] for column in table.types if columns.get(column, _MISSING) is None}

    def _evolution(self, name: str, table: Table, existing: Existing) -> Evolution:
        here = quoted(self._name, name)
        return evolve(existing, table, lambda column: self._is_exact(here, column), MAX_COLUMNS)

    def _pinned(self, name: str, evolution: Evolution) -> set[str]:
        """Columns that PostgreSQL does not widen, for a view depends on them."""
        if not evolution.widened:
            return set()
        pinned = {column for (column,) in self._rows(_SEEN_BY_VIEWS, self._name, name)} & evolution.widened.keys()
        self._notices += [f"column {name}.{column} not widened: a view depends on it" for column in sorted(pinned)]
        return pinned

    def _evolve(self, name: str, table: Table, existing: Existing, evolution: Evolution) -> None:
        """All changes of a table at once: its rows are rewritten at most once, and not at all for a new column."""
        if not existing:
            columns = [f"{quoted(column)} {_TYPES[kind]}" for column, kind in evolution.added.items()]
            self._cursor.execute(f"CREATE TABLE {quoted(self._name, name)} ({', '.join(columns)}, PRIMARY KEY (id))")
            self._notices.append(f"table {name} made")
        else:
            changes = [f"ADD COLUMN {quoted(column)} {_TYPES[kind]}" for column, kind in evolution.added.items()]
            changes += [_retyped(column, existing[column], wider) for column, wider in evolution.widened.items()]
            self._alter(name, changes)
            self._notices += [f"column {name}.{column} added as {kind}" for column, kind in evolution.added.items()]
        self._notices += [
            f"column {name}.{column} widened from {existing[column]} to {wider}"
            for column, wider in evolution.widened.items()
        ]
        for column in evolution.refused:
            self._discards += discards_of(name, table, column, "the table has no room for another column")

    def _alter(self, name: str, changes: Sequence[str]) -> None:
        if changes:
            self._cursor.execute(f"ALTER TABLE {quoted(self._name, name)} {', '.join(changes)}")

    def _is_exact(self, here: str, column: str) -> bool:
        name = quoted(column)
        return not self._rows(f"SELECT 1 FROM {here} WHERE {name} NOT BETWEEN {-EXACT} AND {EXACT} LIMIT 1")

    def _casting(self, foreign: Mapping[str, str]) -> Callable[[str], str]:
        if foreign:
            self._cursor.execute(_TRY_CAST)

        def value(column: str) -> str:
            name = f"b.{quoted(column)}"
            if column not in foreign:
                return name
            kind = foreign[column]
            return f"pg_temp.tifo_try_cast({name}::text, {_literal(kind)})::{kind}"

        return value

    def _discard_uncastable(
        self, name: str, table: Table, foreign: Mapping[str, str], value: Callable[[str], str]
    ) -> None:
        for column, data_type in foreign.items():
            is_lost = f"b.{quoted(column)} IS NOT NULL AND {value(column)} IS NULL"
            found = self._rows(f"SELECT b.id FROM {_BATCH} b WHERE {is_lost}")
            if found:
                ids = pa.array([row_id for (row_id,) in found], pa.string())
                lost = replace(table, rows=table.rows.filter(pc.is_in(table.rows["id"], ids)))
                self._discards += discards_of(name, lost, column, f"does not convert to the column's type {data_type}")

    def _cleaned(self, name: str, table: Table) -> Table:
        """Without U+0000: what held it is told in full in `_discards`."""
        rows = table.rows
        for index, column in enumerate(rows.column_names):
            if not pa.types.is_string(rows[column].type):
                continue
            holds_nul = pc.fill_null(pc.match_substring(rows[column], _NUL), False)
            if pc.any(holds_nul).as_py():
                lost = replace(table, rows=rows.filter(holds_nul))
                self._discards += discards_of(
                    name, lost, column, f"PostgreSQL takes no U+0000: {_FOR_NUL} stands for it"
                )
                rows = rows.set_column(index, column, pc.replace_substring(rows[column], _NUL, _FOR_NUL))
        return replace(table, rows=rows)

    def _insert_discards(self, discards: Sequence[Discard], now: datetime) -> None:
        here = quoted(self._name, "_discards")
        if not self._rows(f"SELECT 1 WHERE to_regclass({_literal(here)}) IS NOT NULL"):
            self._cursor.execute(f"CREATE TABLE {here} ({_DISCARDS})")
        self._bring(as_rows([_takeable(discard) for discard in discards]))
        self._cursor.execute(_TRY_CAST)
        self._cursor.execute(_TAKE_DISCARDS.format(here=here, now=_literal(now.isoformat())))
        self._forget_batch()

    def _bring(self, rows: pa.Table) -> None:
        self._cursor.adbc_ingest("_batch", rows, mode="create", temporary=True)

    def _forget_batch(self) -> None:
        self._cursor.execute(f"DROP TABLE {_BATCH}")

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        self._cursor.execute(sql, values or None)
        return list(self._cursor.fetchall())


def _retyped(column: str, current: ColumnType | None, wider: ColumnType) -> str:
    name = quoted(column)
    text = _TIMESTAMP_TEXT.format(column=name) if current is ColumnType.TIMESTAMP else f"{name}::{_TYPES[wider]}"
    return f"ALTER COLUMN {name} TYPE {_TYPES[wider]} USING {text}"


def _takeable(discard: Discard) -> Discard:
    value = discard.value
    if _NUL in value:
        value = msgspec.json.encode(value).decode()
        discard = discard._replace(value=value, reason=f"{discard.reason} (the value is written as JSON)")
    names = {field: text.replace(_NUL, _FOR_NUL) for field, text in discard._asdict().items() if text is not None}
    return discard._replace(**names)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
