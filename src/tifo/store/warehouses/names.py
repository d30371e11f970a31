"""Stores settled names on SQL."""

import hashlib
from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, select

from tifo.kernel.clock import Clock
from tifo.kernel.ids import SourceId
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import Lookup, insert_rows, upsert_rows
from tifo.store.sql.database import Database
from tifo.store.sql.times import from_micros, maybe_micros, maybe_moment, to_micros
from tifo.warehouses.budgets import Allowance, Budgets
from tifo.warehouses.names import NamedColumn, NamedTable, Settled, Wishes
from tifo.warehouses.naming import Path
from tifo.warehouses.settling import MAX_WAITING, TABLES, Settlement, SourceNames

_T, _C, _A = t.named_tables.c, t.named_columns.c, t.name_allowances.c
_texts = msgspec.json.Decoder(tuple[str, ...]).decode
# By the lists of tables: one load may ask for thousands.
_tables = Lookup(
    lambda given: select(t.named_tables).where(_T.source_id == bindparam("source_id"), given.among(_T.name))
)
_columns = Lookup(
    lambda given: (
        select(_C.table_name, _C.path, _C.name)
        .where(_C.source_id == bindparam("source_id"), given.among(_C.table_name))
        .order_by(_C.number)
    )
)
_allowances = Lookup(
    lambda given: select(t.name_allowances).where(_A.source_id == bindparam("source_id"), given.among(_A.table_name))
)


class SqlSchemaNames:
    """Implements `warehouses.names.SchemaNames`."""

    def __init__(self, database: Database, clock: Clock, budgets: Budgets | None = None) -> None:
        self._database = database
        self._clock = clock
        self._budgets = budgets or Budgets()

    def read(self, source_id: SourceId) -> Settled:
        tables = select(t.named_tables).where(_T.source_id == source_id).order_by(_T.first_at, _T.name)
        columns = select(t.named_columns).where(_C.source_id == source_id).order_by(_C.number)
        with self._database.reading() as connection:
            return Settled(
                tables={row.name: _read_table(row) for row in connection.execute(tables)},
                columns=[
                    NamedColumn(row.table_name, _texts(row.path), row.name) for row in connection.execute(columns)
                ],
            )

    def settle(self, source_id: SourceId, wishes: Wishes) -> Settled:
        # In turn, so that whoever comes second finds the names of the first.
        with self._database.writing() as connection:
            names = _read(connection, source_id, wishes)
            made = names.settle(wishes, self._budgets, self._clock())
            _write(connection, source_id, made)
        return names.answer(wishes, made)


def _read(connection: Connection, source_id: SourceId, wishes: Wishes) -> SourceNames:
    asked = {wish.table for wish in wishes.columns}
    tables = _tables.rows(connection, source_id=source_id, ids={wish.table for wish in wishes.tables})
    allowances = _allowances.rows(connection, source_id=source_id, ids={*asked, TABLES})
    count = select(func.count()).where(_T.source_id == source_id, _T.made_at.is_not(None))
    return SourceNames(
        tables={row.name: _read_table(row) for row in tables},
        columns=_read_columns(connection, source_id, asked),
        allowances={row.table_name: Allowance(row.left, from_micros(row.at)) for row in allowances},
        table_count=connection.execute(count).scalar_one(),
    )


def _read_columns(connection: Connection, source_id: SourceId, tables: Collection[str]) -> dict[str, dict[Path, str]]:
    columns: dict[str, dict[Path, str]] = {}
    for row in _columns.rows(connection, source_id=source_id, ids=tables):
        columns.setdefault(row.table_name, {})[_texts(row.path)] = row.name
    return columns


def _write(connection: Connection, source_id: SourceId, made: Settlement) -> None:
    upsert_rows(connection, t.named_tables, [_table_row(source_id, table) for table in made.tables.values()])
    insert_rows(connection, t.named_columns, [_column_row(source_id, column) for column in made.columns])
    allowances = [
        {"source_id": source_id, "table_name": table, "left": allowance.left, "at": to_micros(allowance.at)}
        for table, allowance in made.allowances.items()
    ]
    upsert_rows(connection, t.name_allowances, allowances)
    if any(table.made_at is None for table in made.tables.values()):
        _forget(connection, source_id)


def _forget(connection: Connection, source_id: SourceId) -> None:
    waits = (_T.source_id == source_id) & _T.made_at.is_(None)
    oldest = select(_T.first_at).where(waits).order_by(_T.first_at.desc()).offset(MAX_WAITING).limit(1)
    connection.execute(delete(t.named_tables).where(waits, _T.first_at <= oldest.scalar_subquery()))


def _read_table(row: Any) -> NamedTable:
    return NamedTable(
        name=row.name,
        events=_texts(row.events),
        first_at=from_micros(row.first_at),
        made_at=maybe_moment(row.made_at),
        seen=_texts(row.seen),
        waited=bool(row.waited),
    )


def _table_row(source_id: SourceId, table: NamedTable) -> dict[str, Any]:
    return {
        "source_id": source_id,
        "name": table.name,
        "events": _json(table.events),
        "first_at": to_micros(table.first_at),
        "made_at": maybe_micros(table.made_at),
        "seen": _json(table.seen),
        "waited": table.waited,
    }


def _column_row(source_id: SourceId, column: NamedColumn) -> dict[str, Any]:
    path = _json(column.path)
    return {
        "source_id": source_id,
        "table_name": column.table,
        "digest": hashlib.sha256(path.encode()).hexdigest(),
        "path": path,
        "name": column.name,
    }


def _json(texts: tuple[str, ...]) -> str:
    return msgspec.json.encode(texts).decode()
