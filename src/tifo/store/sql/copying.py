"""Copies the whole state into an empty PostgreSQL, and compares the copy before it commits."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Table, func, select, text

from tifo.kernel.errors import Rejected, Transient
from tifo.store.sql import tables as t
from tifo.store.sql.database import Database

Advance = Callable[[int, int], None]
"""Called with the number of rows copied so far, and the number of all rows."""

_TABLES: Sequence[Table] = t.METADATA.sorted_tables
_AT_ONCE = 5_000
_BALANCES = select(t.balances.c.reward_item_id, func.sum(t.balances.c.balance)).group_by(t.balances.c.reward_item_id)
_SEQUENCE = text("SELECT pg_get_serial_sequence(:table, :column)")
_SET = text("SELECT setval(CAST(:sequence AS regclass), :value)")


class Totals:
    """Counts what a copy is compared by: the rows of each table, and the sum of balances of each reward item."""

    def __init__(self, connection: Connection) -> None:
        self.tables = {
            table.name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
            for table in _TABLES
        }
        self.balances = {item: int(total) for item, total in connection.execute(_BALANCES)}

    def differences(self, other: "Totals") -> list[str]:
        """Returns one sentence for each difference, seen from the source."""
        found = [
            f"{name} has {count} rows, the copy {other.tables[name]}"
            for name, count in self.tables.items()
            if count != other.tables[name]
        ]
        for item in sorted(self.balances.keys() | other.balances.keys()):
            ours, theirs = self.balances.get(item, 0), other.balances.get(item, 0)
            if ours != theirs:
                found.append(f"balances of reward item {item} are {ours} in all, in the copy {theirs}")
        return found


def copy_state(source: Database, target: Database, advance: Advance) -> tuple[Totals, list[str]]:
    """Copies all rows. Returns the totals and the differences; if there are any, nothing of the copy is stored.

    Nobody can write to the source meanwhile. Raises `Rejected` if the target has rows already, or cannot hold one.
    """
    # The source is opened for writing too: on SQLite that keeps every other writer out.
    with source.writing() as reader, target.writing() as writer:
        _allow_idling(reader)
        _allow_idling(writer)
        # SHARE lets others read the source and keeps them from writing; nobody else may write to the copy either.
        _keep_others_out(reader, "SHARE")
        _keep_others_out(writer, "EXCLUSIVE")
        # Everything below sees one moment of the source, because both sides are locked by now.
        _must_be_empty(writer)
        totals = Totals(reader)
        _copy(reader, writer, totals, advance)
        differences = totals.differences(Totals(writer))
        if differences:
            writer.get_transaction().rollback()  # type: ignore[union-attr]  # `writing` began one
        else:
            # COPY brings the positions along and leaves PostgreSQL's counters at 1: the first new row would get a used
            # one.
            _set_sequences(writer)
    return totals, differences


def _keep_others_out(connection: Connection, mode: str) -> None:
    """Locks all tables on PostgreSQL, where the engine does not write in turn. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        names = ", ".join(connection.dialect.identifier_preparer.format_table(table) for table in _TABLES)
        connection.execute(text(f"LOCK TABLE {names} IN {mode} MODE"))


def _allow_idling(connection: Connection) -> None:
    """Lets one side wait for the other for as long as it takes."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))


def _must_be_empty(connection: Connection) -> None:
    for table in _TABLES:
        if connection.execute(select(table).limit(1)).first() is not None:
            raise Rejected(
                f"The database to copy to holds rows already, in {table.name}. Give an empty one: CREATE DATABASE.",
                field="to",
            )


def _copy(reader: Connection, writer: Connection, totals: Totals, advance: Advance) -> None:
    done, of = 0, sum(totals.tables.values())
    raw: Any = writer.connection.driver_connection
    for table in _TABLES:
        columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), columns)
        # In the order of the key: so the copy's pages are full, and its index grows at one end.
        rows = reader.execute(select(table).order_by(*table.primary_key), execution_options={"yield_per": _AT_ONCE})
        with _errors_of(table), raw.cursor() as cursor, cursor.copy(statement) as copy:
            # In parts, so that a table of any size fits in memory.
            for part in rows.partitions():
                for row in part:
                    copy.write_row(row)
                done += len(part)
                advance(done, of)


@contextmanager
def _errors_of(table: Table) -> Iterator[None]:
    """Translates the driver's errors, because COPY bypasses SQLAlchemy. Messages hold no values."""
    try:
        yield
    except psycopg.DataError as error:
        raise Rejected(f"PostgreSQL cannot hold a row of {table.name}: {_reason(error)}.", field="to") from error
    except psycopg.Error as error:
        raise Transient(
            f"The copy was interrupted at {table.name}: {_reason(error)}. Nothing of it is stored."
        ) from error


def _reason(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error).partition("\n")[0]


def _set_sequences(connection: Connection) -> None:
    """Sets the counters, so that new rows come after all copied ones."""
    for table in _TABLES:
        column = table.autoincrement_column
        if column is None:
            continue
        sequence = connection.execute(_SEQUENCE, {"table": table.name, "column": column.name}).scalar_one()
        greatest = connection.execute(select(func.max(column))).scalar()
        if greatest is not None:
            connection.execute(_SET, {"sequence": sequence, "value": greatest})
