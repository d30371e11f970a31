"""Answers questions of audit, event checks and traces about stored rows, in SQL. Values are bound, names quoted."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from tifo.warehouses.drivers.dialect import Session
from tifo.warehouses.ports import LOADED_AT, ColumnType, EventCount, FilledCount, RowCount, RowSelection, id_column
from tifo.warehouses.sql import LATEST_TABLES, quoted

_AMONG = "IN (SELECT unnest($1::text[]))"


def row_counts(session: Session, schema: str, tables: Collection[str]) -> dict[str, RowCount]:
    counts = "SELECT count(*), count(DISTINCT id) FROM "
    return {name: RowCount(*session.rows(counts + quoted(schema, name))[0]) for name in tables}


def stored_ids(session: Session, schema: str, table: str, ids: Collection[str]) -> set[str]:
    column = id_column(table)
    sql = f"SELECT DISTINCT {column} FROM {quoted(schema, table)} WHERE {column} {_AMONG}"
    return {row_id for (row_id,) in session.rows(sql, list(ids))}


def filled_count(session: Session, asked: RowSelection, groups: Sequence[Collection[str]]) -> FilledCount:
    counts = ", ".join(["count(*)", *(f"count(*) FILTER (WHERE {_has_value(group)})" for group in groups)])
    selected, values = _selected(asked)
    ((rows, *filled),) = session.rows(f"SELECT {counts} {selected}", *values)
    return FilledCount(rows, tuple(filled))


def ids_without(session: Session, asked: RowSelection, group: Collection[str], limit: int) -> list[str]:
    selected, values = _selected(asked)
    sql = f"SELECT id {selected} AND NOT ({_has_value(group)}) ORDER BY id LIMIT {limit:d}"
    return [row_id for (row_id,) in session.rows(sql, *values)]


def unplanned_events(session: Session, schema: str, planned: Collection[str], limit: int) -> list[EventCount]:
    sql = (
        f"SELECT event_text, count(*) FROM {quoted(schema, 'tracks')} WHERE event_text NOT {_AMONG}"
        f" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {limit:d}"
    )
    return [EventCount(event, rows) for event, rows in session.rows(sql, list(planned))]


def loaded_at(session: Session, schema: str, message_id: str) -> dict[str, datetime]:
    times: dict[str, datetime] = {}
    for table in session.table_names(schema):
        if table in LATEST_TABLES or table == "_discards":
            continue
        # As text: DuckDB hands out a timestamp with a zone only where Python has pytz.
        at_text = session.dialect.text(ColumnType.TIMESTAMP, quoted(LOADED_AT))
        for (at,) in session.rows(f"SELECT {at_text} FROM {quoted(schema, table)} WHERE id = $1", message_id):
            with suppress(ValueError, TypeError):  # somebody wrote another time, such as `infinity`, or none
                times[table] = datetime.fromisoformat(at).astimezone(UTC)
    return times


def _has_value(group: Collection[str]) -> str:
    return " OR ".join(f"{quoted(column)} IS NOT NULL" for column in group) or "false"


def _selected(asked: RowSelection) -> tuple[str, list[str]]:
    """Returns FROM and WHERE, and the values of their parameters."""
    table = quoted(asked.schema, asked.table)
    if asked.column is None:
        return f"FROM {table} WHERE true", []
    return f"FROM {table} WHERE {quoted(asked.column)} = $1", [asked.value]
