"""Implements the warehouse's contract on Arrow tables. Its SQL is DuckDB's, over copies of the tables."""

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa

from tifo.kernel.clock import Clock, from_iso, system_clock
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import START, Shard
from tifo.kernel.json import JsonObject
from tifo.warehouses.memory.query import run
from tifo.warehouses.memory.tables import StoredTable, inserted, merged
from tifo.warehouses.ports import (
    LOADED_AT,
    ColumnType,
    Cursor,
    Discard,
    EventCount,
    FilledCount,
    Load,
    Loaded,
    RowCount,
    RowSelection,
    id_column,
)
from tifo.warehouses.rows import stamped
from tifo.warehouses.sql import LATEST_TABLES, never_loaded

_Tables = dict[tuple[str, str], StoredTable]
"""Holds the tables by schema and name."""


@dataclass(frozen=True)
class _State:
    """Holds the whole state; one commit replaces it."""

    positions: dict[tuple[str, Shard], Cursor] = field(default_factory=dict)
    tables: _Tables = field(default_factory=dict)
    loads: list[dict[str, Any]] = field(default_factory=list)

    def copy(self) -> "_State":
        return _State(dict(self.positions), dict(self.tables), list(self.loads))


class MemoryWarehouse:
    """Implements `Warehouse`. Threads may share it."""

    def __init__(self, clock: Clock = system_clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._state = _State()

    def positions(self, shard: Shard) -> dict[str, Cursor]:
        return {connection: cursor for (connection, of), cursor in self._state.positions.items() if of == shard}

    def committed_positions(self, shard: Shard) -> dict[str, Cursor]:
        return self.positions(shard)

    def publish(self, *, at_end: bool = False) -> None:
        """Does nothing: what is committed is readable."""

    def load(self, loads: Sequence[Load], meanwhile: Callable[[], None] | None = None) -> list[Loaded]:
        with self._lock:
            # Readers hold no lock: they see the state before the load, or the one after it.
            state = self._state.copy()
            try:
                loaded = [self._load(state, load) for load in loads]
            except pa.ArrowInvalid as error:
                raise Rejected(f"The warehouse refuses a value: {error}") from error
            self._state = state
        # Outside the lock: it may use this warehouse.
        if meanwhile is not None:
            meanwhile()
        return loaded

    def table_names(self, schema: str) -> frozenset[str]:
        return frozenset(self._tables(schema))

    def rewind(self, connection: str, received_after: datetime | None) -> None:
        with self._lock:
            state = self._state.copy()
            known = {key: cursor for key, cursor in state.positions.items() if key[0] == connection}
            if not known:
                raise never_loaded(connection)
            schemas = {cursor.schema for cursor in known.values()}
            for (schema, name), table in self._state.tables.items():
                # `users` and `accounts` stay, as the contract says: the loads that follow bring them up to date.
                if schema in schemas and name not in LATEST_TABLES:
                    state.tables[schema, name] = _received_until(table, received_after)
            state.positions.update({key: cursor._replace(position=START) for key, cursor in known.items()})
            self._state = state

    def query(self, sql: str, *, wait_s: float = 10.0) -> list[JsonObject]:  # noqa: ARG002 (nobody waits here)
        if not self._state.positions:
            raise NotFound("Nothing was loaded into this warehouse yet.", code="no_warehouse")
        return run(sql, {place: table.rows for place, table in self._state.tables.items()}, self._state.loads)

    def tables(self, schema: str, *, wait_s: float = 10.0) -> dict[str, int]:  # noqa: ARG002 (likewise)
        return {name: len(table.rows) for name, table in sorted(self._tables(schema).items())}

    def columns(self, schema: str) -> dict[str, list[str]]:
        return {name: list(table.types) for name, table in self._tables(schema).items()}

    def row_counts(self, schema: str, tables: Collection[str]) -> dict[str, RowCount]:
        every = self._tables(schema)
        return {name: RowCount(len(every[name].rows), len(every[name].ids())) for name in tables}

    def stored_ids(self, schema: str, table: str, ids: Collection[str]) -> set[str]:
        return set(self._tables(schema)[table].rows[id_column(table)].to_pylist()) & set(ids)

    def filled_count(self, asked: RowSelection, groups: Sequence[Collection[str]]) -> FilledCount:
        rows = self._selected(asked)
        return FilledCount(len(rows), tuple(sum(_has_value(row, group) for row in rows) for group in groups))

    def ids_without(self, asked: RowSelection, group: Collection[str], *, limit: int) -> list[str]:
        return sorted(row["id"] for row in self._selected(asked) if not _has_value(row, group))[:limit]

    def unplanned_events(self, schema: str, planned: Collection[str], *, limit: int) -> list[EventCount]:
        counts: dict[str, int] = {}
        for row in self._selected(RowSelection(schema, "tracks")):
            if row["event_text"] is not None and row["event_text"] not in planned:
                counts[row["event_text"]] = counts.get(row["event_text"], 0) + 1
        frequent = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return [EventCount(event, rows) for event, rows in frequent[:limit]]

    def loaded_at(self, schema: str, message_id: str) -> dict[str, datetime]:
        return {
            name: row[LOADED_AT].astimezone(UTC)
            for name, table in self._tables(schema).items()
            if name not in LATEST_TABLES and name != "_discards"
            for row in table.objects()
            if row["id"] == message_id
        }

    def _tables(self, schema: str) -> dict[str, StoredTable]:
        return {name: table for (place, name), table in self._state.tables.items() if place == schema}

    def _selected(self, asked: RowSelection) -> list[dict[str, Any]]:
        rows = self._tables(asked.schema)[asked.table].objects()
        return rows if asked.column is None else [row for row in rows if row[asked.column] == asked.value]

    def _load(self, state: _State, load: Load) -> Loaded:
        key = load.connection, load.shard
        held = state.positions.get(key, Cursor(load.schema, START)).position
        if held != load.after:
            raise Conflict(f"The warehouse holds connection {load.connection!r} at position {held}, not {load.after}.")
        started_at = self._clock()
        loaded = _insert(state.tables, load, started_at)
        state.positions[key] = Cursor(load.schema, load.position)
        if load.tables or load.discards:
            state.loads.append(_history_row(load, loaded, started_at, self._clock()))
        return loaded


def _insert(tables: _Tables, load: Load, now: datetime) -> Loaded:
    rows: dict[str, int] = {}
    notices: list[str] = []
    discards = list(load.discards)
    for name, unstamped in load.tables.items():
        table, stored = stamped(unstamped, now), tables.get((load.schema, name), StoredTable())
        if table.latest is None:
            made, rows[name], new_notices, new_discards = inserted(name, stored, table)
        else:
            place = load.schema, table.latest.history
            history = tables[place] = tables.get(place, StoredTable()).with_nulls(table.latest.nulls)
            result = merged(name, stored, history, table, table.latest)
            made, rows[name], new_notices, new_discards = result.table, result.rows, result.notices, result.discards
        tables[load.schema, name] = made
        notices += new_notices
        discards += new_discards
    if discards:
        _append_discards(tables, load.schema, discards, now)
    duplicates = sum(len(table.rows) - rows[name] for name, table in load.tables.items())
    return Loaded(
        connection=load.connection, rows=rows, duplicates=duplicates, discarded=len(discards), notices=tuple(notices)
    )


_DISCARD_TYPES = {
    "table_name": ColumnType.VARCHAR,
    "column_name": ColumnType.VARCHAR,
    "value": ColumnType.VARCHAR,
    "reason": ColumnType.VARCHAR,
    "message_id": ColumnType.VARCHAR,
    "received_at": ColumnType.TIMESTAMP,
    "discarded_at": ColumnType.TIMESTAMP,
}


def _append_discards(tables: _Tables, schema: str, discards: Iterable[Discard], now: datetime) -> None:
    stored = tables.get((schema, "_discards"), StoredTable())
    values = [(*discard[:5], _time(discard.received_at), now) for discard in discards]
    tables[schema, "_discards"] = stored.with_values(values, _DISCARD_TYPES)


def _time(text: str | None) -> datetime | None:
    with suppress(ValueError, OverflowError):
        return None if text is None else from_iso(text)
    return None


def _received_until(table: StoredTable, moment: datetime | None) -> StoredTable:
    if "received_at" not in table.types:
        return table
    times = table.rows["received_at"].to_pylist()
    stays = [moment is not None and not (at is not None and at > moment) for at in times]
    return replace(table, rows=table.rows.filter(pa.array(stays, pa.bool_())))


def _has_value(row: dict[str, Any], group: Collection[str]) -> bool:
    return any(row[column] is not None for column in group)


def _history_row(load: Load, loaded: Loaded, started_at: datetime, finished_at: datetime) -> dict[str, Any]:
    return {
        "connection": load.connection,
        "shard": load.shard,
        "schema_name": load.schema,
        "after_position": load.after,
        "position": load.position,
        "started_at": started_at,
        "finished_at": finished_at,
        "rows": msgspec.json.encode(loaded.rows).decode(),
        "duplicates": loaded.duplicates,
        "discarded": loaded.discarded,
        "notices": msgspec.json.encode(loaded.notices).decode(),
    }
